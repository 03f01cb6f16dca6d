"""nnhw report."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from nnhw.cli.commands import UserError, user_input
from nnhw.cli.terminal import print_json
from nnhw.data.matching import rows_to_judge
from nnhw.exporting import build_folder
from nnhw.report import facts, page, words
from nnhw.report.facts import Report
from nnhw_codegen.whole_file import write_whole

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("directory", type=_PATH, metavar="BUILD")
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="By default BUILD/report.html.")
@click.option("--data", help="Data set or file; by default the one that the model was trained on.")
@click.option("--target", metavar="COLUMN", help="Column of the file that holds the answers, or several with commas.")
@click.option("--model", type=_PATH, help="The model.json that BUILD was made from; by default looked for.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def report(
    directory: Path, out: Path | None, data: str | None, target: str | None, model: Path | None, as_json: bool
) -> None:
    """Write one HTML page about the exported model in the folder BUILD.

    It tells training, answers, every precision beside floats, what is proved, weights, activation and cycles, with
    plots, and needs nothing from elsewhere.
    """
    build = build_folder.read(directory)
    with user_input():
        source, network = facts.find_network(build, model)
    known = data is not None or isinstance(network.training.get("data"), str)
    rows = rows_to_judge(network, source, data, target) if known else None
    out = out or build.directory / build_folder.REPORT
    if not out.resolve().parent.is_dir():
        raise UserError(f"--out {out}: there is no directory {out.parent}")
    with progress_text() as progress, user_input(str(source)):
        made = facts.collect(build, source, network, rows, progress=progress)
    write(made, out)
    if as_json:
        print_json({"page": str(out), "model": build.manifest.get("model"), "outcome": words.outcome(made)})
        return
    for sentence in words.outcome(made):
        click.echo(sentence)
    click.echo(f"wrote {out}")


def write(made: Report, out: Path) -> None:
    """Write the page, whole or not at all."""
    write_whole(out, page.render(made).encode())


@contextmanager
def progress_text() -> Iterator[Callable[[str], None]]:
    """A function that names what is being worked on, where stderr is a terminal."""
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.console import Console

    with Console(stderr=True).status("") as status:
        yield status.update
