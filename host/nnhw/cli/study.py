"""nnhw study."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import click

from nnhw.cli.commands import UserError
from nnhw.cli.deferred import deferred
from nnhw.cli.terminal import VERDICT_COLORS, Table, print_json, print_table, progress_bar
from nnhw_codegen.whole_file import write_whole

with deferred():
    from nnhw.study import answer, markdown, page
    from nnhw.study import relu_at_zero as engine


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
    command = f"nnhw study relu-at-zero{options}"
    texts = {
        "results.json": engine.to_json(rows),
        "results.csv": engine.to_csv(rows),
        "index.html": page.render(rows, command),
        "report.md": markdown.render(rows, command),
    }
    for name, text in texts.items():
        write_whole(out / name, text.encode())
    if as_json:
        print_json({"page": str(out / "index.html"), "answer": answer.answer(rows).headline, "rows": len(rows)})
        return
    for _, group in groupby(rows, lambda row: (row.task, row.bias)):
        listed = list(group)
        title = f"{listed[0].title}, hidden bias {listed[0].bias:g}, {listed[0].measure}"
        lines = [page.cells_of(row) for row in listed]
        print_table(Table(page.HEADER, lines, title, (0, 1), [VERDICT_COLORS.get(row.verdict) for row in listed]))
    said = answer.answer(rows)
    click.echo(f"\n{said.headline}")
    for sentence in [*said.findings, *said.advice]:
        click.echo(f"- {sentence}")
    click.echo(f"\nwrote {out / 'index.html'}, report.md, results.json and results.csv")
