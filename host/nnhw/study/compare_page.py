"""The page of ``nnhw compare``: the outcome in a sentence, the plot, the table, the method."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from nnhw.plot import intervals, page
from nnhw.plot.intervals import Mark
from nnhw.study.compare import FLOAT, Row, Setting, sentence

HEADER = (
    "precision",
    "hidden",
    "rate",
    "mean %",
    "worst %",
    "difference",
    "95 % interval",
    "p (Holm)",
    "as float %",
    "dead %",
)

METHOD = (
    "The activations of a seed share the split of the rows, the initial weights (He, hidden bias 0.1) "
    "and the order of "
    "the rows: differences are paired, and are to the first activation in the same precision.",
    "SGD, one row per step, logsig outputs with cross-entropy. Each activation gets the learning rate "
    "out of a few that "
    "did best on eight seeds of its own, which are not reported.",
    "Precisions other than float are quantized after training, calibrated on the training rows, and run "
    "as on a board.",
    "Intervals: 95 %, percentile bootstrap over the seeds; p-values: exact sign-flip permutation test, "
    "corrected by Holm. "
    "Filled marks are significant at 5 %. The splits overlap: this is about seeds, not about new data.",
)


def render(setting: Setting, rows: Sequence[Row], command: str) -> str:
    """The whole page, for the rows of ``compare.compare`` and the command that made them."""
    colors = {name: number % intervals.SERIES for number, name in enumerate(setting.hidden)}
    names = [FLOAT, *setting.precisions]
    panels = []
    for title, unit, base in (
        ("Difference", f"points against {setting.hidden[0]}", True),
        ("Held-out rows told rightly", "percent", False),
    ):
        groups = []
        for name in names:
            found = [row for row in rows if row.precision == name and not (base and row.hidden == setting.hidden[0])]
            groups.append((name, [_mark(row, colors[row.hidden], base) for row in found]))
        drawn = intervals.intervals(f"{title} by precision", groups, unit, zero=base)
        panels.append(f"<figure><figcaption>{escape(title)}</figcaption>{drawn}</figure>")
    lines = [
        [(text, row.verdict if column == 5 else "") for column, text in enumerate(cells_of(row))] for row in rows
    ]
    dataset = setting.dataset
    shape = "-".join(map(str, [len(dataset.features), *setting.layers, len(dataset.classes)]))
    body = [
        f"<h1>{escape(dataset.name)}: which hidden activation?</h1>",
        f'<section class="answer"><p class="lead">{escape(sentence(rows))}</p></section>',
        f'<p class="soft">{len(dataset.rows)} rows, network {shape}, {setting.seeds} seeds, {setting.epochs} epochs. '
        f"Made by <code>{escape(command)}</code>.</p>",
        intervals.legend([(colors[name], name) for name in setting.hidden]),
        f'<div class="cards">{"".join(panels)}</div>',
        '<p class="soft">Left: paired differences with their intervals. Right: the mean, and its range down '
        "to the worst "
        "seed.</p>",
        "<h2>All numbers</h2>",
        page.table(HEADER, lines, texts=2),
        "<h2>Method</h2>",
        page.bullets(METHOD),
    ]
    return page.page(f"{dataset.name}: which hidden activation?", "\n".join(body))


def _mark(row: Row, color: int, base: bool) -> Mark:
    if base:
        told = f"{row.hidden}: {row.difference:+.2f} ({row.low:+.2f} to {row.high:+.2f})"
        return Mark(color, row.difference, row.low, row.high, bool(row.verdict), told)
    return Mark(
        color, row.mean, row.worst, row.mean, True, f"{row.hidden}: mean {row.mean:.2f} %, worst {row.worst:.1f} %"
    )


def cells_of(row: Row) -> list[str]:
    """The row as text, in the columns of HEADER."""
    base = row.p is None
    return [
        row.precision,
        row.hidden,
        f"{row.rate:g}",
        f"{row.mean:.2f}",
        f"{row.worst:.1f}",
        "" if base else f"{row.difference:+.2f}",
        "" if base else f"{row.low:+.2f} to {row.high:+.2f}",
        "" if row.p_holm is None else "< 0.0001" if row.p_holm < 1e-4 else f"{row.p_holm:.2g}",
        f"{row.agreement:.1f}",
        f"{row.dead:.1f}",
    ]
