"""nnhw study and nnhw compare."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from nnhw import datasets
from nnhw.cli import UserError, print_json, progress_bar, user_input
from nnhw.cli_data_options import data_options, target_option
from nnhw.cli_train import parse_layers


@click.group()
def study() -> None:
    """Experiments that anyone can run again."""


@study.command("relu-at-zero")
@click.option(
    "-o", "--out", type=click.Path(file_okay=False, path_type=Path), default="relu-at-zero", show_default=True,
    help="Folder of the results; a study that was interrupted goes on from there.",
)  # fmt: skip
@click.option("--quick", is_flag=True, help="A small part of the study, in seconds.")
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes on this machine.")
@click.option("--scheduler", metavar="ADDRESS", help="Run on a Dask cluster instead, as tcp://host:8786.")
@click.option(
    "--seeds", type=click.IntRange(min=2), help="Networks per arm and cell, instead of each task's own number."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def relu_at_zero(out: Path, quick: bool, jobs: int, scheduler: str | None, seeds: int | None, as_json: bool) -> None:
    """Does the derivative of ReLU at 0 matter, in floats and in fixed point?

    Writes results.json, results.csv, index.html and report.md into the folder.
    """
    from nnhw import study as engine
    from nnhw import study_markdown, study_page
    from nnhw.study_answer import answer

    if scheduler is not None and jobs != 1:
        raise UserError(
            "--jobs is for this machine; the workers of --scheduler decide for themselves. Give one of the two"
        )
    cells = engine.plan(quick, seeds)
    with progress_bar(sum(cell.cost for cell in cells)) as advance:
        outcomes = engine.run(
            cells, out, jobs, scheduler, lambda cell: advance(cell.cost, cell.name.rsplit("_", 1)[0])
        )
    rows = engine.summarize(cells, outcomes)
    options = "".join([" --quick" * quick, f" --seeds {seeds}" if seeds else ""])
    engine.write_atomically(out / "results.json", engine.to_json(rows))
    engine.write_atomically(out / "results.csv", engine.to_csv(rows))
    command = f"nnhw study relu-at-zero{options}"
    engine.write_atomically(out / "index.html", study_page.render(rows, command))
    engine.write_atomically(out / "report.md", study_markdown.render(rows, command))
    if as_json:
        print_json({"page": str(out / "index.html"), "answer": answer(rows).headline, "rows": len(rows)})
        return
    _print_tables(
        [
            (f"{group[0].title}, hidden bias {group[0].bias:g}, {group[0].measure}", study_page.HEADER, group)
            for group in (list(g) for _, g in groupby(rows, lambda row: (row.task, row.bias)))
        ],
        study_page.cells_of,
    )
    said = answer(rows)
    click.echo(f"\n{said.headline}")
    for sentence in [*said.findings, *said.advice]:
        click.echo(f"- {sentence}")
    click.echo(f"\nwrote {out / 'index.html'}, report.md, results.json and results.csv")


def _print_tables(
    tables: Sequence[tuple[str, Sequence[str], Sequence[Any]]], cells_of: Callable[[Any], Sequence[str]]
) -> None:
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


def parse_names(ctx: click.Context, parameter: click.Parameter, text: str) -> tuple[str, ...]:
    """'relu,leaky_relu' -> ('relu', 'leaky_relu')."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


@click.command()
@click.argument("data")
@target_option
@data_options
@click.option("--task", type=click.Choice(["auto", "classification"]), default="auto", show_default=True)
@click.option(
    "--hidden", callback=parse_names, default="relu,leaky_relu,softplus,logsig", show_default=True,
    help="Activations; the others are compared with the first.",
)  # fmt: skip
@click.option("--layers", callback=parse_layers, default="8", show_default=True, help="Hidden units: 8, or 16,16.")
@click.option("--seeds", type=click.IntRange(min=2), default=50, show_default=True, help="Networks per activation.")
@click.option("--epochs", type=click.IntRange(min=1), default=60, show_default=True)
@click.option(
    "--precisions", callback=parse_names, default="w8a8,acc16", show_default=True, help="Of the quantized networks."
)
@click.option("--relu-at-zero", type=click.Choice(["0", "0.5", "1"]), default="1", show_default=True)
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes on this machine.")
@click.option("--scheduler", metavar="ADDRESS", help="Run on a Dask cluster instead, as tcp://host:8786.")
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), default="compare.html", show_default=True,
    help="Page with the plot.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def compare(
    data: str,
    target: str | None,
    reading: datasets.DataOptions,
    task: datasets.Task,
    hidden: tuple[str, ...],
    layers: tuple[int, ...],
    seeds: int,
    epochs: int,
    precisions: tuple[str, ...],
    relu_at_zero: str,
    jobs: int,
    scheduler: str | None,
    out: Path,
    as_json: bool,
) -> None:
    """Which activation suits DATA (iris, wine, breast_cancer, digits or a file with --target COLUMN)?

    Trains many networks of each, in pairs, and quantizes them all.
    """
    from nnhw import compare as engine
    from nnhw import compare_page
    from nnhw.study import write_atomically

    dataset = datasets.load(data, target, task, reading)
    with user_input():
        setting = engine.Setting(
            dataset, hidden, layers, seeds, epochs, precisions=precisions, relu_at_zero=float(relu_at_zero)
        )
    with progress_bar(1.0) as advance:
        rows = engine.compare(setting, jobs, scheduler, lambda share: advance(share, ""))
    chosen = [*(["--target", target] if target else []), *reading.words()]
    words = ["nnhw", "compare", data, *chosen, "--hidden", ",".join(hidden), "--seeds", str(seeds)]
    command = shlex.join([*words, "--epochs", str(epochs)])
    write_atomically(out, compare_page.render(setting, rows, command))
    if as_json:
        click.echo(engine.to_json(setting, rows), nl=False)
        return
    title = f"{dataset.name}: {len(dataset.rows)} rows, {seeds} seeds, percent of held-out rows told rightly"
    _print_tables([(title, compare_page.HEADER, rows)], compare_page.cells_of)
    click.echo(f"{engine.sentence(rows)}\nwrote {out}")
