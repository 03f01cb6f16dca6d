"""The study as a Markdown page: what the HTML page tells, with tables in place of plots."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from nnhw.study.answer import answer
from nnhw.study.page import CAVEATS, HEADER, METHOD, PAPER, cells_of
from nnhw.study.relu_at_zero import Row
from nnhw.study.tasks import BASE, TASKS

_SHORT = ("relu 1", "softplus", "leaky relu")


def render(rows: Sequence[Row], command: str) -> str:
    """The whole page, for the rows of ``relu_at_zero.summarize`` and the command that made them."""
    said = answer(rows)
    lines = [
        "# The derivative of ReLU at 0",
        "",
        f"Made by `{command}`, which also writes index.html with plots, results.json and results.csv. Do not edit.",
        "",
        f"**{said.headline}**",
        "",
        *_bullets(said.findings),
        "## What to do",
        "",
        *_bullets(said.advice),
        "## Where this agrees and disagrees with Bertoin et al.",
        "",
        PAPER,
        "",
        *(f"- Agrees. {text}" for text in said.agree),
        *(f"- Disagrees. {text}" for text in said.disagree),
        "",
        "## In short",
        "",
        "Mean with ReLU'(0) = 0, share of exact zeros, and differences to it in points with 95 % intervals; bold where "
        "significant after correction.",
        "",
        *_table(("task", "hidden bias", "arithmetic", BASE, "zeros %", *_SHORT), list(_short(rows))),
        "## Method",
        "",
        *_bullets(METHOD),
        "## Limits",
        "",
        *_bullets(CAVEATS),
        "## All numbers",
        "",
    ]
    for (name, bias), group in groupby(rows, lambda row: (row.task, row.bias)):
        found = list(group)
        task = next(task for task in TASKS if task.name == name)
        seeds = max(row.seeds for row in found)
        lines += [
            f"### {task.title}, hidden bias {bias:g}",
            "",
            f"{task.measure}; rate 2^-{task.rate_shift}, {task.epochs} epochs, up to {seeds} seeds.",
            "",
            *_table(HEADER, [cells_of(row) for row in found]),
        ]
    return "\n".join(lines).rstrip() + "\n"


def _bullets(sentences: Sequence[str]) -> list[str]:
    return [*(f"- {sentence}" for sentence in sentences), ""]


def _table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    return [
        "| " + " | ".join(header) + " |",
        "|" + "---|" * len(header),
        *("| " + " | ".join(line) + " |" for line in lines),
        "",
    ]


def _short(rows: Sequence[Row]) -> Sequence[list[str]]:
    result = []
    for _, group in groupby(rows, lambda row: (row.task, row.bias, row.arithmetic)):
        arms = {row.arm: row for row in group}
        base = arms[BASE]
        told = [base.title, f"{base.bias:g}", base.arithmetic, f"{base.mean:.2f}", f"{base.zeros:.3f}"]
        result.append(told + [_difference(arms[name]) for name in _SHORT])
    return result


def _difference(row: Row) -> str:
    text = f"{row.difference:+.2f} ({row.low:+.2f} to {row.high:+.2f})"
    return f"**{text}**" if row.verdict else text
