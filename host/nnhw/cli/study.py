"""nnhw study."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import click

from nnhw.cli.commands import UserError
from nnhw.cli.terminal import print_json, print_tables, progress_bar


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
    from nnhw.study import markdown, page
    from nnhw.study import relu_at_zero as engine
    from nnhw.study.answer import answer

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
    engine.write_atomically(out / "index.html", page.render(rows, command))
    engine.write_atomically(out / "report.md", markdown.render(rows, command))
    if as_json:
        print_json({"page": str(out / "index.html"), "answer": answer(rows).headline, "rows": len(rows)})
        return
    print_tables(
        [
            (f"{group[0].title}, hidden bias {group[0].bias:g}, {group[0].measure}", page.HEADER, group)
            for group in (list(g) for _, g in groupby(rows, lambda row: (row.task, row.bias)))
        ],
        page.cells_of,
    )
    said = answer(rows)
    click.echo(f"\n{said.headline}")
    for sentence in [*said.findings, *said.advice]:
        click.echo(f"- {sentence}")
    click.echo(f"\nwrote {out / 'index.html'}, report.md, results.json and results.csv")
