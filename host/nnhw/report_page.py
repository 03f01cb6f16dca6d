"""The page of nnhw report: the outcome, then every fact of it with its plot."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import log2

from nnhw import evaluate, page, plot, plot_bars, plot_lines
from nnhw.bench import CLOCK, LEFT_OUT
from nnhw.plot_bars import Bar
from nnhw.plot_lines import Line, Point
from nnhw.report import INSIDE_LIMIT, Curve, Part, Report
from nnhw.report_matrices import confusions, weights
from nnhw.report_text import CODE_NAMES, commands, facts, outcome

_GRAY, _BLUE, _RED, _GREEN = 0, 1, 2, 4
_MOST_POINTS = 600
"""Rows in a scatter plot, and columns of pixels in a curve."""


def render(report: Report) -> str:
    """The whole page."""
    title = f"{report.build.name}, {report.precision}"
    lead, *rest = outcome(report)
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<section class="answer"><p class="lead">{escape(lead)}</p>{page.bullets(rest)}</section>',
        page.table(("", ""), [[(what, ""), (value, "")] for what, value in facts(report)], texts=2),
        "<h2>How it was made</h2>",
        f"<pre>{escape(chr(10).join(commands(report)))}</pre>",
        _files(report),
        _training(report),
        _answers(report),
        _precisions(report),
        _proof(report),
        weights(report),
        _activations(report),
        _speed(report),
    ]
    return page.page(title, "\n".join(filter(None, body)))


def _soft(text: str) -> str:
    return f'<p class="soft">{escape(text)}</p>'


def _figure(caption: str, drawn: str, soft: str = "") -> str:
    more = f" <span>{escape(soft)}</span>" if soft else ""
    return f"<figure><figcaption>{escape(caption)}{more}</figcaption>{drawn}</figure>"


def _cards(figures: Sequence[str]) -> str:
    return f'<div class="cards">{"".join(figures)}</div>'


def _files(report: Report) -> str:
    files = report.build.manifest["files"]
    lines = [[(name, ""), (f"{facts['bytes']:,}", ""), (facts["sha256"][:16], "")] for name, facts in files.items()]
    listed = page.table(("file", "bytes", "SHA-256, first 16 digits"), lines)
    return f"<details><summary>{len(files)} files in the folder</summary>{listed}</details>"


def _training(report: Report) -> str:
    losses, record = report.losses, report.network.training
    if losses is None or max(losses.loss) <= 0:
        return ""
    told = f"{record.get('epochs_run')} epochs on {record.get('rows')} rows; weights of epoch {record.get('best_epoch')}."
    if losses.every > 1:
        told += f" Every {losses.every}th epoch is drawn."
    lines, names = [], []
    for series, name, values in (
        (_BLUE, "rows to train on", losses.loss),
        (_RED, "rows to stop early by", losses.validation),
    ):
        if values:
            lines.append(Line(series, [(1 + losses.every * n, value) for n, value in enumerate(values)]))
            names.append((series, name))
    drawn = plot_lines.plot("Loss by epoch", "epoch", "loss", lines, logarithmic=True, width=940, height=260)
    legend = plot.legend(names) if len(names) > 1 else ""
    return f"<h2>Training</h2>{_soft(told)}{legend}<figure>{drawn}</figure>"


def _answers(report: Report) -> str:
    if report.network.classes:
        told = "Lines: the true class. Columns: the answer."
        figures = confusions(report)
    else:
        told = "One mark per row; on the line the integers give the target. A pointer over a mark tells its numbers."
        figures = [drawn for part in report.parts for drawn in _scatter(report, part)]
    if not report.parts[0].known:
        told += " No answers are known: the float network's stand for them."
    return f"<h2>Answers</h2>{_soft(told)}{_cards(figures)}"


def _scatter(report: Report, part: Part) -> list[str]:
    step = -(-len(part.dataset.rows) // _MOST_POINTS)
    wanted, found = part.dataset.targets[::step], part.answers[::step]
    drawn = []
    for output in range(found.shape[1]):
        pairs = list(zip(wanted[:, output].tolist(), found[:, output].tolist(), strict=True))
        ends = [min(min(pair) for pair in pairs), max(max(pair) for pair in pairs)]
        marks = [Point(_BLUE, x, y, f"target {x:.6g}, integers {y:.6g}") for x, y in pairs]
        names = report.network.outputs
        name = names[output] if names else f"output {output}"
        x_unit = "target" if part.known else "float network"
        line = Line(_GRAY, [(end, end) for end in ends], 1.2)
        shown = plot_lines.plot(f"{name}, {part.name}", x_unit, "integers", [line], marks, height=300)
        count = f"{len(part.dataset.rows):,} rows" + (f", every {step}th drawn" if step > 1 else "")
        drawn.append(_figure(f"{name}, {part.name}", shown, count))
    return drawn


def _precisions(report: Report) -> str:
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
        _figure(title, plot_bars.bars(title, [_group(report, *one) for one in values], unit))
        for title, values, unit in (
            ("Off the float network by at most", off, "units of the logits" if classifies else "units of the output"),
            ("Size of the .nnb file", sizes, "bytes"),
        )
    ]
    told = f"Logits, values and saturation are the worst of {len(last.dataset.rows):,} rows, {last.name}."
    warnings = page.bullets(evaluate.warnings(last.score(report.precision)))
    return f"<h2>Every precision</h2>{_soft(told)}{page.table(header, lines)}{warnings}{_cards(figures)}"


def _group(report: Report, name: str, value: float | None, form: str) -> tuple[str, list[Bar]]:
    text = f"{value or 0:{form}}"
    return name, [Bar(_GREEN if name == report.precision else _GRAY, float(value or 0), text, f"{name}: {text}")]


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _bits(value: int) -> float:
    return log2(max(value, 1))


def _proof(report: Report) -> str:
    bits = _bits(report.bounds[0].limit)
    last = report.parts[-1]
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
                    f"{bound.limit:,}",
                    f"{_bits(bound.limit) - _bits(bound.proved):.1f}",
                    "" if bound.inside is None else f"{bound.inside:,}",
                )
            ]
        )
    drawn = plot_bars.bars(
        "Largest partial sum by layer",
        groups,
        "bits: log2 of the magnitude",
        (bits, f"limit 2^{bits:.0f}"),
        width=940,
    )
    told = (
        f"Export proved, and reading this folder proved again, that no partial sum of any layer reaches 2^{bits:.0f} "
        f"and no integer at all 2^{_bits(INSIDE_LIMIT):.0f}, for any input. "
        f"The data are {len(last.dataset.rows):,} rows, {last.name}; sums in the order of the inputs."
    )
    header = ("layer", "data reached", "proved", "limit", "bits to spare", "largest integer in the activation")
    names = plot.legend([(_BLUE, "what the data reached"), (_GREEN, "what is proved for any input")])
    return f"<h2>Proved, not hoped</h2>{_soft(told)}{names}<figure>{drawn}</figure>{page.table(header, lines)}"


def _activations(report: Report) -> str:
    made = []
    for curve in report.curves:
        layers = ", ".join(str(number + 1) for number in curve.layers)
        size = f"table of {curve.table_bytes:,} bytes" if curve.table_bytes else "no table"
        largest = float(abs(curve.error).max())
        caption = f"{curve.name}, layer{'s' * (len(curve.layers) > 1)} {layers}"
        label = f"{caption}: codes"
        x_unit = f"z in steps of 2^-{curve.z_frac}"
        function = plot_lines.plot(
            label, x_unit, f"output in steps of 2^-{curve.output_frac}", [
                Line(_GRAY, _envelope(curve, curve.exact.tolist()), 5.0),
                Line(_BLUE, _envelope(curve, curve.code.tolist()), 1.6),
            ],
        )  # fmt: skip
        error = plot_lines.plot(
            f"{caption}: error", x_unit, "units of the last place",
            [Line(_RED, _envelope(curve, curve.error.tolist()), 1.0)],
        )  # fmt: skip
        off = f"off by at most {largest:.2f} units of the last place" if largest else "exact at every code"
        made.append(_figure(caption, function, f"{len(curve.z):,} codes, {size}"))
        made.append(_figure("Error", error, off))
    if not made:
        return ""
    names = plot.legend([(_GRAY, "real function"), (_BLUE, "integers"), (_RED, "integers less real function")])
    told = "Every code that can enter the activation."
    if report.network.classes:
        told += " The last layer needs none: its largest sum is the answer."
    return f"<h2>Activation</h2>{_soft(told)}{names}{_cards(made)}"


def _envelope(curve: Curve, values: list[float]) -> list[tuple[float, float]]:
    """(z, value) of every code; of many codes, the least and the largest value in each of a few hundred stretches."""
    z = curve.z.tolist()
    if len(z) <= 2 * _MOST_POINTS:
        return list(zip(z, values, strict=True))
    points = []
    for number in range(_MOST_POINTS):
        start, end = (len(z) * n // _MOST_POINTS for n in (number, number + 1))
        picked = {min(range(start, end), key=values.__getitem__), max(range(start, end), key=values.__getitem__)}
        points += [(z[at], values[at]) for at in sorted(picked)]
    return points


def _speed(report: Report) -> str:
    reasons: dict[str, list[str]] = {}
    for code, reason in report.left_out.items():
        reasons.setdefault(reason, []).append(CODE_NAMES[code])
    told = [f"{', '.join(names)}: {reason}" for reason, names in reasons.items()]
    if not report.costs:
        return f"<h2>Speed</h2>{page.bullets(told)}" if told else ""
    groups = [
        (cost.name, [Bar(_GREEN if cost is report.cost else _GRAY, cost.ticks_cycles, f"{cost.ticks_cycles:,}",
            f"{cost.name}: {cost.ticks_cycles:,} cycles")])
        for cost in report.costs
    ]  # fmt: skip
    drawn = plot_bars.bars("Cycles per prediction by code", groups, "cycles from ticks to the answer", width=940)
    header = ("code", "ticks to answer", "codes to answer", "µs", "per MAC", "by layer", "code bytes", "stack bytes")
    lines = [
        [
            (text, "chosen" if cost is report.cost else "")
            for text in (
                cost.name,
                f"{cost.ticks_cycles:,}",
                f"{cost.codes_cycles:,}",
                f"{cost.microseconds():.1f}",
                f"{cost.per_mac:.2f}",
                " ".join(f"{cycles:,}" for cycles in cost.layers),
                f"{cost.code_bytes:,}",
                f"{cost.stack_bytes:,}",
            )
        ]
        for cost in report.costs
    ]
    intro = (
        f"Cycles on an emulated Cortex-M0+ core, the RP2040's, in {report.precision}; µs at {CLOCK / 1e6:g} MHz. "
        f"{LEFT_OUT[0].upper()}{LEFT_OUT[1:]}."
    )
    spread = max(cost.spread for cost in report.costs)
    intro += " The inputs tried take the same time." if not spread else f" Inputs differ by up to {spread:,} cycles."
    return f"<h2>Speed</h2>{_soft(intro)}<figure>{drawn}</figure>{page.table(header, lines)}{page.bullets(told)}"
