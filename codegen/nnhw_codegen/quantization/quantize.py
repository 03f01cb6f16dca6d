"""Float network and calibration rows -> quantized model whose bounds are proved (SPEC 2, 5)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw_codegen.integers import precision as precisions
from nnhw_codegen.integers import proof, reference
from nnhw_codegen.integers.fixed import IntArray, best_frac, rounding, to_code, to_real
from nnhw_codegen.integers.precision import Precision
from nnhw_codegen.integers.qmodel import QInput, QLayer, QModel
from nnhw_codegen.network.activations import Activation
from nnhw_codegen.network.network import Layer, Network
from nnhw_codegen.quantization import doorway, output_layer
from nnhw_codegen.quantization.activation_forms import formats, integer_form
from nnhw_codegen.quantization.doorway import MAX_SHIFT
from nnhw_codegen.quantization.round_weights import Compensation, check_sizes, compensation, round_weights

FloatArray = NDArray[np.floating[Any]]

SEARCH_PASSES = 2
"""Passes over the layers when their activation widths are chosen one after the other."""


@dataclass(frozen=True, eq=False)
class QuantizeReport:
    """A quantized model, and what the choice of its formats cost.

    ``widths`` are bits: of the input codes, then of each hidden layer's outputs. ``bits_given_up`` holds for each layer
    (units,) by how many bits each neuron's weights are coarser than their width admits, for the sake of the proof.
    ``notes`` tell what else differs from the float network.
    """

    model: QModel
    widths: tuple[int, ...]
    bits_given_up: tuple[IntArray, ...]
    notes: tuple[str, ...] = ()


def quantize(network: Network, precision: Precision | str, rows: FloatArray | None = None) -> QModel:
    """The integers of ``network`` (SPEC 2 to 6), their bounds proved (SPEC 5.3).

    ``precision`` is one of ``PRECISIONS`` or its name, as "acc16". ``rows`` (n, inputs), in raw units, calibrate formats
    and widths; without them the network's own calibration rows do, else rows spread evenly over the declared input ranges.
    Weights that were fine-tuned for ``precision``, as ``network.training`` tells, are taken as they are; else the last
    layer of a regression makes up for what the layers before it lose. Raises ValueError for an unknown precision, where
    an input's declared range cannot be represented, and for a layer too wide for this machine's memory.
    """
    if isinstance(precision, str):
        precision = precisions.get(precision)
    if rows is None:
        rows = network.calibration
    return quantize_report(network, precision, rows).model


def quantize_report(network: Network, precision: Precision, rows: FloatArray | None = None) -> QuantizeReport:
    """``quantize``, with what it decided; raises the same."""
    check_sizes(layer.weights.shape for layer in network.layers)
    rows = spread_rows(network) if rows is None else rows
    calibrated = _Calibrated(network, precision, rows)
    widths = (precision.activation_bits[0],) * len(network.layers)
    best = calibrated.quantize(widths)
    if len(precision.activation_bits) > 1:
        best = _search(calibrated, best)
    proof.check(best.model)
    return best


def _search(calibrated: _Calibrated, best: QuantizeReport) -> QuantizeReport:
    """Choose the widths one after the other, each as the loss is least."""
    least = {best.widths: calibrated.loss(best.model)}
    for place in list(range(len(best.widths))) * SEARCH_PASSES:
        for width in calibrated.precision.activation_bits:
            widths = (*best.widths[:place], width, *best.widths[place + 1 :])
            if widths in least:
                continue
            trial = calibrated.quantize(widths)
            least[widths] = calibrated.loss(trial.model)
            if least[widths] < least[best.widths]:
                best = trial
    return best


def answer_loss(network: Network, model: QModel, rows: FloatArray) -> float:
    """How far the integers are from changing answers on ``rows``: smaller is better.

    For classes, the mean over the rows of |change of the winner's margin| / margin, each at most 1 (at 1 the answer
    changes), of answers of yes or no the margin being the logit; for values, the mean over the outputs of mean square
    error over variance.
    """
    return _answer_loss(network, network.logits(rows), model, reference.ticks(model, rows))


def _answer_loss(network: Network, want: FloatArray, model: QModel, ticks: IntArray) -> float:
    found = reference.reals(model, reference.logits(model, reference.codes(model, ticks)))
    if model.decision == "values":
        return float(np.mean(output_layer.unlikeness(network.answers(want), found)))
    if model.decision != "argmax":
        return float(np.minimum(1.0, np.abs(found - want) / np.maximum(np.abs(want), 1e-30)).mean())
    order = np.argsort(want, axis=1)
    first, second = order[:, -1:], order[:, -2:-1]
    before, after = (np.take_along_axis(v, first, 1) - np.take_along_axis(v, second, 1) for v in (want, found))
    return float(np.minimum(1.0, np.abs(after - before) / np.maximum(before, 1e-30)).mean())


@dataclass(frozen=True, eq=False)
class _Codes:
    """What enters a layer: codes ``x`` (n, fan_in) of the calibration rows, and the proved range of each (fan_in,)."""

    x: IntArray
    frac: int
    low: IntArray
    high: IntArray

    @cached_property
    def spread(self) -> Compensation:
        """How these codes let one weight make up for the rounding of another."""
        return compensation(self.x)


@dataclass(frozen=True, eq=False)
class _Start:
    """What the first layer sees for one width of the input codes: its weights per code, the doorway, calibration codes."""

    layers: list[Layer]
    inputs: tuple[QInput, ...]
    codes: _Codes


@dataclass(frozen=True, eq=False)
class _Done:
    """A quantized layer, by how many bits its weights are coarser than they could be, and the codes that leave it.

    ``offsets`` of a regression's last layer are those of its outputs.
    """

    layer: QLayer
    given_up: IntArray
    codes: _Codes
    offsets: tuple[float, ...]


class _Calibrated:
    """A network, a precision and calibration rows; what all choices of widths have in common is computed once."""

    def __init__(self, network: Network, precision: Precision, rows: FloatArray) -> None:
        self.precision = precision
        self._network = network
        self._tuned = network.training.get("precision") == precision.name
        self._rows = rows
        self._z = network.preactivations(network.standardize(rows))
        self._starts: dict[int, _Start] = {}
        self._layers: dict[tuple[int, tuple[int, ...]], _Done] = {}

    def loss(self, model: QModel) -> float:
        """``answer_loss`` on the calibration rows."""
        return _answer_loss(self._network, self._z[-1], model, reference.ticks(model, self._rows))

    def _start(self, width: int) -> _Start:
        if width not in self._starts:
            limit = code_limit(width, never_negative=False)
            network = doorway.units(self._network, limit)
            inputs = tuple(doorway.integers(entry, limit) for entry in network.inputs)
            low, high = (np.array(v, dtype=np.int64) for v in zip(*(i.code_range for i in inputs), strict=True))
            x = np.clip(np.floor(network.standardize(self._rows) + 0.5), low, high).astype(np.int64)
            # The first layer's weights are per code, so its input frac is 0 (SPEC 3.5).
            self._starts[width] = _Start(network.layers, inputs, _Codes(x, 0, low, high))
        return self._starts[width]

    def quantize(self, widths: tuple[int, ...]) -> QuantizeReport:
        """Quantize with given widths in bits: of the input codes, then of each hidden layer's outputs."""
        start = self._start(widths[0])
        codes, layers = start.codes, []
        for index in range(len(start.layers)):
            # A layer depends on the widths up to its own outputs: the search changes one and keeps those before it.
            known = widths[: index + 2]
            if (index, known) not in self._layers:
                self._layers[index, known] = self._layer(start.layers, index, codes, known[-1])
            done = self._layers[index, known]
            layers.append(done)
            codes = done.codes
        model = QModel(
            self.precision,
            start.inputs,
            tuple(done.layer for done in layers),
            self._network.classes,
            self._network.outputs,
            self._network.multilabel,
            layers[-1].offsets,
        )
        return QuantizeReport(model, widths, tuple(done.given_up for done in layers), _rounded_slopes(self._network))

    def _layer(self, layers: list[Layer], index: int, codes: _Codes, width: int) -> _Done:
        """Quantize one layer that takes ``codes``; ``width`` is that of its outputs, for the last one that of its inputs."""
        last = index + 1 == len(layers)
        activation = _integer_activation(layers[index], last, classifies=bool(self._network.classes))
        limit = 0 if activation is None else _z_limit(activation, width)
        layer, z = layers[index], self._z[index]
        values = last and not self._network.classes
        apart = values and (activation is None or activation.curve is None)
        offsets = np.zeros(len(layer.bias) if values else 0)
        if values and activation is None:
            layer = (
                output_layer.regressed(layer, z, to_real(codes.x, codes.frac)) if index and not self._tuned else layer
            )
            offsets = output_layer.offsets(
                layer, to_real(np.maximum(np.abs(codes.low), np.abs(codes.high)), codes.frac)
            )
            layer = replace(layer, bias=layer.bias - offsets)
        done, given_up = _quantize_layer(layer, activation, z, codes, self.precision, limit, apart)
        low, high = proof.output_range(done.activation, done.limit, done.shift, done.low, done.high)
        following = _Codes(reference.layer_output(done, codes.x), int(done.output_frac[0]), low, high)
        return _Done(done, given_up, following, tuple(offsets.tolist()))


