"""nnhw report."""

from __future__ import annotations

from pathlib import Path

import click

from nnhw.cli.commands import user_input
from nnhw.cli.deferred import deferred
from nnhw.cli.model_options import expect_directory
from nnhw.cli.terminal import print_json, progress_bar

with deferred():
    from nnhw.data import matching
    from nnhw.exporting import build_folder
    from nnhw.report import facts, page, words

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("directory", type=_PATH, metavar="BUILD")
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="By default BUILD/report.html.")
@click.option("--data", help="Data set or file; by default the one that the model was trained on.")
@click.option(
    "--target",
    "answer_column",
    metavar="COLUMN",
    help="Column of the file that holds the answers, or several with commas.",
)
@click.option("--model", type=_PATH, help="The model.json that BUILD was made from; by default looked for.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def report(
    directory: Path, out: Path | None, data: str | None, answer_column: str | None, model: Path | None, as_json: bool
) -> None:
    """Write one HTML page about the exported model in the folder BUILD.

    It tells training, answers, every precision beside floats, what is proved, weights, activation and cycles, with
    plots, and needs nothing from elsewhere.
    """
    build = build_folder.read(directory)
    with user_input():
        source, network = facts.find_network(build, model)
    known = data is not None or isinstance(network.training.get("data"), str)
    rows = matching.rows_to_judge(network, source, data, answer_column) if known else None
    out = out or build.directory / build_folder.REPORT
    expect_directory(out)
    with progress_bar(None) as advance, user_input(str(source)):
        made = facts.collect(build, source, network, rows, progress=lambda text: advance(0, text))
    page.write(made, out)
    if as_json:
        print_json({"page": str(out), "model": build.manifest.model, "outcome": words.outcome(made)})
        return
    for sentence in words.outcome(made):
        click.echo(sentence)
    click.echo(f"wrote {out}")
