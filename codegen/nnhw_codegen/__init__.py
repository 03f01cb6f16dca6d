"""The compiler of nnhw: quantizer with proof, integer reference and code emitters.

A name of ``__all__`` is imported on its first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnhw_codegen import emitters
    from nnhw_codegen.integers import reference
    from nnhw_codegen.integers.qmodel import QModel
    from nnhw_codegen.network.network import Network
    from nnhw_codegen.quantization.quantize import quantize

__all__ = ["Network", "QModel", "emitters", "quantize", "reference"]

_PLACES = {
    "Network": "network.network:Network",
    "QModel": "integers.qmodel:QModel",
    "emitters": "emitters:",
    "quantize": "quantization.quantize:quantize",
    "reference": "integers.reference:",
}
"""Name -> module:attribute, or the module itself."""


def __getattr__(name: str) -> Any:
    """A name of ``__all__``, from its module (PEP 562)."""
    if name not in _PLACES:
        raise AttributeError(f"module 'nnhw_codegen' has no attribute {name!r}")
    place, _, attribute = _PLACES[name].partition(":")
    module = import_module(f"nnhw_codegen.{place}")
    return getattr(module, attribute) if attribute else module