def _rounded_slopes(network: Network) -> tuple[str, ...]:
    """A line for every layer whose left slope the integers round."""
    return tuple(
        f"layer {number}: {layer.activation.name} slope {float(layer.activation.ramp):g} is {taken} = {float(taken):g} "
        "in the integers"
        for number, layer in enumerate(network.layers, 1)
        if layer.activation.ramp is not None
        if (taken := layer.activation.integer_ramp) is not None and taken != layer.activation.ramp
    )


def code_limit(width: int, never_negative: bool) -> int:
    """The largest magnitude of codes of ``width`` bits; up to 8 bits, never negative codes need no sign bit."""
    return (1 << (width if never_negative and width <= 8 else width - 1)) - 1


def _z_limit(activation: Activation, width: int) -> int:
    """Where a hidden layer's z saturates; an interpolated curve always reads all 16 bits of z (SPEC 4.4)."""
    if activation.curve is not None and width > 8:
        width = 16
    reach = 1.0 if activation.curve is None else activation.curve.reach
    return code_limit(width, bool(activation.value(np.linspace(-reach, reach, 1025)).min() >= 0.0))


def spread_rows(network: Network, count: int = 256) -> NDArray[np.float64]:
    """Rows (count, inputs) spread evenly over the ticks of every input's declared range, the same ones every time."""
    low, high = np.array([doorway.tick_range(entry) for entry in network.inputs]).T
    ticks = np.random.default_rng(0).integers(low, high + 1, size=(count, len(low)))
    return np.asarray(ticks * np.array([entry.step for entry in network.inputs]))


