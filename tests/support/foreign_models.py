"""Model files of other libraries, with what their own library answers: the fixtures of tests/fixtures/models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.model_files.conversion import Conversion, Settings
from nnhw.model_files.load import READERS, REFUSED, load

FOLDER = Path(__file__).parents[1] / "fixtures/models"

_ACTIVATIONS = {
    "torch_cancer_bn_dropout": ("relu",),
    "torch_digits_flatten": ("softplus",),
    "torch_half": ("relu",),
    "torch_iris_logits": ("relu", "identity"),
    "torch_iris_softmax": ("tanh", "softmax"),
}
"""Of the state dicts, which have none."""

_TASKS = {"sk_reg_diabetes_standard": "regression"}
"""Of networks that end in linear units."""

_NO_FLOATS = ("model_int8.tflite", "model_int16x8.tflite")
_BROKEN = ("tf_iris_norm_bn_leaky/model_keras_export.onnx", "tf_iris_norm_bn_leaky/model_tf2onnx.onnx")
"""Their writer leaves out constants: three inputs instead of one."""
_MORE_THAN_WEIGHTS = ("torch_scaled_input/model.safetensors",)
"""Beside the layers, it holds constants whose meaning a state dict does not tell."""

_TOLERANCES = {"torch_half/model_f16.safetensors": 1.8e-3, "torch_half/model_bf16.safetensors": 2.7e-2}
"""Relative to the largest output: weights of 16 bits, compared with the float32 network that they were made of."""
TOLERANCE = 1e-5


@dataclass(frozen=True)
class ModelFile:
    """One file of a fixture."""

    path: Path

    @property
    def name(self) -> str:
        return f"{self.path.parent.name}/{self.path.name}"

    @cached_property
    def facts(self) -> dict[str, Any]:
        return json.loads((self.path.parent / "expected.json").read_text("utf-8"))

    @property
    def converts(self) -> bool:
        odd = (*_BROKEN, *_MORE_THAN_WEIGHTS)
        refused = self.name in odd or self.path.name in _NO_FLOATS or self.path.name.endswith(tuple(REFUSED))
        return self.facts["expect"] == "convert" and not refused

    @property
    def tolerance(self) -> float:
        return _TOLERANCES.get(self.name, TOLERANCE)

    @cached_property
    def rows(self) -> NDArray[np.float64]:
        rows = np.load(self.path.parent / "inputs.npy")
        return rows.reshape(len(rows), -1).astype(np.float64)

    @cached_property
    def outputs(self) -> NDArray[np.float64]:
        """(n, units) of the source; logarithms of probabilities as probabilities."""
        outputs = np.load(self.path.parent / "outputs.npy").astype(np.float64)
        outputs = outputs.reshape(len(outputs), -1)
        logarithms = np.allclose(np.exp(outputs).sum(axis=1), 1.0, atol=1e-4)
        return np.exp(outputs) if logarithms else outputs

    @property
    def settings(self) -> Settings:
        activations = _ACTIVATIONS.get(self.path.parent.name, ()) if self.path.suffix == ".safetensors" else ()
        has_rows = (self.path.parent / "inputs.npy").exists()
        return Settings(rows=self.rows if has_rows else None, activations=activations)

    def convert(self) -> Conversion:
        """Converted with its rows; what ends in linear units, as the classes that all of these tell but one."""
        settings = self.settings
        if self.path.suffix in (".onnx", ".pt2", ".safetensors", ".tflite"):
            settings = replace(settings, task=_TASKS.get(self.path.parent.name, "classification"))
        return load(self.path, settings)

    def same_kind(self, conversion: Conversion) -> NDArray[np.float64]:
        """What the network gives that compares with ``outputs``: logits, probabilities, or values."""
        network = conversion.network
        logits = network.logits(self.rows)
        if any(line.label == "head" for line in conversion.lines) or not network.classes:
            return logits if network.classes else network.predict(self.rows)
        found = network.probabilities(self.rows)
        return found[:, 1:] if self.outputs.shape[1] == 1 else found

    def classes(self) -> NDArray[np.int64]:
        """The class that the source gives each row; of a single output, a logit or a probability."""
        if self.outputs.shape[1] > 1:
            return self.outputs.argmax(axis=1)
        is_logit = self.outputs.min() < 0 or self.outputs.max() > 1
        return (self.outputs[:, 0] > (0.0 if is_logit else 0.5)).astype(np.int64)


def files() -> Iterator[ModelFile]:
    """Every model file of the fixtures."""
    suffixes = (*READERS, *(Path(suffix).suffix for suffix in REFUSED))
    for path in sorted(FOLDER.glob("*/*")):
        if path.suffix in suffixes:
            yield ModelFile(path)


FILES = tuple(files())
CONVERTED = tuple(file for file in FILES if file.converts)
