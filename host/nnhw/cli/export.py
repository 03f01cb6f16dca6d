"""nnhw export."""

from __future__ import annotations

from pathlib import Path

import click

from nnhw.boards import catalog
from nnhw.cli import choices
from nnhw.cli.commands import user_input
from nnhw.cli.deferred import deferred
from nnhw.cli.learning_options import learning_options
from nnhw.cli.terminal import print_json, print_table
from nnhw.exporting.learning_options import LearningOptions
from nnhw_codegen.integers import precision

with deferred():
    from nnhw.cli import build_text
    from nnhw.data import matching
    from nnhw.exporting import build_folder, learning_files, names, request, write_build
    from nnhw.model_files import model_json
    from nnhw.tuning import choose_precision, fine_tune

_AUTO = "auto"

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("model", type=_PATH)
@click.option("-o", "--out", type=_PATH, help="Folder to write; by default build/<name of the model>.")
@click.option(
    "--precision",
    "precision_name",
    type=click.Choice([_AUTO, *precision.names()]),
    help="Widths of weights and activations: "
    + "; ".join(f"{p.name}: {p.summary}" for p in precision.PRECISIONS)
    + ". auto, the default unless MODEL was trained for one, is the cheapest that agrees with the float network.",
)
@click.option(
    "--min-agreement",
    type=click.FloatRange(0, 100),
    show_default="99.5; 99.9999 for values",
    help="What auto asks for, and warns below: percent of calibration rows that get the float network's class, or of the "
    "variance of its values, of each output.",
)
@click.option("--fine-tune", "data", metavar="DATA", help="Adapt the weights to the precision on a data set or file.")
@click.option(
    "--target",
    "answer_column",
    metavar="COLUMN",
    help="Column of that file that holds the answers, or several with commas.",
)
@click.option(
    "--code",
    type=choices.code_names(_AUTO),
    default=_AUTO,
    show_default=True,
    help="; ".join(f"{name}: {summary}" for name, summary in choices.CODES.items())
    + ". auto is the fastest that --board runs and has room for; portable without a board.",
)
@click.option("--board", type=click.Choice(catalog.names()), help="Board to pick code and to compile for.")
@learning_options
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
def export(
    model: Path,
    out: Path | None,
    precision_name: str | None,
    min_agreement: float | None,
    data: str | None,
    answer_column: str | None,
    code: str,
    board: str | None,
    as_json: bool,
    learning: LearningOptions | None,
) -> None:
    """Quantize MODEL (a model.json), prove its bounds and write the folder to copy to a board."""
    network = model_json.load(model)
    directory = out or names.default_directory(model.name)
    build_folder.check_replaceable(directory)
    precision_name = precision_name or str(network.training.get("precision", _AUTO))
    auto = precision_name == _AUTO
    least = None if min_agreement is None else min_agreement / 100
    tried_ones = precision.PRECISIONS if auto else (precision.get(precision_name),)
    words: list[str] = []
    dataset = None
    if data is not None:
        dataset = matching.rows_to_tune(network, data, answer_column)
        words = ["--fine-tune", Path(data).name, *([] if answer_column is None else ["--target", answer_column])]
    with user_input():
        wanted = None
        if learning is not None:
            profile = learning_files.profile(network, learning)
            wanted = learning_files.Learning(network, profile, learning.command_words)
    with user_input(str(model)):
        tried = fine_tune.choose(network, dataset, least, tried_ones)
        build = write_build.write(
            request.ExportRequest(
                tried.chosen.report.model,
                directory,
                model.name,
                code,
                board,
                network.calibration,
                network.columns,
                tuple(choose_precision.agreement_lines(network, tried)),
                wanted,
                tuple(words),
            )
        )
    if as_json:
        candidates = [choose_precision.facts(candidate) for candidate in tried.candidates]
        short = choose_precision.shortfall(network, tried)
        print_json(
            {"directory": str(build.directory), **build.manifest.to_json(), "tried": candidates, "warning": short}
        )
        return
    print_table(build_text.tried_table(network, tried))
    for line in build_text.tried_lines(network, tried, auto):
        click.echo(line)
    for note in tried.chosen.report.notes:
        click.echo(f"note      {note}")
    for line in build_text.build_lines(network, build):
        click.echo(line)