def _integer_activation(layer: Layer, last: bool, classifies: bool) -> Activation | None:
    """The activation that the integers apply; None for logits and linear outputs, which are not saturated.

    Classification needs none on the last layer: logsig and softmax keep the order of the logits (SPEC 6.1).
    """
    if last and (classifies or layer.activation.across_units or layer.activation.is_identity):
        return None
    return layer.activation


def _z_frac(activation: Activation, z: FloatArray, limit: int) -> int:
    """The calibrated format of z where it is saturated: the largest magnitude on the calibration rows just fits."""
    if activation.ramp == 0 and activation.curve is None and z.max() > 0:
        return best_frac(float(z.max()), limit)  # what saturates below zero becomes 0 all the same
    return best_frac(float(np.abs(z).max()), limit)


def _quantize_layer(
    layer: Layer,
    activation: Activation | None,
    z: FloatArray,
    codes: _Codes,
    precision: Precision,
    limit: int,
    apart: bool,
) -> tuple[QLayer, IntArray]:
    """Give up weight bits, neuron by neuron or for the whole layer, until the proof holds (SPEC 2.2, 5.3).

    ``apart``: every neuron has formats of its own, also of z (SPEC 5.4, 5.5). Returns how many bits each neuron gave up,
    too.
    """
    input_frac = codes.frac
    largest = np.abs(layer.weights).max(axis=1)
    per_neuron = precision.per_neuron or apart
    if not per_neuron:
        largest = np.full_like(largest, largest.max())
    weight_frac = np.array([best_frac(float(v), precision.weight_limit) for v in largest], dtype=np.int64)
    given_up = np.zeros_like(weight_frac)
    coarser = np.zeros_like(weight_frac)
    if activation is not None:
        calibrated = [_z_frac(activation, part, limit) for part in (z.T if apart else [z] * len(weight_frac))]
        wanted, output_frac = np.array([formats(activation, frac, limit) for frac in calibrated]).T
    while True:
        finest = weight_frac + input_frac - coarser
        if not apart:
            finest = np.full_like(finest, finest.min())
        z_frac = finest if activation is None else np.minimum(wanted, finest)
        weight_frac = np.minimum(weight_frac, z_frac + MAX_SHIFT - input_frac)
        shift = weight_frac + input_frac - z_frac
        scaled = np.ldexp(layer.weights, weight_frac[:, None]), np.ldexp(layer.bias, weight_frac + input_frac)
        weights, scaled_bias = round_weights(*scaled, precision.weight_limit, codes.spread)
        bias = to_code(scaled_bias, 0) + rounding(shift)
        bounds = proof.accumulator_bounds(weights, bias, codes.low, codes.high)
        bad = proof.overflowing(precision.accumulator_limit, *bounds)
        if bad.size:
            fewer = bad if per_neuron else slice(None)
            weight_frac[fewer] -= 1
            given_up[fewer] += 1
            continue
        wide = proof.z_too_wide(shift, *bounds)
        if not wide.any():
            break
        coarser += wide if apart else 1
    if activation is None or activation.ramp is not None:
        output_frac = z_frac
    # The form of a straight part alone is the same in every format.
    expr = None if activation is None else integer_form(activation, int(z_frac[0]), int(output_frac[0]), limit)
    return QLayer(weights, bias, shift, limit, expr, input_frac, z_frac, output_frac, *bounds), given_up
