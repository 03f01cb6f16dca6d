"""How good the integers are, on the page of nnhw report: answers beside floats, and every precision."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.measuring import accuracy
from nnhw.plot import bars, page
from nnhw.plot import lines as plot_lines
from nnhw.plot.bars import Bar
from nnhw.plot.heat import Cell, heat
from nnhw.plot.lines import Line, Point
from nnhw.report.facts import Part, Report
from nnhw.tuning import choose_precision

_GRAY, _BLUE, _RED, _GREEN = 0, 1, 2, 4
_MOST_POINTS = 600
"""Rows in a scatter plot."""
_MOST_NUMBERS = 24
"""A matrix of more classes has no room for its numbers."""


def answers(report: Report) -> str:
    """The section of the answers: confusion matrices, or values against targets."""
    if report.network.decision == "multilabel":
        told, figures = "Each question by itself.", []
    elif report.network.classes:
        told = "Lines: the true class. Columns: the answer."
        figures = _confusions(report)
    else:
        told = "One mark per row; a pointer over it tells its numbers."
        figures = [drawn for part in report.parts for drawn in _scatter(report, part)]
    if not report.parts[0].known:
        told += " No answers are known: the float network's stand for them."
    return f"<h2>Answers</h2>{page.soft(told)}{_each(report)}{page.cards(figures)}"


def _each(report: Report) -> str:
    """A table with a line for each of several outputs; nothing for a single one."""
    scores = [(part, part.score(report.precision)) for part in report.parts]
    if not scores[0][1].outputs:
        return ""
    quality = "right" if report.network.classes else "error (rms)"
    header = ["output"]
    for part, _ in scores:
        header += [f"{quality}, {part.name}"] * part.known + [f"like float, {part.name}"]
    lines = []
    for number, one in enumerate(scores[0][1].outputs):
        cells = [one.name]
        for part, score in scores:
            here = score.outputs[number]
            shown = _percent(here.accuracy) if here.error is None else f"{here.error:.4g}"
            cells += [shown] * part.known + [choose_precision.percent(report.network, here.agreement)]
        lines.append([(text, "") for text in cells])
    return page.table(header, lines)


def _confusions(report: Report) -> list[str]:
    """A figure per data set, and one more for the floats where the integers differ from them."""
    figures = []
    for part in report.parts:
        ours, floats = part.score(report.precision).confusion, part.score(accuracy.FLOAT).confusion
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
    drawn = heat(f"Confusion matrix, {part.name}, {whose}", cells, classes, classes, height=36)
    caption = part.told[0].upper() + part.told[1:]
    return page.figure(caption, drawn, whose)


def _scatter(report: Report, part: Part) -> list[str]:
    step = -(-len(part.dataset.rows) // _MOST_POINTS)
    rows = slice(None, None, step)
    floats = report.network.predict(part.dataset.rows)[rows]
    count = part.told + (f", {len(floats):,} drawn" if step > 1 else "")
    drawn = []
    for output in range(floats.shape[1]):
        names = report.network.outputs
        name = names[output] if names else f"output {output}"
        wanted, found, free = (
            v[:, output].tolist() for v in (part.dataset.targets[rows], part.answers[rows], floats)
        )
        ends = (min(*wanted, *found), max(*wanted, *found))
        marks = [Point(_BLUE, x, y, f"target {x:.6g}, integers {y:.6g}") for x, y in zip(wanted, found, strict=True)]
        line = Line(_GRAY, [(end, end) for end in ends], 1.2)
        if part.known:
            shown = plot_lines.plot(f"{name}, {part.name}", "target", "integers", [line], marks, height=300)
            drawn.append(page.figure(name, shown, count))
        off = [Point(_RED, x, y - x, f"float {x:.6g}, integers {y:.6g}") for x, y in zip(free, found, strict=True)]
        zero = Line(_GRAY, [(min(free), 0.0), (max(free), 0.0)], 1.2)
        shown = plot_lines.plot(
            f"{name}, integers less floats, {part.name}",
            "float network",
            "integers less floats",
            [zero],
            off,
            height=300,
        )
        drawn.append(page.figure(f"{name}, off the float network by", shown, count))
    return drawn


def precisions(report: Report) -> str:
    """The section of all precisions: the table, and what each costs and gains."""
    classifies = bool(report.network.classes)
    last = report.parts[-1]
    header = ["precision"]
    for part in report.parts:
        if classifies:
            header += [f"right, {part.name}"] * part.known + [f"like float, {part.name}"]
        else:
            header += [f"error (rms), {part.name}"] * part.known + [f"off float by, {part.name}"]
    header += ["logits off by"] * classifies + ["saturating", ".nnb bytes"]
    lines = []
    for number, score in enumerate(last.scores):
        cells = [score.precision + (" (this folder)" if score.precision == report.precision else "")]
        for part in report.parts:
            one = part.scores[number]
            if classifies:
                cells += [_percent(one.accuracy)] * part.known + [_percent(one.agreement)]
            else:
                cells += [f"{one.error:.4g}"] * part.known + [f"{one.deviation:.3g}"]
        cells += ["" if score.logit_error is None else f"{score.logit_error:.3g}"] * classifies
        cells += [_percent(max(score.saturating)) if score.saturating else ""]
        cells += ["" if score.size is None else f"{score.size:,}"]
        lines.append([(text, "chosen" if score.precision == report.precision else "") for text in cells])
    integers = [score for score in last.scores if score.size is not None]
    off = [(score.precision, score.logit_error if classifies else score.deviation, ".3g") for score in integers]
    sizes = [(score.precision, score.size, ",") for score in integers]
    figures = [
        page.figure(title, bars.bars(title, [_group(report, *one) for one in values], unit))
        for title, values, unit in (
            ("Off the float network by at most", off, "units of the logits" if classifies else "units of the output"),
            ("Size of the .nnb file", sizes, "bytes"),
        )
    ]
    told = f"The largest distance from the float network, and the layer that saturates most, on {last.told}."
    warnings = page.bullets(accuracy.warnings(last.score(report.precision)))
    return f"<h2>Every precision</h2>{page.soft(told)}{page.table(header, lines)}{warnings}{page.cards(figures)}"


def _group(report: Report, name: str, value: float | None, form: str) -> tuple[str, list[Bar]]:
    text = f"{value or 0:{form}}"
    return name, [Bar(_GREEN if name == report.precision else _GRAY, float(value or 0), text, f"{name}: {text}")]


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"
