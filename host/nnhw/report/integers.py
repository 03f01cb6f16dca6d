"""What the integers are, on the page of nnhw report: proved bounds, weights, activations."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

import numpy as np
from numpy.typing import NDArray

from nnhw.plot import bars, intervals, page
from nnhw.plot import lines as plot_lines
from nnhw.plot.bars import Bar
from nnhw.plot.heat import Cell, heat
from nnhw.plot.lines import NARROW, WIDE, Line
from nnhw.report.facts import INSIDE_LIMIT, Curve, Report

MOST_WEIGHTS = 5000
"""More than this make a page too large."""

_GRAY, _BLUE, _RED, _GREEN = 0, 1, 2, 4
_STRETCHES = 600
"""Of a curve with more codes, the least and the largest value in so many stretches are drawn."""


def proof(report: Report) -> str:
    """The section of the bounds: what the data reached, what is proved for any input, the limit."""
    bits = _bits(report.bounds[0].limit)
    groups, lines = [], []
    for number, bound in enumerate(report.bounds):
        name = f"layer {number + 1}"
        group = [
            Bar(series, _bits(value), f"2^{_bits(value):.1f}", f"{name}: {told} {value:,}")
            for series, value, told in (
                (_BLUE, bound.reached, "the data reached"),
                (_GREEN, bound.proved, "no input gets beyond"),
            )
        ]
        groups.append((name, group))
        lines.append(
            [
                (text, "")
                for text in (
                    name,
                    f"{bound.reached:,}",
                    f"{bound.proved:,}",
                    f"{_bits(bound.limit) - _bits(bound.proved):.1f}",
                    "" if bound.inside is None else f"{bound.inside:,}",
                )
            ]
        )
    drawn = bars.bars(
        "Largest partial sum by layer", groups, "bits: log2 of the magnitude", (bits, f"limit 2^{bits:.0f}")
    )
    sums = f"no sum of bias and products reaches 2^{bits:.0f}, and " if bits < _bits(INSIDE_LIMIT) else ""
    told = (
        f"Export proved, and reading this folder proved again, that for any input {sums}no integer at all reaches "
        f"2^{_bits(INSIDE_LIMIT):.0f}. The proof holds in any order of summation; the data are {report.parts[-1].told}, "
        "summed in the order of the inputs."
    )
    header = ("layer", "data reached", "proved", "bits to spare", "largest in the activation")
    names = intervals.legend([(_BLUE, "what the data reached"), (_GREEN, "what is proved for any input")])
    cards = page.cards([page.figure("", drawn), page.table(header, lines)])
    return f"<h2>Proved, not hoped</h2>{page.soft(told)}{names}{cards}"


def _bits(value: int) -> float:
    return log2(max(value, 1))


def weights(report: Report) -> str:
    """The section of the weights, layer by layer."""
    layers = report.build.model.layers
    count = sum(layer.weights.size for layer in layers)
    head = "<h2>Weights</h2>"
    if count > MOST_WEIGHTS:
        return head + page.soft(f"Left out: {count:,} weights are more than the {MOST_WEIGHTS:,} drawn.")
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
    return head + page.soft(told) + page.cards(figures)


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
    drawn = heat(f"Weights of layer {number + 1}", cells, units, inputs, height=22, width=WIDE if wide else NARROW)
    zeros = int((matrix == 0).sum())
    told = f"{matrix.shape[0]} x {matrix.shape[1]}, from {matrix.min()} to {matrix.max()}, {zeros} are 0"
    return page.figure(f"layer {number + 1}", drawn, told, full=wide)


def activations(report: Report) -> str:
    """The section of the activations: the real function, the integers, and their error."""
    made = []
    for curve in report.curves:
        layers = ", ".join(str(number + 1) for number in curve.layers)
        size = f"table of {curve.table_bytes:,} bytes" if curve.table_bytes else "no table"
        largest = float(abs(curve.error).max())
        caption = f"{curve.name}, layer{'s' * (len(curve.layers) > 1)} {layers}"
        label = f"{caption}: codes"
        x_unit = f"z in steps of 2^-{curve.z_frac}"
        lines = [
            Line(_GRAY, _envelope(curve, curve.exact.tolist()), 5.0),
            Line(_BLUE, _envelope(curve, curve.code.tolist()), 1.6),
        ]
        drawn = plot_lines.plot(label, x_unit, f"output in steps of 2^-{curve.output_frac}", lines, width=WIDE)
        off = "exact at every code"
        if largest:
            off = f"off by at most {largest:.2f} units of the last place"
            error = Line(_RED, _envelope(curve, curve.error.tolist()), 1.0)
            label, unit = f"{caption}: error", "error in units of the last place"
            drawn += plot_lines.plot(label, x_unit, unit, [error], width=WIDE, height=180)
        made.append(page.figure(caption, drawn, f"{len(curve.z):,} codes, {size}; {off}", full=True))
    if not made:
        return ""
    names = intervals.legend([(_GRAY, "real function"), (_BLUE, "integers"), (_RED, "integers less real function")])
    told = "Every code that can enter the activation."
    if report.network.classes:
        told += " The last layer needs none: its sums decide."
    return f"<h2>Activation</h2>{page.soft(told)}{names}{page.cards(made)}"


def _envelope(curve: Curve, values: list[float]) -> list[tuple[float, float]]:
    """(z, value) of every code; of many codes, the least and the largest value in each of a few hundred stretches."""
    z = curve.z.tolist()
    if len(z) <= 2 * _STRETCHES:
        return list(zip(z, values, strict=True))
    points = []
    for number in range(_STRETCHES):
        start, end = (len(z) * n // _STRETCHES for n in (number, number + 1))
        picked = {min(range(start, end), key=values.__getitem__), max(range(start, end), key=values.__getitem__)}
        points += [(z[at], values[at]) for at in sorted(picked)]
    return points
