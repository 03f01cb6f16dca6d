"""nnhw fit."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from nnhw.boards import catalog, mpy_cross
from nnhw.boards.catalog import Board
from nnhw.cli.commands import UserError, user_input
from nnhw.cli.terminal import print_json, progress_bar
from nnhw.errors import TargetError
from nnhw.exporting import build_folder
from nnhw.measuring import board_fit
from nnhw.model_files import model_json
from nnhw.targets import get_script_target
from nnhw_codegen.integers import precision
from nnhw_codegen.integers.qmodel import QModel
from nnhw_codegen.quantization.quantize import quantize


def _boards(ctx: click.Context, parameter: click.Parameter, text: str) -> list[Board]:
    names = catalog.names() if text == "all" else [part.strip() for part in text.split(",") if part.strip()]
    with user_input():
        return [catalog.get(name) for name in dict.fromkeys(names)]


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--board", "boards", callback=_boards, default="rp2040", show_default=True, help="Or several, or all.")
@click.option(
    "--code",
    type=click.Choice(["all", *board_fit.CODES]),
    help="By default all; of a build folder the one that it was exported with.",
)
@click.option("--precision", "precision_name", type=click.Choice(["all", *precision.names()]), default="all")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def fit(model: Path, boards: list[Board], code: str | None, precision_name: str, as_json: bool) -> None:
    """Say whether MODEL, a build folder or a model.json, fits a board: flash, heap, time, and what to do if not.

    The heap is what must be free after boot, measured in a 32-bit MicroPython. Exit code 1 where no form fits.
    """
    for reason in (get_script_target("wasm").why_unavailable(), mpy_cross.why_unavailable()):
        if reason is not None:
            raise UserError(f"fit: {reason}")
    models, default_code = _models(model, precision_name)
    chosen = code or default_code
    codes = board_fit.CODES if chosen == "all" else (chosen,)
    try:
        with progress_bar(1.0) as advance:
            found = board_fit.fit(models, boards, codes, advance)
    except TargetError as error:
        raise UserError(str(error)) from error
    told = {board.name: board_fit.advice(found, board) for board in boards}
    if as_json:
        print_json({"forms": [asdict(f) for f in found], "advice": told})
    else:
        title = "-".join(map(str, models[0].sizes))
        made = table(found, title) if len(boards) == 1 else table_of_boards(found, title, boards)
        Console(width=None if sys.stdout.isatty() else 140).print(made)
        click.echo("~ is an estimate; without it, heap is measured on wasm and time on rp2040-core")
        for name in sorted({board.name for board in boards} & board_fit.EMULATED.keys()):
            click.echo(f"{name}: the verdict was found by trying, on the whole emulated board")
        for name, words in told.items():
            click.echo(f"{name:<9} {words}")
    if any(all(f.verdict == "no" for f in found if f.board == board.name) for board in boards):
        sys.exit(1)


def _models(path: Path, precision_name: str) -> tuple[list[QModel], str]:
    if path.is_dir():
        build = build_folder.read(path)
        if precision_name not in ("all", build.model.precision.name):
            raise UserError(f"{path}: is {build.model.precision.name}; give the model.json to see {precision_name}")
        made = str(build.manifest["code"])
        return [build.model], made if made in board_fit.CODES else "all"
    network = model_json.load(path)
    names = precision.names() if precision_name == "all" else (precision_name,)
    with user_input(str(path)):
        return [quantize(network, precision.get(name), network.calibration) for name in names], "all"


def table(found: Sequence[board_fit.Fit], title: str) -> Table:
    """The forms on one board, as a table for a terminal."""
    made = _table(title, ("precision", "code"), ("flash bytes", "heap to import", "heap to run", "µs"), ("verdict",))
    for f in found:
        made.add_row(*_form(f), f"{f.flash:,}", *_heap(f), _time(f), f.verdict)
    return made


def table_of_boards(found: Sequence[board_fit.Fit], title: str, boards: Sequence[Board]) -> Table:
    """A row per form and a column per board, of which the heap does not depend; "-" where a board runs no such code."""
    names = [board.name for board in boards]
    made = _table(f"{title}, µs per prediction where it fits", ("precision", "code"), ("heap to import", *names))
    rows: dict[tuple[str, str], dict[str, board_fit.Fit]] = {}
    for f in found:
        rows.setdefault(_form(f), {})[f.board] = f
    for form, row in rows.items():
        cells = [_cell(row[name]) if name in row else "-" for name in names]
        made.add_row(*form, _heap(next(iter(row.values())))[0], *cells)
    return made


def _table(title: str, *heads: tuple[str, ...]) -> Table:
    made = Table(title=title, title_justify="left")
    for justify, names in zip(("left", "right", "left"), heads, strict=False):
        for name in names:
            made.add_column(name, justify="right" if justify == "right" else "left")
    return made


def _form(f: board_fit.Fit) -> tuple[str, str]:
    return f.precision, f"{f.code} .{f.form}"


def _heap(f: board_fit.Fit) -> tuple[str, str]:
    about = "" if f.heap_measured else "~"
    return f"{about}{f.to_import:,}", f"{about}{f.to_run:,}"


def _time(f: board_fit.Fit) -> str:
    return f"{'' if f.time_measured else '~'}{f.microseconds:,.0f}"


def _cell(f: board_fit.Fit) -> str:
    return {"no": "no", "tight": f"tight {_time(f)}"}.get(f.verdict, _time(f))
