"""nnhw: small neural networks on microcontrollers, with the same integers on the PC and on the board."""

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """The functions that take a model of another library; imported on first use, so that help stays fast."""
    if name in ("from_keras", "from_sklearn", "from_torch"):
        from nnhw.model_files import load

        return getattr(load, name)
    raise AttributeError(f"module 'nnhw' has no attribute {name!r}")
