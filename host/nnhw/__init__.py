"""nnhw: small neural networks on microcontrollers, with the same integers on the PC and on the board.

    network, history = nnhw.train(nnhw.load_data("iris"), layers=(8,))
    build = nnhw.export(network, "build/iris", precision="acc16")
    print(nnhw.verify(build, on="wasm"))

What ``__all__`` lists is the public interface; everything else may move between releases. A name is imported on its first
use, so that ``import nnhw`` and the help of the command line stay fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from nnhw.data.dataset import Dataset
    from nnhw.data.datasets import load as load_data
    from nnhw.exporting.write_build import export
    from nnhw.model_files.load import from_keras, from_sklearn, from_torch
    from nnhw.model_files.model_json import load, save
    from nnhw.running.verify import verify
    from nnhw.training.estimator import NnhwClassifier, NnhwRegressor
    from nnhw.training.options import Options
    from nnhw.training.train import create, train
    from nnhw_codegen.errors import NnhwError
    from nnhw_codegen.network.network import Input, Layer, Network
    from nnhw_codegen.quantization.quantize import quantize

__all__ = [
    "Dataset", "Input", "Layer", "Network", "NnhwClassifier", "NnhwError", "NnhwRegressor", "Options", "create", "export",
    "from_keras", "from_sklearn", "from_torch", "load", "load_data", "quantize", "save", "train", "verify",
]  # fmt: skip

_PLACES = {
    "Dataset": "nnhw.data.dataset:Dataset",
    "Input": "nnhw_codegen.network.network:Input",
    "Layer": "nnhw_codegen.network.network:Layer",
    "Network": "nnhw_codegen.network.network:Network",
    "NnhwClassifier": "nnhw.training.estimator:NnhwClassifier",
    "NnhwError": "nnhw_codegen.errors:NnhwError",
    "NnhwRegressor": "nnhw.training.estimator:NnhwRegressor",
    "Options": "nnhw.training.options:Options",
    "create": "nnhw.training.train:create",
    "export": "nnhw.exporting.write_build:export",
    "from_keras": "nnhw.model_files.load:from_keras",
    "from_sklearn": "nnhw.model_files.load:from_sklearn",
    "from_torch": "nnhw.model_files.load:from_torch",
    "load": "nnhw.model_files.model_json:load",
    "load_data": "nnhw.data.datasets:load",
    "quantize": "nnhw_codegen.quantization.quantize:quantize",
    "save": "nnhw.model_files.model_json:save",
    "train": "nnhw.training.train:train",
    "verify": "nnhw.running.verify:verify",
}
"""Name -> module:attribute, the same as editors read above; a test compares the two."""


def __getattr__(name: str) -> Any:
    """A public name, from its module (PEP 562)."""
    if name not in _PLACES:
        raise AttributeError(f"module 'nnhw' has no attribute {name!r}")
    module, _, attribute = _PLACES[name].partition(":")
    value = globals()[name] = getattr(import_module(module), attribute)
    return value


def __dir__() -> list[str]:
    """The public names, for editors and the prompt."""
    return sorted({*globals(), *__all__})
