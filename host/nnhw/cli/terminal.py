"""What commands print: JSON, tables, a progress bar."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click


@dataclass(frozen=True)
class Table:
    """Cells to print: ``heads``, and under them ``rows``.

    ``left`` are the columns whose cells start at the left, the others end at the right. ``colors`` are the rows', None
    for the terminal's own.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str | None = None
    left: Sequence[int] = (0,)
    colors: Sequence[str | None] = ()


VERDICT_COLORS = {"better": "green", "worse": "red"}


def print_json(value: Any) -> None:
    """A result for a script."""
    json.dump(value, sys.stdout, indent=2)
    click.echo()


@contextmanager
def progress_bar(total: float | None, wanted: bool = True) -> Iterator[Callable[[float, str], None]]:
    """A function that counts up by an amount and names what was done; it draws a bar where stderr is a terminal.

    Without a ``total`` the bar moves, but counts nothing; where it is not ``wanted``, there is none.
    """
    if not wanted or not sys.stderr.isatty():
        yield lambda amount, text: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.description}", markup=False),
    )
    # One step may take minutes: the speed must be averaged over more than Progress's half minute.
    with Progress(*columns, console=Console(stderr=True), transient=True, speed_estimate_period=1800.0) as bar:
        task = bar.add_task("", total=total)
        yield lambda amount, text: bar.update(task, advance=amount, description=text)


def print_table(table: Table) -> None:
    """Print a table: as wide as the terminal, into a file or pipe as wide as it needs."""
    from rich import box
    from rich import table as rich_table
    from rich.console import Console

    made = rich_table.Table(title=table.title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for place, head in enumerate(table.heads):
        made.add_column(head, justify="left" if place in table.left else "right", no_wrap=True)
    for place, row in enumerate(table.rows):
        made.add_row(*row, style=table.colors[place] if table.colors else None)
    console = Console(markup=False)
    if not console.is_terminal:
        console = Console(
            markup=False, width=console.measure(made, options=console.options.update(width=10_000)).maximum
        )
    console.print(made)
