"""Float network and calibration rows -> quantized model whose bounds are proved (SPEC 2, 5)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from nnhw.activations import Activation
from nnhw.activations import get as activation_named
from nnhw.network import Input, Layer, Network
from numpy.typing import NDArray

from nnhw_codegen import proof
from nnhw_codegen.fixed import PROOF_LIMIT, IntArray, best_frac, rounding, to_code
from nnhw_codegen.precision import Precision
from nnhw_codegen.qmodel import QInput, QLayer, QModel
from nnhw_codegen.tables import formats, integer_form

MAX_SHIFT = 30

_IDENTITY = activation_named("identity")


def quantize(network: Network, precision: Precision, rows: NDArray[np.floating[Any]] | None = None) -> QModel:
    """Quantize ``network``.

    ``rows`` (n, inputs), in raw units, calibrate the formats of the hidden layers; without them, rows spread evenly
    over the declared input ranges do. Raises ValueError where an input's declared range or scale cannot be represented.
    """
    if rows is None:
        rows = spread_rows(network)
    input_frac, inputs = _doorway(network.inputs, precision.activation_limit)
    calibration = network.preactivations(network.standardize(rows))
    low, high = (np.array(v, dtype=np.int64) for v in zip(*(i.code_range for i in inputs), strict=True))
    layers: list[QLayer] = []
    frac = input_frac
    for index, (layer, z) in enumerate(zip(network.layers, calibration, strict=True)):
        last = index + 1 == len(network.layers)
        activation = _integer_activation(layer, last, classifies=bool(network.classes))
        layers.append(_quantize_layer(layer, activation, z, frac, low, high, precision))
        done = layers[-1]
        low, high = proof.output_range(done.activation, done.limit, done.shift, done.low, done.high)
        frac = done.output_frac
    model = QModel(precision, inputs, tuple(layers), network.classes, network.outputs)
    proof.check(model)
    return model


def spread_rows(network: Network, count: int = 1000) -> NDArray[np.float64]:
    """Rows (count, inputs) spread evenly over the declared range of every input, the same ones every time."""
    low = np.array([i.low for i in network.inputs])
    high = np.array([i.high for i in network.inputs])
    return np.asarray(np.random.default_rng(0).uniform(low, high, size=(count, len(network.inputs))))


def _integer_activation(layer: Layer, last: bool, classifies: bool) -> Activation | None:
    """The activation that the integers apply; None for 31-bit logits.

    Classification needs none on the last layer: logsig and softmax keep the order of the logits (SPEC 6.1).
    """
    if last and (classifies or layer.activation is None or layer.activation.name == _IDENTITY.name):
        return None
    assert layer.activation is not None
    return layer.activation


def _doorway(inputs: tuple[Input, ...], limit: int) -> tuple[int, tuple[QInput, ...]]:
    """One format for all inputs, the finest in which every declared range fits, and each input's doorway (SPEC 3.4)."""
    ends = [(end - i.mean) / i.scale for i in inputs for end in (i.low, i.high)]
    frac = best_frac(max(abs(end) for end in ends), limit)
    while True:
        entries = tuple(_entry(i, frac) for i in inputs)
        if all(max(-e.code_range[0], e.code_range[1]) <= limit for e in entries):
            return frac, entries
        frac -= 1  # a rounded gain went past the limit at the end of a range


def _entry(entry: Input, frac: int) -> QInput:
    low, high = math.ceil(entry.low / entry.step - 1e-6), math.floor(entry.high / entry.step + 1e-6)
    span = high - low
    if span < 1 or max(abs(low), abs(high)) >= 1 << 29:
        raise ValueError(
            f"input {entry.name!r}: range {entry.low:g} to {entry.high:g} in steps of {entry.step:g} is {low} to {high} "
            "ticks; a step is needed that gives at least 1 and fewer than 2^29 ticks"
        )
    codes_per_tick = math.ldexp(entry.step / entry.scale, frac)
    first = math.ldexp((low * entry.step - entry.mean) / entry.scale, frac)
    for shift in range(MAX_SHIFT, -1, -1):
        gain = math.floor(math.ldexp(codes_per_tick, shift) + 0.5)
        offset = math.floor(math.ldexp(first, shift) + 0.5) + int(rounding(shift))
        if max(span * gain, abs(offset), abs(span * gain + offset)) < PROOF_LIMIT:
            return QInput(entry.name, entry.step, low, span, gain, offset, shift)
    raise ValueError(f"input {entry.name!r}: mean {entry.mean:g} and scale {entry.scale:g} do not fit its range")


def _z_frac(activation: Activation, z: NDArray[np.floating[Any]], limit: int) -> int:
    """The calibrated format of a hidden layer's z: the largest magnitude on the calibration rows just fits."""
    if activation.ramp == 0 and activation.curve is None and z.max() > 0:
        return best_frac(float(z.max()), limit)  # what saturates below zero becomes 0 all the same
    return best_frac(float(np.abs(z).max()), limit)


def _quantize_layer(
    layer: Layer,
    activation: Activation | None,
    z: NDArray[np.floating[Any]],
    input_frac: int,
    low: IntArray,
    high: IntArray,
    precision: Precision,
) -> QLayer:
    """Give up weight bits, neuron by neuron or for the whole layer, until the proof holds (SPEC 2.2, 5.3)."""
    limit = precision.activation_limit if activation is not None else 0
    largest = np.abs(layer.weights).max(axis=1)
    if not precision.per_neuron:
        largest = np.full_like(largest, largest.max())
    weight_frac = np.array([best_frac(float(v), precision.weight_limit) for v in largest], dtype=np.int64)
    wanted, output_frac = 0, 0
    if activation is not None:
        wanted, output_frac = formats(activation, _z_frac(activation, z, limit), limit)
    coarser = 0
    while True:
        finest = int(weight_frac.min()) + input_frac - coarser
        z_frac = finest if activation is None else min(wanted, finest)
        weight_frac = np.minimum(weight_frac, z_frac + MAX_SHIFT - input_frac)
        shift = weight_frac + input_frac - z_frac
        weights = to_code(layer.weights, weight_frac[:, None], precision.weight_limit)
        bias = to_code(layer.bias, weight_frac + input_frac) + rounding(shift)
        bounds = proof.accumulator_bounds(weights, bias, low, high)
        bad = proof.overflowing(precision.accumulator_limit, *bounds)
        if bad.size:
            weight_frac[bad if precision.per_neuron else slice(None)] -= 1
        elif proof.z_too_wide(shift, *bounds):
            coarser += 1
        else:
            break
    expr = None
    if activation is None:
        output_frac = z_frac
    else:
        if activation.ramp is not None:
            output_frac = z_frac
        expr = integer_form(activation, z_frac, output_frac, limit)
    return QLayer(weights, bias, shift, limit, expr, input_frac, z_frac, output_frac, *bounds)
