"""The study's HTML page: the answer first, then the plots, the tables, the method and its limits."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import groupby

from nnhw.plot import intervals, page
from nnhw.plot.intervals import Mark
from nnhw.study.answer import Answer, answer
from nnhw.study.relu_at_zero import Row
from nnhw.study.tasks import ARMS, BASE, HELD_OUT, TASKS

METHOD = [
    "Arms: ReLU with a derivative of 0, 1/2 or 1 where its argument is exactly 0; softplus; leaky ReLU, slope 1/8.",
    "The arms of a seed share the split of the rows, the initial weights (He) and the order of the rows, so that "
    "differences are paired. Every difference is to ReLU'(0) = 0 in the same arithmetic.",
    "Training: SGD, one row per step, logsig outputs with cross-entropy, a constant rate; inputs standardized by the "
    f"training rows (XOR's are left as they are); {100 * HELD_OUT:.0f} % of the rows held out for the "
    "accuracy. XOR counts "
    "as solved where all four rows are right.",
    "float64, float32 and float16 are used throughout: every product and every sum is rounded to that type "
    "(an activation in float16 once, from float32). "
    "fx16, fx12 and fx8 are the integers that a board computes, with activations, weights and deltas of "
    "16, 12 or 8 bits "
    "in the passes, over kept weights of 16 bits whose rounding remainder is carried on.",
    "Intervals: 95 %, percentile bootstrap over the seeds. p-values: exact sign-flip permutation test, two-sided, "
    "corrected by Holm for all comparisons of the study. Filled marks and colored numbers are significant at 5 %.",
    "Dead: hidden units that no training row turns on at the end. Failed: networks with infinite "
    "weights, or that never "
    "answer one of the classes.",
]

CAVEATS = [
    "Small networks and small data sets; one learning rate per task, not tuned per activation; He "
    "weights for all arms.",
    "SGD with one row per step: no momentum, no Adam, no batch normalization, which are known to soften the effect.",
    "The splits of different seeds overlap: the intervals are about seeds, not about new data.",
    "Holm's correction is strict: a small true difference may stay without significance.",
]

PAPER = (
    "D. Bertoin, J. Bolte, S. Gerchinovitz, E. Pauwels: Numerical influence of ReLU'(0) on "
    "backpropagation, NeurIPS 2021 "
    "(arXiv 2106.12915) compares values of ReLU'(0) in floats of 16, 32 and 64 bits on large networks; "
    "it looks at neither "
    "fixed point nor very small networks."
)

_SERIES = {name: number for number, name in enumerate(ARMS)}


def render(rows: Sequence[Row], command: str) -> str:
    """The whole page, for the rows of ``relu_at_zero.summarize`` and the command that made them."""
    said = answer(rows)
    seeds = sorted({row.seeds for row in rows})
    cells = len({(row.task, row.arithmetic, row.bias) for row in rows})
    trained = sum(row.seeds for row in rows)
    count = f"{seeds[0]} seeds" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    body = [
        "<h1>The derivative of ReLU at 0</h1>",
        '<p class="soft">ReLU(x) = max(0, x) has no derivative at 0. Does it matter which one training uses there, '
        "or is a smooth function better?</p>",
        _answer(said),
        f'<p class="soft">{trained:,} networks in {cells} cells (task, arithmetic, hidden bias), {count} each. '
        f"Made by <code>{escape(command)}</code>.</p>",
        "<h2>Differences to ReLU'(0) = 0</h2>",
        '<p class="soft">Mean paired difference with its 95 % interval; filled marks are significant after '
        "correction. "
        "Right of the line is better.</p>",
        intervals.legend([(_SERIES[arm], arm) for arm in ARMS if arm != BASE]),
        '<div class="cards">',
        *(_panel(list(group)) for _, group in groupby(rows, lambda row: (row.task, row.bias))),
        "</div>",
        "<h2>Exact zeros</h2>",
        '<p class="soft">Share of hidden sums that were exactly 0 while the networks with ReLU\'(0) = 0 trained, '
        "in percent, from the task with the fewest to the one with the most; the mark is the mean.</p>",
        '<div class="cards">',
        *_zeros(rows),
        "</div>",
        "<h2>Where this agrees and disagrees with Bertoin et al.</h2>",
        f'<p class="soft">{escape(PAPER)}</p>',
        *(f"<h3>{name}</h3>{page.bullets(list(items))}" for name, items in _relation(said) if items),
        "<h2>Method</h2>",
        page.bullets(METHOD),
        "<h2>Limits</h2>",
        page.bullets(CAVEATS),
        "<h2>All numbers</h2>",
        *(_details(list(group)) for _, group in groupby(rows, lambda row: (row.task, row.bias))),
    ]
    return page.page("The derivative of ReLU at 0", "\n".join(body))


def _relation(said: Answer) -> list[tuple[str, list[str]]]:
    return [("Agrees", said.agree), ("Disagrees", said.disagree)]


def _answer(said: Answer) -> str:
    return (
        f'<section class="answer"><p class="lead">{escape(said.headline)}</p>{page.bullets(said.findings)}'
        f"<h3>What to do</h3>{page.bullets(said.advice)}</section>"
    )


def _setting(row: Row) -> str:
    """What is compared in a cell besides the arithmetic, as 'hidden bias 0.1'."""
    return f"hidden bias {row.bias:g}"


def _panel(rows: list[Row]) -> str:
    groups = []
    for arithmetic, group in groupby(rows, lambda row: row.arithmetic):
        marks = [
            Mark(
                _SERIES[row.arm],
                row.difference,
                row.low,
                row.high,
                bool(row.verdict),
                f"{row.arm}: {row.difference:+.2f} ({row.low:+.2f} to {row.high:+.2f}), {p_text(row)}",
            )
            for row in group
            if row.arm != BASE
        ]
        groups.append((arithmetic, marks))
    first = rows[0]
    kind = "; exact zeros by construction" if first.kind == "structural" else ""
    drawn = intervals.intervals(f"{first.title}, {_setting(first)}", groups, f"points of {_measure(first)}")
    return (
        f"<figure><figcaption>{escape(first.title)} <span>{_setting(first)}{kind}</span></figcaption>{drawn}</figure>"
    )


def _measure(row: Row) -> str:
    return "accuracy" if row.measure == "accuracy" else "networks that solve it"


def _zeros(rows: Sequence[Row]) -> list[str]:
    result = []
    names = list(dict.fromkeys(row.arithmetic for row in rows))
    for kind, title in (("ordinary", "Ordinary networks"), ("structural", "Exact zeros by construction")):
        groups = []
        for name in names:
            shares = [r.zeros for r in rows if r.arithmetic == name and r.arm == BASE and r.kind == kind]
            if shares:
                mean, low, high = sum(shares) / len(shares), min(shares), max(shares)
                told = f"{name}: {mean:.3g} % ({low:.3g} to {high:.3g} %)"
                groups.append((name, [Mark(_SERIES["relu 1/2"], mean, low, high, True, told)]))
        if groups:
            drawn = intervals.intervals(
                f"Share of exact zeros, {title}", groups, "percent of hidden sums", zero=False
            )
            result.append(f"<figure><figcaption>{title}</figcaption>{drawn}</figure>")
    return result


def p_text(row: Row) -> str:
    """The corrected p-value in words."""
    return "not tested" if row.p_holm is None else "p < 0.0001" if row.p_holm < 1e-4 else f"p = {row.p_holm:.2g}"


HEADER = ("arithmetic", "arm", "mean %", "difference", "95 % interval", "p (Holm)", "zeros %", "dead %", "failed %")


def cells_of(row: Row) -> list[str]:
    """The row as text, in the columns of HEADER."""
    base = row.arm == BASE
    return [
        row.arithmetic,
        row.arm,
        f"{row.mean:.2f}",
        "" if base else f"{row.difference:+.2f}",
        "" if base else f"{row.low:+.2f} to {row.high:+.2f}",
        "" if base else p_text(row).removeprefix("p ").removeprefix("= "),
        f"{row.zeros:.3f}",
        f"{row.dead:.1f}",
        f"{row.failed:.1f}",
    ]


def _details(rows: list[Row]) -> str:
    first = rows[0]
    task = next(task for task in TASKS if task.name == first.task)
    lines = [
        [(text, row.verdict if column == 3 else "") for column, text in enumerate(cells_of(row))] for row in rows
    ]
    seeds = max(row.seeds for row in rows)
    told = f"{_setting(first)}; rate 2^-{task.rate_shift}, {task.epochs} epochs, up to {seeds} seeds"
    return (
        f"<details><summary>{escape(first.title)} <span class='soft'>{told}</span></summary>"
        f"{page.table(HEADER, lines, texts=2)}</details>"
    )
