"""A model file of any library -> what it tells of a network; the suffix of the file picks the reader."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nnhw.json_reader import Fault
from nnhw.model_files.archive import MOST_BYTES
from nnhw.model_files.chain import Imported, Refusal
from nnhw.model_files.conversion import Conversion, ConversionError, Settings, convert
from nnhw.network import Network

READERS = {
    ".onnx": ("onnx", "read_onnx", ("onnx",)),
    ".keras": ("keras", "read_keras", ("h5py",)),
    ".h5": ("keras", "read_h5", ("h5py",)),
    ".hdf5": ("keras", "read_h5", ("h5py",)),
    ".skops": ("scikit_learn", "read_skops", ()),
}
"""Suffix -> module, function from the file's bytes (and Settings), and the packages that it needs."""

_PICKLE = "is a pickle, which runs code when it is read; "
REFUSED = {
    ".pkl": _PICKLE + "save the model with skops.io.dump(model, 'model.skops'), or use nnhw.from_sklearn(model)",
    ".joblib": _PICKLE + "save the model with skops.io.dump(model, 'model.skops'), or use nnhw.from_sklearn(model)",
    ".pt": _PICKLE
    + "save the program with torch.export.save(torch.export.export(model, (example,)), 'model.pt2'), the "
    "weights with safetensors.torch.save_file(model.state_dict(), 'model.safetensors'), or use nnhw.from_torch(model)",
    ".weights.h5": "holds weights without the layers that they belong to; save the whole with model.save('model.keras')",
    ".pb": "is a TensorFlow SavedModel or graph; save the model with model.save('model.keras')",
}
REFUSED[".pickle"], REFUSED[".pth"] = REFUSED[".pkl"], REFUSED[".pt"]


def load(path: str | Path, settings: Settings) -> Conversion:
    """The network in the file at ``path``, with what the user tells. Raises ConversionError, which names the file."""
    path = Path(path)
    try:
        return _guarded(lambda: convert(read(path, settings), settings))
    except Refusal as refusal:
        raise ConversionError(f"{path}: {refusal}") from None


def read(path: Path, settings: Settings) -> Imported:
    """What the file at ``path`` tells. Raises Refusal or Fault."""
    name = path.name.lower()
    for suffix, remedy in REFUSED.items():
        if name.endswith(suffix):
            raise Refusal(remedy)
    if path.suffix.lower() not in READERS:
        raise Refusal(f"not a known kind of model file; supported: {', '.join(READERS)}")
    module, function, packages = READERS[path.suffix.lower()]
    _need(packages)
    reader = getattr(importlib.import_module(f"nnhw.model_files.{module}"), function)
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise Refusal(
                f"has {size:,} bytes; no network for a microcontroller needs more than {MOST_BYTES >> 20} MB"
            )
        content = path.read_bytes()
    except OSError as error:
        raise Refusal(f"cannot be read: {error.strerror}") from None
    imported: Imported = reader(content, settings)
    return imported


def _need(packages: tuple[str, ...]) -> None:
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError:
            raise Refusal(f"reading it needs {package}, which is missing: pip install 'nnhw[import]'") from None


def _guarded(build: Callable[[], Conversion]) -> Conversion:
    """What ``build`` gives; infinite numbers are found by its checks rather than warned of by NumPy."""
    try:
        with np.errstate(all="ignore"):
            return build()
    except Fault as fault:
        raise Refusal(str(fault)) from None


def _from_object(module: str, model: Any, settings: Settings) -> Network:
    reader = importlib.import_module(f"nnhw.model_files.{module}").read_object
    try:
        return _guarded(lambda: convert(reader(model), settings)).network
    except Refusal as refusal:
        raise ConversionError(f"{type(model).__name__}: {refusal}") from None
