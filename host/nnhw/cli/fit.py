"""nnhw fit."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from nnhw.boards import catalog
from nnhw.boards.catalog import Board
from nnhw.cli.choices import CODES, Names
from nnhw.cli.commands import UserError, user_input
from nnhw.cli.deferred import deferred
from nnhw.cli.terminal import Table, print_json, print_table, progress_bar
from nnhw.errors import TargetError
from nnhw_codegen.integers import precision

with deferred():
    from nnhw import targets
    from nnhw.boards import mpy_cross
    from nnhw.measuring import board_fit, models

_ALL = "all"
_MODULES = tuple(name for name in CODES if name != "c")


def _boards(ctx: click.Context, parameter: click.Parameter, text: str) -> list[Board]:
    names = catalog.names() if text == "all" else [part.strip() for part in text.split(",") if part.strip()]
    with user_input():
        return [catalog.get(name) for name in dict.fromkeys(names)]


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--board", "boards", callback=_boards, default="rp2040", show_default=True, help="Or several, or all.")
@click.option(
    "--code",
    type=Names((_ALL, *_MODULES), lambda: (_ALL, *board_fit.CODES)),
    help="By default all; of a build folder the one that it was exported with.",
)
@click.option("--precision", "precision_name", type=click.Choice([_ALL, *precision.names()]), default=_ALL)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def fit(model: Path, boards: list[Board], code: str | None, precision_name: str, as_json: bool) -> None:
    """Say whether MODEL, a build folder or a model.json, fits a board: flash, heap, time, and what to do if not.

    The heap is what must be free after boot, measured in a 32-bit MicroPython. Exit code 1 where no form fits.
    """
    for reason in (targets.get_script_target("wasm").why_unavailable(), mpy_cross.why_unavailable()):
        if reason is not None:
            raise UserError(f"fit: {reason}")
    measured, made_as = models.models_in(model, precision_name)
    chosen = code or made_as
    codes = (chosen,) if chosen in board_fit.CODES else board_fit.CODES
    try:
        with progress_bar(1.0) as advance:
            found = board_fit.fit(measured, boards, codes, advance)
    except TargetError as error:
        raise UserError(str(error)) from error
    told = {board.name: board_fit.advice(found, board) for board in boards}
    if as_json:
        print_json({"forms": [asdict(f) for f in found], "advice": told})
    else:
        title = "-".join(map(str, measured[0].sizes))
        made = table(found, title) if len(boards) == 1 else table_of_boards(found, title, boards)
        print_table(made)
        click.echo("~ is an estimate; without it, heap is measured on wasm and time on rp2040-core")
        for name in sorted({board.name for board in boards} & board_fit.EMULATED.keys()):
            click.echo(f"{name}: the verdict was found by trying, on the whole emulated board")
        for name, words in told.items():
            click.echo(f"{name:<9} {words}")
    if any(all(f.verdict == "no" for f in found if f.board == board.name) for board in boards):
        sys.exit(1)


def table(found: Sequence[board_fit.BoardFit], title: str) -> Table:
    """The forms on one board."""
    heads = ("precision", "code", "flash bytes", "heap to import", "heap to run", "µs", "verdict")
    rows = [(*_form(f), f"{f.flash:,}", *_heap(f), _time(f), f.verdict) for f in found]
    return Table(heads, rows, title, (0, 1, 6))


def table_of_boards(found: Sequence[board_fit.BoardFit], title: str, boards: Sequence[Board]) -> Table:
    """A row per form and a column per board, of which the heap does not depend; "-" where a board runs no such code."""
    names = [board.name for board in boards]
    forms: dict[tuple[str, str], dict[str, board_fit.BoardFit]] = {}
    for f in found:
        forms.setdefault(_form(f), {})[f.board] = f
    rows = [
        (*form, _heap(next(iter(on.values())))[0], *(_cell(on[name]) if name in on else "-" for name in names))
        for form, on in forms.items()
    ]
    heads = ("precision", "code", "heap to import", *names)
    return Table(heads, rows, f"{title}, µs per prediction where it fits", (0, 1))


def _form(f: board_fit.BoardFit) -> tuple[str, str]:
    return f.precision, f"{f.code} .{f.kind}"


def _heap(f: board_fit.BoardFit) -> tuple[str, str]:
    about = "" if f.heap_measured else "~"
    return f"{about}{f.to_import:,}", f"{about}{f.to_run:,}"


def _time(f: board_fit.BoardFit) -> str:
    return f"{'' if f.time_measured else '~'}{f.microseconds:,.0f}"


def _cell(f: board_fit.BoardFit) -> str:
    return {"no": "no", "tight": f"tight {_time(f)}"}.get(f.verdict, _time(f))
