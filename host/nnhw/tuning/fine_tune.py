"""Quantization-aware fine-tuning: weights that, once they are integers, tell what the float network tells.

The float network teaches: its probabilities (or values) on given rows, and on mixtures of them, which lie where classes
meet, are what the integers should give. Known answers may take part of the teacher's place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import cos, pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.data.dataset import Dataset
from nnhw.training import losses, optimizers
from nnhw.training.train import target_matrix
from nnhw.tuning import choose_precision
from nnhw.tuning.choose_precision import Choice
from nnhw.tuning.straight_through import Grid
from nnhw_codegen.integers import reference
from nnhw_codegen.integers.fixed import IntArray
from nnhw_codegen.integers.precision import PRECISIONS, Precision
from nnhw_codegen.integers.qmodel import QModel
from nnhw_codegen.network import activations
from nnhw_codegen.network.network import Network
from nnhw_codegen.quantization.quantize import QuantizeReport, quantize_report, spread_rows

Array = NDArray[np.float64]

STEPS = 200
RATE = 0.0003
"""Learning rate of the first step, as a share of the largest weight code."""

LABEL_SHARE = 0.1
"""How much of the wanted probabilities the known answers decide."""

CHECK_EVERY = 5
"""Steps between two looks at the rows kept back."""

MOST_ROWS = 1536
MIXTURES = 1500
"""Mixtures of rows to learn from, and as many of those kept back to judge by."""

SPARE = 1.15
"""A neuron gets a bit back that it gave up to the proof where this factor on its limit would have been enough."""


def choose(
    network: Network,
    dataset: Dataset | None = None,
    least_agreement: float | None = None,
    precisions: Sequence[Precision] = PRECISIONS,
) -> Choice:
    """``choose_precision.choose``, where there is a ``dataset`` with weights fine-tuned on it for each precision."""
    if dataset is None:
        return choose_precision.choose(network, None, None, least_agreement, precisions)
    targets = target_matrix(network, dataset)

    def tuned(start: Network, wanted: Precision) -> QuantizeReport:
        return fine_tune(start, wanted, dataset.rows, targets).report

    return choose_precision.choose(network, dataset.rows, dataset.targets, least_agreement, precisions, tuned)


@dataclass(frozen=True, eq=False)
class FineTuned:
    """A network to quantize in place of the one it was made from, and its quantized model.

    ``loss_before`` and ``loss`` are of plain quantization and of ``report.model`` on rows kept back and their mixtures,
    ``agreement_before`` and ``agreement`` the shares of them that get the original float network's class (1 for values).
    """

    network: Network
    report: QuantizeReport
    loss_before: float
    loss: float
    agreement_before: float
    agreement: float

    def facts(self) -> dict[str, float]:
        """The numbers, for JSON."""
        return {key: value for key, value in vars(self).items() if isinstance(value, float)}


def fine_tune(
    network: Network,
    precision: Precision,
    rows: NDArray[Any] | None = None,
    targets: NDArray[Any] | None = None,
    *,
    label_share: float = LABEL_SHARE,
    steps: int = STEPS,
    seed: int = 0,
) -> FineTuned:
    """Fine-tune ``network`` for ``precision``; what comes back is never worse than plain quantization.

    ``rows`` (n, inputs) are raw; without them the network's calibration rows, or rows spread over the declared ranges.
    ``targets`` (n, units) are the known answers, as ``train.target_matrix`` gives them. Both quantizations calibrate on
    the network's own calibration rows, or on ``rows`` where it has none. Of the candidates, quantized and proved as
    usual, the one of least loss wins that agrees with the float network as often as plain quantization does. Raises
    ValueError where the network cannot be quantized.
    """
    if rows is None:
        rows = spread_rows(network) if network.calibration is None else network.calibration
    if network.calibration is None:
        network = replace(network, calibration=rows)
    lesson, test = _lessons(network, rows, targets, label_share, seed)
    plain = quantize_report(network, precision, network.calibration)
    before = test.loss(plain.model), test.agreement(plain.model)
    best = FineTuned(network, plain, *(value for value in before for _ in range(2)))
    for finer in _starts(plain):
        grid = Grid(network, plain, finer)
        _descend(grid, lesson, test, steps)
        tuned = replace(
            grid.network(),
            calibration=network.calibration,
            training={**network.training, "precision": precision.name},
        )
        report = quantize_report(tuned, precision, tuned.calibration)
        loss, agreement = test.loss(report.model), test.agreement(report.model)
        if loss < best.loss and agreement >= best.agreement_before:
            best = FineTuned(tuned, report, before[0], loss, before[1], agreement)
    return best


def _starts(plain: QuantizeReport) -> list[list[IntArray]]:
    """How many bits finer each neuron's weights shall be: none, and one where little is missing for it."""
    limit = SPARE * plain.model.precision.accumulator_limit
    none, some = [], []
    for layer, bits in zip(plain.model.layers, plain.bits_given_up, strict=True):
        none.append(np.zeros_like(bits))
        some.append(((bits > 0) & (2 * np.maximum(layer.high, -layer.low) < limit)).astype(np.int64))
    per_neuron = plain.model.precision.per_neuron
    return [none, some] if per_neuron and any(bits.any() for bits in some) else [none]


