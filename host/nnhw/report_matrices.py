"""The matrices on the page of nnhw report: confusion of classes, and weights."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw import evaluate
from nnhw.plot_heat import Cell, heat
from nnhw.report import Part, Report

MOST_WEIGHTS = 5000
"""More than this make a page too large."""

_BLUE, _RED, _GREEN = 1, 2, 4
_MOST_NUMBERS = 24
"""A matrix of more classes has no room for its numbers."""


def confusions(report: Report) -> list[str]:
    """A figure per data set, and one more for the floats where the integers differ from them."""
    figures = []
    for part in report.parts:
        ours, floats = part.score(report.precision).confusion, part.score(evaluate.FLOAT).confusion
        assert ours is not None
        assert floats is not None
        if np.array_equal(ours, floats):
            figures.append(_confusion(report, part, ours, "integers and floats alike"))
        else:
            figures += [_confusion(report, part, ours, "integers"), _confusion(report, part, floats, "floats")]
    return figures


def _confusion(report: Report, part: Part, matrix: NDArray[Any], whose: str) -> str:
    classes = report.network.classes
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    cells = [
        [
            Cell(
                _GREEN if row == column else _RED,
                # What is rare is still to be seen, and numbers stay readable on the strongest color.
                0.0 if not matrix[row, column] else 0.12 + 0.4 * float(shares[row, column]),
                f"{matrix[row, column]:,}" if len(classes) <= _MOST_NUMBERS and matrix[row, column] else "",
                f"{classes[row]}, answered {classes[column]}: {matrix[row, column]:,}",
            )
            for column in range(len(classes))
        ]
        for row in range(len(classes))
    ]
    drawn = heat(f"Confusion matrix, {part.name}, {whose}", cells, classes, classes, size=48)
    caption = f"{part.name}, {len(part.dataset.rows):,} rows"
    return f"<figure><figcaption>{escape(caption)} <span>{whose}</span></figcaption>{drawn}</figure>"


def weights(report: Report) -> str:
    """The section of the weights, layer by layer."""
    layers = report.build.model.layers
    count = sum(layer.weights.size for layer in layers)
    head = "<h2>Weights</h2>"
    if count > MOST_WEIGHTS:
        return f'{head}<p class="soft">Left out: {count:,} weights are more than the {MOST_WEIGHTS:,} drawn.</p>'
    names: Sequence[str] = [entry.name for entry in report.build.model.inputs]
    figures = []
    for number, layer in enumerate(layers):
        last = number + 1 == len(layers)
        units: Sequence[str] = [str(unit) for unit in range(layer.units)]
        if last and len(report.network.classes or report.network.outputs) == layer.units:
            units = report.network.classes or report.network.outputs
        figures.append(_layer(number, layer.weights, units, names))
        names = [str(unit) for unit in range(layer.units)]
    told = (
        "The integers themselves: one line per unit, one column per input; blue is positive, red negative, and the "
        "strongest color the largest weight of the layer. Biases are not drawn."
    )
    if report.build.model.precision.per_neuron:
        told += " Each unit has its own scale."
    return f'{head}<p class="soft">{told}</p><div class="cards">{"".join(figures)}</div>'


def _layer(number: int, matrix: NDArray[np.int64], units: Sequence[str], inputs: Sequence[str]) -> str:
    largest = max(int(np.abs(matrix).max()), 1)
    cells = [
        [
            Cell(_BLUE if value > 0 else _RED, abs(value) / largest, "", f"{name} → {unit}: {value}")
            for name, value in zip(inputs, line, strict=True)
        ]
        for unit, line in zip(units, matrix.tolist(), strict=True)
    ]
    wide = len(inputs) > 40
    drawn = heat(f"Weights of layer {number + 1}", cells, units, inputs, size=26, width=940 if wide else 460)
    zeros = int((matrix == 0).sum())
    told = f"{matrix.shape[0]} x {matrix.shape[1]}, from {matrix.min()} to {matrix.max()}, {zeros} are 0"
    kind = ' class="full"' if wide else ""
    return f"<figure{kind}><figcaption>layer {number + 1} <span>{told}</span></figcaption>{drawn}</figure>"
