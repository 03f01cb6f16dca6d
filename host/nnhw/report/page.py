"""The page of nnhw report: the outcome, then every fact of it with its plot."""

from __future__ import annotations

from html import escape
from pathlib import Path

from nnhw.measuring.machine_code import CLOCK, LEFT_OUT
from nnhw.plot import bars, intervals, page
from nnhw.plot import lines as plot_lines
from nnhw.plot.bars import Bar
from nnhw.plot.lines import WIDE, Line
from nnhw.report.answers import answers, precisions
from nnhw.report.facts import Report
from nnhw.report.integers import activations, proof, weights
from nnhw.report.words import commands, facts, outcome
from nnhw_codegen import emitters
from nnhw_codegen.whole_file import write_whole

_GRAY, _BLUE, _RED, _GREEN = 0, 1, 2, 4


def render(report: Report) -> str:
    """The whole page."""
    title = f"{report.build.name}, {report.precision}"
    lead, *rest = outcome(report)
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<section class="answer"><p class="lead">{escape(lead)}</p>{page.bullets(rest)}</section>',
        page.table(("", ""), [[(what, ""), (value, "wrap")] for what, value in facts(report)], texts=2),
        "<h2>How it was made</h2>",
        f"<pre>{escape(chr(10).join(commands(report)))}</pre>",
        _files(report),
        _training(report),
        answers(report),
        precisions(report),
        proof(report),
        weights(report),
        activations(report),
        _speed(report),
    ]
    return page.page(title, "\n".join(filter(None, body)))


def write(report: Report, path: Path) -> None:
    """Write the page to ``path``, whole or not at all. Raises OSError."""
    write_whole(path, render(report).encode())


def _files(report: Report) -> str:
    files = report.build.manifest.files
    lines = [[(name, ""), (f"{facts.size:,}", ""), (facts.sha256[:16], "")] for name, facts in files.items()]
    listed = page.table(("file", "bytes", "SHA-256, first 16 digits"), lines)
    return f"<details><summary>{len(files)} files in the folder</summary>{listed}</details>"


def _training(report: Report) -> str:
    losses, record = report.losses, report.network.training
    if losses is None or max(losses.loss) <= 0 or not {"epochs_run", "rows", "best_epoch"} <= record.keys():
        return ""
    told = f"{record['epochs_run']} epochs on {record['rows']} rows; weights of epoch {record['best_epoch']}."
    if record.get("precision"):
        told += f" Fine-tuned for {record['precision']} afterwards."
    if record.get("pulled"):
        told += " A board went on training from there."
    if losses.every > 1:
        told += f" One epoch in {losses.every} is drawn."
    lines, names = [], []
    for series, name, values in (
        (_BLUE, "rows to train on", losses.loss),
        (_RED, "rows to stop early by", losses.validation),
    ):
        if values:
            lines.append(Line(series, [(1 + losses.every * n, value) for n, value in enumerate(values)]))
            names.append((series, name))
    drawn = plot_lines.plot("Loss by epoch", "epoch", "loss", lines, logarithmic=True, width=WIDE, height=260)
    legend = intervals.legend(names) if len(names) > 1 else ""
    return f"<h2>Training</h2>{page.soft(told)}{legend}{page.figure('', drawn, full=True)}"


def _speed(report: Report) -> str:
    reasons: dict[str, list[str]] = {}
    for code, reason in report.left_out.items():
        reasons.setdefault(reason, []).append(emitters.get(code).title)
    told = [f"{', '.join(names)}: {reason}" for reason, names in reasons.items()]
    if not report.costs:
        return f"<h2>Speed</h2>{page.bullets(told)}" if told else ""
    figures = []
    for title, unit, values in (
        ("Time of a prediction", "cycles from ticks to the answer", [cost.ticks_cycles for cost in report.costs]),
        ("Size of the code", "bytes of machine code and weights", [cost.code_bytes for cost in report.costs]),
    ):
        groups = [
            (cost.name, [Bar(_GREEN if cost is report.cost else _GRAY, n, f"{n:,}", f"{cost.name}: {n:,} {unit}")])
            for cost, n in zip(report.costs, values, strict=True)
        ]
        figures.append(page.figure(title, bars.bars(title, groups, unit)))
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
    return f"<h2>Speed</h2>{page.soft(intro)}{page.cards(figures)}{page.table(header, lines)}{page.bullets(told)}"