class _Lesson:
    """Rows to learn from, mixtures of them among them, and what the integers should give on them."""

    def __init__(self, network: Network, rows: Array, targets: NDArray[Any] | None, label_share: float) -> None:
        self.rows = rows
        logits = network.logits(rows)
        self._answers = network.answers(logits)
        self._classes = bool(network.classes)
        # Values are judged in units of each output's own deviation.
        deviation = np.ones(1) if network.classes else self._answers.std(axis=0)
        self.unit = np.where(deviation > 0, deviation, 1.0)
        units = logits.shape[1]
        if not network.classes:
            name, activation, wanted = "mse", activations.get("identity"), self._answers / self.unit
        elif network.decision != "argmax":
            name, activation = "cross_entropy", activations.get("logsig")
            wanted = activation.value(logits)
        else:
            name, activation = "cross_entropy", activations.SOFTMAX
            wanted = activation.value(logits)
        if targets is not None:
            known = wanted[: len(targets)]
            known += label_share * (targets / self.unit - known)
        self.wanted = np.ascontiguousarray(wanted.T)
        self.measure = losses.make(name, activation, len(rows), units)

    def loss(self, model: QModel) -> float:
        """The loss of a quantized model."""
        codes = reference.codes(model, reference.ticks(model, self.rows))
        return self.value(reference.reals(model, reference.logits(model, codes)))

    def value(self, outputs: Array) -> float:
        """The loss of outputs (n, units), as reals."""
        return self.measure.value(np.ascontiguousarray((outputs / self.unit).T), self.wanted)

    def agreement(self, model: QModel) -> float:
        """The share of answers that are the float network's; 1 for values, where only the loss counts."""
        return float((reference.predict(model, self.rows) == self._answers).mean()) if self._classes else 1.0


def _lessons(
    network: Network, rows: NDArray[Any], targets: NDArray[Any] | None, label_share: float, seed: int
) -> tuple[_Lesson, _Lesson]:
    """What to learn from and what to judge by: every third row is kept back, and mixed only with others like it."""
    generator = np.random.default_rng([seed, 3])
    order = generator.permutation(len(rows))[:MOST_ROWS]
    kept_back = len(order) // 3
    result = []
    for part, count in ((order[kept_back:], MIXTURES), (order[:kept_back], MIXTURES)):
        part = part if len(part) else order
        mixed = np.vstack([rows[part], _mixtures(network, rows[part], count, generator)])
        result.append(_Lesson(network, mixed, None if targets is None else targets[part], label_share))
    return result[0], result[1]


def _mixtures(network: Network, rows: NDArray[Any], count: int, generator: np.random.Generator) -> Array:
    """Points on the lines between pairs of rows, on the grid of what the inputs can resolve."""
    first, second = rows[generator.integers(0, len(rows), (2, count))]
    step = np.array([entry.step for entry in network.inputs])
    mixed = first + generator.random((count, 1)) * (second - first)
    return np.asarray(np.floor(mixed / step + 0.5) * step)


def _descend(grid: Grid, lesson: _Lesson, test: _Lesson, steps: int) -> None:
    """Gradient descent on all rows at once; leaves the grid at the values of the least loss."""
    rate = RATE * grid.model.precision.weight_limit
    optimizer = optimizers.make("adam", grid.values, grid.gradient, rate, momentum=0.0)
    codes, test_codes = grid.codes(lesson.rows), grid.codes(test.rows)
    delta = np.empty_like(lesson.wanted)
    best, least = grid.values.copy(), np.inf
    for step in range(steps + 1):
        if step % CHECK_EVERY == 0:
            loss = test.value(grid.forward(test_codes))
            if loss < least:
                best, least = grid.values.copy(), loss
        z = np.ascontiguousarray((grid.forward(codes) / lesson.unit).T)
        optimizer.rate = rate * 0.5 * (1.0 + cos(pi * step / steps))
        lesson.measure.delta(z, lesson.wanted, delta)
        grid.backward(delta.T / lesson.unit)
        optimizer.step()
        grid.project()
    grid.values[:] = best
