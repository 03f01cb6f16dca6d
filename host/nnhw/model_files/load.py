"""A model file of any library -> what it tells of a network; the suffix of the file picks the reader."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nnhw.data import datasets
from nnhw.model_files.chain import Imported, KnownTask, Refusal
from nnhw.model_files.conversion import Conversion, ConversionError, Settings, convert
from nnhw.model_files.formats.archive import MOST_BYTES
from nnhw.model_files.strict_json import Fault
from nnhw_codegen.network.network import Network

READERS = {
    ".onnx": ("onnx", "read_onnx", ("onnx",)),
    ".keras": ("keras", "read_keras", ("h5py",)),
    ".h5": ("keras", "read_h5", ("h5py",)),
    ".hdf5": ("keras", "read_h5", ("h5py",)),
    ".safetensors": ("pytorch", "read_safetensors", ()),
    ".pt2": ("pytorch_program", "read_pt2", ()),
    ".tflite": ("tflite", "read_tflite", ("tflite",)),
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


def load(
    path: str | Path, settings: Settings, data: str | None = None, answer_column: str | None = None
) -> Conversion:
    """The network in the file at ``path``, with what the user tells.

    ``data`` names the rows instead of ``settings``: a data set, a CSV or an .npy file, see ``datasets.load_rows``. Raises
    ConversionError, which names the file, and DataError.
    """
    path = Path(path)

    def build() -> Conversion:
        imported = read(path, settings)
        if data is None:
            return convert(imported, settings)
        columns, rows = datasets.load_rows(data, imported.names, answer_column)
        return convert(imported, replace(settings, columns=columns, rows=rows))

    try:
        return _guarded(build)
    except Refusal as refusal:
        # A damaged file may hold any names.
        text = "".join(letter if letter.isprintable() else "?" for letter in str(refusal))
        raise ConversionError(f"{path}: {text}") from None


def read(path: Path, settings: Settings) -> Imported:
    """What the file at ``path`` tells. Raises Refusal or Fault."""
    name = path.name.lower()
    for suffix, remedy in REFUSED.items():
        if name.endswith(suffix):
            raise Refusal(remedy)
    if settings.activations and path.suffix.lower() != ".safetensors":
        raise Refusal("tells its own activations; leave --activations out")
    if path.suffix.lower() not in READERS:
        raise Refusal(f"not a known kind of model file; supported: {', '.join(READERS)}")
    module, function, packages = READERS[path.suffix.lower()]
    need(packages, "reading it")
    reader = getattr(importlib.import_module(f"nnhw.model_files.formats.{module}"), function)
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


def need(packages: tuple[str, ...], what: str) -> None:
    """Raise ConversionError where one of the ``packages`` that ``what`` needs is missing."""
    for package in packages:
        try:
            importlib.import_module(package)
        except ImportError:
            raise ConversionError(f"{what} needs {package}, which is missing: pip install 'nnhw[import]'") from None


def _guarded(build: Callable[[], Conversion]) -> Conversion:
    """What ``build`` gives; infinite numbers are found by its checks rather than warned of by NumPy."""
    try:
        with np.errstate(all="ignore"):
            return build()
    except Fault as fault:
        raise Refusal(str(fault)) from None


def from_sklearn(
    model: Any,
    rows: ArrayLike | None = None,
    *,
    classes: Sequence[str] = (),
    task: KnownTask | None = None,
    input_range: tuple[float, float] | None = None,
) -> Network:
    """A fitted MLPClassifier, MLPRegressor, NnhwClassifier or NnhwRegressor, or a Pipeline of scalers and PCA ending in one.

    ``rows`` (n, inputs), raw, give the ranges of the inputs and calibrate the integers; without them ``input_range``
    (lowest, highest value of all inputs) must tell, unless a MinMaxScaler does. ``classes`` name the classes anew, ``task``
    decides where the model does not. Raises ConversionError for anything that is not supported, and names it.
    """
    return _from_object("scikit_learn", model, rows, classes, task, input_range)


def from_keras(
    model: Any,
    rows: ArrayLike | None = None,
    *,
    classes: Sequence[str] = (),
    task: KnownTask | None = None,
    input_range: tuple[float, float] | None = None,
) -> Network:
    """A Sequential model of Keras, or a Functional one that is a chain; the rest as for ``from_sklearn``."""
    return _from_object("keras", model, rows, classes, task, input_range)


def from_torch(
    model: Any,
    rows: ArrayLike | None = None,
    *,
    classes: Sequence[str] = (),
    task: KnownTask | None = None,
    input_range: tuple[float, float] | None = None,
) -> Network:
    """A ``torch.nn.Sequential``, as it computes in eval mode; the rest as for ``from_sklearn``."""
    return _from_object("pytorch", model, rows, classes, task, input_range)


def _from_object(
    module: str,
    model: Any,
    rows: ArrayLike | None,
    classes: Sequence[str],
    task: KnownTask | None,
    input_range: tuple[float, float] | None,
) -> Network:
    settings = Settings(
        rows=None if rows is None else np.asarray(rows, dtype=np.float64),
        classes=tuple(classes),
        task=task,
        input_range=input_range,
    )
    reader = importlib.import_module(f"nnhw.model_files.formats.{module}").read_object
    try:
        return _guarded(lambda: convert(reader(model), settings)).network
    except Refusal as refusal:
        raise ConversionError(f"{type(model).__name__}: {refusal}") from None
