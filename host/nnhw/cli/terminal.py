"""What commands print: JSON, tables, a progress bar."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click


def print_json(value: Any) -> None:
    """A result for a script."""
    json.dump(value, sys.stdout, indent=2)
    click.echo()


@contextmanager
def progress_bar(total: float) -> Iterator[Callable[[float, str], None]]:
    """A function that counts up by an amount and names what was done; it draws a bar where stderr is a terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    if not sys.stderr.isatty():
        yield lambda amount, text: None
        return
    columns = (
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    # One step may take minutes: the speed must be averaged over more than Progress's half minute.
    with Progress(*columns, console=Console(stderr=True), transient=True, speed_estimate_period=1800.0) as bar:
        task = bar.add_task("", total=total)
        yield lambda amount, text: bar.update(task, advance=amount, description=text)


def print_tables(
    tables: Sequence[tuple[str, Sequence[str], Sequence[Any]]], cells_of: Callable[[Any], Sequence[str]]
) -> None:
    """Print tables, each a title, a header and rows; ``cells_of`` gives a row's cells, its ``verdict`` the color."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 120)
    for title, header, rows in tables:
        table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
        for column, name in enumerate(header):
            table.add_column(name, justify="left" if column < 2 else "right", no_wrap=True)
        for row in rows:
            style = {"better": "green", "worse": "red"}.get(row.verdict)
            table.add_row(*cells_of(row), style=style)
        console.print(table)
