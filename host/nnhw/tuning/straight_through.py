"""The integers of a quantized model as a function of real weights that can be trained.

Forward, every value is the very integer that a board computes; backward, rounding counts as the identity, an activation
as its float self, and a saturated pre-activation passes nothing on (straight-through estimation, Bengio et al. 2013).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw_codegen.integers import proof, reference
from nnhw_codegen.integers.expr import evaluate
from nnhw_codegen.integers.fixed import IntArray, rounding
from nnhw_codegen.integers.qmodel import QLayer
from nnhw_codegen.network.network import Layer, Network
from nnhw_codegen.quantization import doorway
from nnhw_codegen.quantization.quantize import QuantizeReport, code_limit

Array = NDArray[np.float64]

_NEAR = 0.45

_HALVINGS = 12
"""Bisection steps for how much to shrink a neuron: to 1/4096 of its largest weight."""


class Grid:
    """``network`` on the formats that ``report`` chose for it; it starts at the integers of the report's model.

    ``values`` and ``gradient`` are flat vectors of all weights, in units of their codes, and biases, in units of about
    the code of a weight. ``finer`` tells for each layer (units,) how many bits to add to each neuron's weights.
    """

    def __init__(self, network: Network, report: QuantizeReport, finer: Sequence[IntArray]) -> None:
        self.model = report.model
        self._network = network
        self._units = doorway.units(network, code_limit(report.widths[0], never_negative=False))
        shapes = [(layer.units, layer.fan_in + 1) for layer in self.model.layers]
        ends = np.cumsum([units * columns for units, columns in shapes])
        self.values, self.gradient = np.zeros((2, ends[-1]))
        views = (
            [part.reshape(shape) for part, shape in zip(np.split(flat, ends[:-1]), shapes, strict=True)]
            for flat in (self.values, self.gradient)
        )
        self._layers: list[_GridLayer] = []
        reach = np.abs(self.model.code_range).max()
        for layer, source, bits, values, gradient in zip(
            self.model.layers, self._units.layers, finer, *views, strict=True
        ):
            self._layers.append(_GridLayer(layer, source, bits, int(reach), values, gradient))
            reach = layer.limit
        self.project()

    def codes(self, rows: NDArray[Any]) -> Array:
        """Raw rows (n, inputs) -> codes that enter the first layer, as floats."""
        return reference.codes(self.model, reference.ticks(self.model, rows)).astype(np.float64)

    def forward(self, codes: Array) -> Array:
        """Codes (n, inputs) -> outputs (n, units), as reals (SPEC 6.3)."""
        for layer in self._layers:
            codes = layer.forward(codes)
        return np.asarray(np.ldexp(codes, -self.model.output_frac) + self._offsets())

    def _offsets(self) -> Array | float:
        return np.array(self.model.offsets) if self.model.offsets else 0.0

    def backward(self, delta: Array) -> None:
        """Fill ``gradient`` from the derivative (n, units) of the loss by the outputs of the last ``forward``."""
        delta = np.ldexp(delta, -self.model.output_frac)
        for layer in reversed(self._layers):
            delta = layer.backward(delta)

    def project(self) -> None:
        """Keep weights within their codes, and neurons within the accumulator limit, whatever their inputs are."""
        low, high = self.model.code_range
        for layer in self._layers:
            low, high = layer.project(
                self.model.precision.weight_limit, self.model.precision.accumulator_limit, low, high
            )

    def network(self) -> Network:
        """The float network whose weights are the codes of this grid, exactly: quantizing it finds them again."""
        layers = [
            Layer(*layer.reals(), source.activation)
            for layer, source in zip(self._layers, self._network.layers, strict=True)
        ]
        layers[-1].bias = layers[-1].bias + self._offsets()
        return doorway.standardized(replace(self._units, layers=layers), self._network.inputs)


class _GridLayer:
    """One layer of a Grid; ``values`` and ``gradient`` (units, fan_in + 1) hold the bias in their last column."""

    def __init__(
        self, layer: QLayer, source: Layer, finer: IntArray, reach: int, values: Array, gradient: Array
    ) -> None:
        self._formats = layer
        self._activation = source.activation if layer.limit else None
        self._shift = layer.shift + finer
        self._weight_frac = self._shift + layer.z_frac - layer.input_frac
        self._one = float(max(reach, 1))
        self._values, self._gradient = values, gradient
        values[:, -1] = (layer.bias - rounding(layer.shift)) / self._one
        # Each weight starts as near to the network's own as still rounds to the model's code: what was close flips first.
        exact = np.ldexp(source.weights, (layer.shift + layer.z_frac - layer.input_frac)[:, None])
        np.clip(exact, layer.weights - _NEAR, layer.weights + _NEAR, out=values[:, :-1])
        values *= np.ldexp(1.0, finer)[:, None]
        outputs = np.arange(-layer.limit, layer.limit + 1)
        if layer.activation is not None:
            outputs = evaluate(layer.activation, outputs)
        self._outputs = outputs.astype(np.float64)
        self._seen = self._z = np.zeros((0, 0))

    def _codes(self, values: Array) -> tuple[Array, Array]:
        """Weights and bias as integers in floats; the bias without the rounding constant of the shift."""
        return np.floor(values[:, :-1] + 0.5), np.floor(values[:, -1] * self._one + 0.5)

    def reals(self) -> tuple[Array, Array]:
        """The weights (units, fan_in), per real input, and the bias (units,)."""
        weights, bias = self._codes(self._values)
        frac = self._weight_frac
        return np.ldexp(weights, -frac[:, None]), np.ldexp(bias, -frac - self._formats.input_frac)

    def forward(self, x: Array) -> Array:
        weights, bias = self._codes(self._values)
        self._seen = x
        self._z = np.floor(np.ldexp(x @ weights.T + (bias + rounding(self._shift)), -self._shift))
        limit = self._formats.limit
        if not limit:
            return self._z
        return np.asarray(self._outputs[np.clip(self._z, -limit, limit).astype(np.int64) + limit])

    def backward(self, delta: Array) -> Array:
        layer = self._formats
        if self._activation is not None:
            slope = self._activation.derivative(np.ldexp(self._z, -layer.z_frac), 1.0)
            delta = delta * slope * (np.abs(self._z) <= layer.limit)
            delta = np.ldexp(delta, layer.output_frac - layer.z_frac)
        delta = np.ldexp(delta, -self._shift)
        np.matmul(delta.T, self._seen, out=self._gradient[:, :-1])
        np.multiply(delta.sum(axis=0), self._one, out=self._gradient[:, -1])
        return np.asarray(delta @ self._codes(self._values)[0])

    def project(self, weight_limit: int, limit: int, low: IntArray, high: IntArray) -> tuple[IntArray, IntArray]:
        """Also returns the range of the outputs, given that of the inputs (fan_in,)."""
        values = self._values
        np.clip(values[:, :-1], -weight_limit, weight_limit, out=values[:, :-1])
        bounds = self._bounds(values, low, high)
        bad = proof.overflowing(limit, *bounds)
        if bad.size:
            # Projection onto an L1 ball is soft thresholding (the norm is what A2Q bounds, Colbert et al. 2023).
            fits = np.abs(values[bad]).max(axis=1, keepdims=True)
            breaks = np.zeros_like(fits)
            for _ in range(_HALVINGS):
                middle = (fits + breaks) / 2
                over = np.isin(
                    np.arange(bad.size),
                    proof.overflowing(limit, *self._bounds(_shrunk(values[bad], middle), low, high, bad)),
                )
                fits, breaks = np.where(over[:, None], fits, middle), np.where(over[:, None], middle, breaks)
            values[bad] = _shrunk(values[bad], fits)
            bounds = self._bounds(values, low, high)
        layer = self._formats
        return proof.output_range(layer.activation, layer.limit, self._shift, *bounds)

    def _bounds(
        self, values: Array, low: IntArray, high: IntArray, neurons: Any = slice(None)
    ) -> tuple[IntArray, IntArray]:
        weights, bias = self._codes(values)
        offset = rounding(self._shift[neurons])
        return proof.accumulator_bounds(weights.astype(np.int64), bias.astype(np.int64) + offset, low, high)


def _shrunk(values: Array, amount: Array) -> Array:
    return np.asarray(np.sign(values) * np.maximum(np.abs(values) - amount, 0.0))
