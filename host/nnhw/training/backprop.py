"""Back-propagation in preallocated buffers: the inner loop of training.

Each layer's weights and bias are one matrix (units, inputs + 1) whose last column is the bias, and every batch of
x carries a last line of ones, so that one product gives z with its bias and one gives both gradients. Batches have
the units first, (units, rows): NumPy is quickest along the last axis, and the rows outnumber the units.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from nnhw.training import losses
from nnhw_codegen.errors import InputError
from nnhw_codegen.network.activations import Activation
from nnhw_codegen.network.network import Layer

Array = NDArray[np.float64]


class Parameters:
    """All weights and biases in one flat vector, ``values``, with ``gradient`` beside it.

    ``matrices`` and ``gradients`` are views of them, per layer (units, inputs + 1), bias last.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        shapes = [(layer.weights.shape[0], layer.weights.shape[1] + 1) for layer in layers]
        self.values = np.zeros(sum(units * columns for units, columns in shapes))
        self.gradient = np.zeros_like(self.values)
        self.matrices = _views(self.values, shapes)
        self.gradients = _views(self.gradient, shapes)
        for layer, matrix in zip(layers, self.matrices, strict=True):
            matrix[:, :-1] = layer.weights
            matrix[:, -1] = layer.bias

    def on_weights(self, value: float) -> Array:
        """A flat vector like ``values``: ``value`` at every weight, 0 at every bias."""
        flat = np.zeros_like(self.values)
        for matrix in _views(flat, [matrix.shape for matrix in self.matrices]):
            matrix[:, :-1] = value
        return flat

    def store(self, layers: Sequence[Layer]) -> None:
        """Copy the values back into the layers, as float64."""
        for layer, matrix in zip(layers, self.matrices, strict=True):
            layer.weights = matrix[:, :-1].copy()
            layer.bias = matrix[:, -1].copy()


def _views(flat: Array, shapes: Sequence[tuple[int, int]]) -> list[Array]:
    ends = np.cumsum([units * columns for units, columns in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(flat, ends[:-1]), shapes, strict=True)]


class Backprop:
    """Forward and backward pass for batches of exactly ``rows`` rows.

    ``layers`` gives the activations, ``parameters`` the weights and the place for the gradient. Raises ValueError
    where the loss does not fit the last activation.
    """

    def __init__(
        self, layers: Sequence[Layer], parameters: Parameters, rows: int, loss: str, relu_at_zero: float = 1.0
    ) -> None:
        self._forward = []
        self._backward: list[tuple[Array, Array, Array, Array | None, Array]] = []
        matrices, gradients = parameters.matrices, parameters.gradients
        seen: Array | None = None  # what a layer sees; None stands for the batch itself
        for index, layer in enumerate(layers[:-1]):
            if layer.activation.across_units:
                raise InputError(f"layer {index} is {layer.activation.name}, which is allowed on the last layer only")
            units = len(layer.bias)
            z, slope, delta = (np.empty((units, rows)) for _ in range(3))
            out = np.ones((units + 1, rows))
            activate = _activate(layer.activation, z, out[:-1], slope, relu_at_zero)
            self._forward.append((matrices[index], z, activate, out))
            ahead = matrices[index + 1][:, :-1].T
            across = None if seen is None else seen.T
            self._backward.insert(0, (ahead, delta, slope, across, gradients[index]))
            seen = out
        units = len(layers[-1].bias)
        self.z = np.empty((units, rows))
        self._weights = matrices[-1]
        self._across = None if seen is None else seen.T
        self._delta = np.empty((units, rows))
        self._gradient = gradients[-1]
        self._loss = losses.make(loss, layers[-1].activation, rows, units, relu_at_zero)

    def forward(self, x: Array) -> None:
        """Fill ``self.z``, the last layer's z (units, rows), from x (inputs + 1, rows)."""
        for weights, z, activate, out in self._forward:
            weights.dot(x, z)
            activate()
            x = out
        self._weights.dot(x, self.z)

    def run(self, x: Array, targets: Array, weights: Array | None = None) -> None:
        """Write the gradient of the mean loss of x (inputs + 1, rows) against targets (units, rows).

        ``weights`` (rows,) multiply the losses of the rows.
        """
        self.forward(x)
        ahead = self._delta
        self._loss.delta(self.z, targets, ahead)
        if weights is not None:
            np.multiply(ahead, weights, ahead)
        ahead.dot(x.T if self._across is None else self._across, self._gradient)
        for weights, delta, slope, across, gradient in self._backward:
            weights.dot(ahead, delta)
            np.multiply(delta, slope, delta)
            delta.dot(x.T if across is None else across, gradient)
            ahead = delta

    def value(self, x: Array, targets: Array) -> float:
        """The mean loss of x (inputs + 1, rows) against targets (units, rows)."""
        self.forward(x)
        return self._loss.value(self.z, targets)


def _activate(activation: Activation, z: Array, out: Array, slope: Array, at_zero: float) -> Callable[[], None]:
    """A function that reads z and writes the activation into ``out`` and its derivative into ``slope``."""
    if activation.curve is not None or activation.ramp is None:

        def general() -> None:
            out[...] = activation.value(z)
            slope[...] = activation.derivative(z, at_zero)

        return general

    left = float(activation.ramp)
    corner, rise = np.array(at_zero), 1.0 - left

    def ramp() -> None:
        # Straight pieces through zero are z times their slope, and the slope is the derivative.
        np.heaviside(z, corner, slope)
        if left:
            np.multiply(slope, rise, slope)
            np.add(slope, left, slope)
        np.multiply(z, slope, out)

    return ramp
