"""A dense network in floats: the model that users train, save and export."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nnhw_codegen.errors import InputError
from nnhw_codegen.network.activations import Activation

FloatArray = NDArray[np.floating[Any]]

Decision = Literal["argmax", "threshold", "values", "multilabel"]

MOST_ANSWERS = 30
"""So many answers of yes or no fit an integer that takes no heap on a board (SPEC 6.4)."""


def decision_of(classes: tuple[str, ...], units: int, multilabel: bool) -> Decision:
    """How ``units`` outputs become an answer (SPEC 6): ``multilabel`` says that each class is a yes or no of its own."""
    if not classes:
        return "values"
    if multilabel:
        return "multilabel"
    return "argmax" if units > 1 else "threshold"


@dataclass(frozen=True)
class Input:
    """One input feature and its doorway (SPEC 3).

    A raw value v becomes ``ticks = floor(v / step + 0.5)``, limited to [low, high] (also raw units), and enters the
    first layer as ``(v - mean) / scale``. ``step`` is the resolution of the sensor, in raw units.
    """

    name: str
    mean: float = 0.0
    scale: float = 1.0
    step: float = 2.0**-8
    low: float = -100.0
    high: float = 100.0


@dataclass(frozen=True)
class Column:
    """A column of a table, and the inputs that it becomes.

    A number is one input of the same name. Of ``categories`` each is an input, ``color=red``, which is 1 where the cell
    holds that word, else 0. ``fill`` stands for a missing value; where ``flag`` is set, one more input, ``color=?``, is 1
    where the value is missing, else 0. Without either a missing value is an error.
    """

    name: str
    categories: tuple[str, ...] = ()
    fill: float | str | None = None
    flag: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether the cell is the input as it stands."""
        return not self.categories and self.fill is None and not self.flag

    @property
    def input_names(self) -> tuple[str, ...]:
        """The names of the inputs, in order."""
        names = tuple(f"{self.name}={word}" for word in self.categories) or (self.name,)
        return (*names, f"{self.name}=?") if self.flag else names


@dataclass
class Layer:
    """One dense layer: ``activation(weights @ x + bias)``; weights have shape (units, inputs), bias (units,).

    One that is ``across_units`` (softmax) is allowed on the last layer only.
    """

    weights: FloatArray
    bias: FloatArray
    activation: Activation


@dataclass
class Network:
    """Layers, the doorway of every input, and the class names (empty: a regression network).

    ``calibration`` (n, inputs), in raw units, are rows that the network was trained on: the quantizer chooses its
    formats by them. ``columns`` tell how a row of words and numbers becomes the inputs; empty where each is a number.
    formats by them. ``multilabel`` says that each class is a question of its own, answered by the unit of its number:
    yes where its z is above 0.
    """

    layers: list[Layer]
    inputs: tuple[Input, ...]
    classes: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    training: dict[str, Any] = field(default_factory=dict)
    calibration: FloatArray | None = None
    columns: tuple[Column, ...] = ()
    multilabel: bool = False

    @property
    def decision(self) -> Decision:
        """How the outputs become an answer (SPEC 6)."""
        return decision_of(self.classes, len(self.layers[-1].bias), self.multilabel)

    def describe(self) -> str:
        """The network in one line, as '4-8-3, leaky_relu (slope 0.125), softmax'."""
        sizes = [len(self.inputs), *(len(layer.bias) for layer in self.layers)]
        names = []
        for layer in self.layers:
            name = layer.activation.name
            if layer.activation.has_slope:
                name += f" (slope {float(layer.activation.ramp or 0):g})"
            names.append(name)
        return "-".join(map(str, sizes)) + ", " + ", ".join(names)

    def standardize(self, rows: FloatArray) -> FloatArray:
        """Raw rows (n, inputs) -> the first layer's x, ``(rows - mean) / scale``."""
        mean, scale = (np.array([getattr(i, key) for i in self.inputs]) for key in ("mean", "scale"))
        return np.asarray((rows - mean) / scale)

    def preactivations(self, x: FloatArray) -> list[FloatArray]:
        """Standardized x (n, inputs) -> z of every layer, each (n, units); the last one holds the logits."""
        result: list[FloatArray] = []
        for index, layer in enumerate(self.layers):
            z = x @ layer.weights.T + layer.bias
            result.append(z)
            if index + 1 < len(self.layers):
                x = layer.activation.value(z)
        return result

    def logits(self, rows: FloatArray) -> FloatArray:
        """Raw rows (n, inputs) -> the last layer's z (n, units), before its activation."""
        return self.preactivations(self.standardize(rows))[-1]

    def predict(self, rows: FloatArray) -> NDArray[Any]:
        """Raw rows (n, inputs) -> answers as ``answers`` gives them."""
        return self.answers(self.logits(rows))

    def answers(self, z: FloatArray) -> NDArray[Any]:
        """Logits (n, units) -> class indices (n,); the outputs of a regression, or 0 and 1 of each class (n, units)."""
        if not self.classes:
            return self.layers[-1].activation.value(z)
        if self.multilabel:
            return np.asarray((z > 0).astype(np.int64))
        if z.shape[1] == 1:
            return np.asarray((z[:, 0] > 0).astype(np.int64))
        return np.asarray(z.argmax(axis=1))

    def probabilities(self, rows: FloatArray) -> FloatArray:
        """Raw rows (n, inputs) -> the probability of every class (n, classes): softmax, or logsig of each unit.

        Several logsig units are scaled to a sum of 1, unless each is a question of its own. Raises ValueError
        where the last layer gives no probabilities.
        """
        last = self.layers[-1].activation
        if not self.classes or not last.gives_probabilities:
            raise InputError(f"a network that ends in {last.name} gives no class probabilities")
        y = last.value(self.logits(rows))
        if self.multilabel or last.across_units:
            return np.asarray(y)
        if y.shape[1] == 1:
            return np.hstack([1.0 - y, y])
        return np.asarray(y / y.sum(axis=1, keepdims=True))
