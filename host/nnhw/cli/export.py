"""nnhw export."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from nnhw.boards import catalog
from nnhw.cli.commands import user_input
from nnhw.cli.learning_options import learning_files, learning_options
from nnhw.cli.terminal import print_json
from nnhw.data.data_options import from_record
from nnhw.data.datasets import DataOptions, Dataset
from nnhw.data.matching import load_matching
from nnhw.exporting import build_folder, write_build
from nnhw.exporting.build_folder import Build
from nnhw.exporting.names import default_directory
from nnhw.model_files import model_json
from nnhw.training.train import target_matrix
from nnhw.tuning import choose_precision
from nnhw.tuning.fine_tune import fine_tune
from nnhw_codegen import emitters
from nnhw_codegen.integers import precision, reference
from nnhw_codegen.network.network import Network
from nnhw_codegen.quantization.quantize import QuantizeReport

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("model", type=_PATH)
@click.option("-o", "--out", type=_PATH, help="Folder to write; by default build/<name of the model>.")
@click.option(
    "--precision",
    "precision_name",
    type=click.Choice([write_build.AUTO, *precision.names()]),
    help="Widths of weights and activations: "
    + "; ".join(f"{p.name}: {p.summary}" for p in precision.PRECISIONS)
    + ". auto, the default unless MODEL was trained for one, is the cheapest that agrees with the float network.",
)
@click.option(
    "--min-agreement",
    type=click.FloatRange(0, 100),
    show_default=f"{100 * choose_precision.LEAST_AGREEMENT:g}; "
    f"{100 * choose_precision.LEAST_AGREEMENT_OF_VALUES:g} for values",
    help="What auto asks for, and warns below: percent of calibration rows that get the float network's class, or of the "
    "variance of its values, of each output.",
)
@click.option("--fine-tune", "data", metavar="DATA", help="Adapt the weights to the precision on a data set or file.")
@click.option(
    "--target", metavar="COLUMN", help="Column of that file that holds the answers, or several with commas."
)
@click.option(
    "--code",
    type=click.Choice(["auto", *emitters.names()]),
    default="auto",
    show_default=True,
    help="; ".join(f"{e.name}: {e.summary}" for e in emitters.EMITTERS)
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
    target: str | None,
    code: str,
    board: str | None,
    as_json: bool,
    **learning: Any,
) -> None:
    """Quantize MODEL (a model.json), prove its bounds and write the folder to copy to a board."""
    network = model_json.load(model)
    directory = out or default_directory(model.name)
    build_folder.check_replaceable(directory)
    precision_name = precision_name or str(network.training.get("precision", write_build.AUTO))
    auto = precision_name == write_build.AUTO
    rows, targets, quantizer, options = network.calibration, None, choose_precision.plain, []
    if data is not None:
        record = network.training
        reading = from_record(record.get("reading")) if data == record.get("data") else DataOptions()
        dataset = load_matching(network, data, target, reading, network.columns)
        rows, targets, options = dataset.rows, dataset.targets, ["--fine-tune", Path(data).name]
        options += [] if target is None else ["--target", target]
        quantizer = partial(_fine_tuned, dataset)
    extra, words = learning_files(network, learning)
    with user_input(str(model)):
        tried = choose_precision.choose(
            network,
            rows,
            targets,
            None if min_agreement is None else min_agreement / 100,
            precision.PRECISIONS if auto else (precision.get(precision_name),),
            quantizer,
        )
        build = write_build.write(
            tried.chosen.report.model,
            directory,
            code,
            board=board,
            source=model.name,
            rows=network.calibration,
            options=[*options, *words],
            extra=extra,
            columns=network.columns,
            agreement=choose_precision.agreement_lines(network, tried),
        )
    if as_json:
        candidates = [choose_precision.facts(candidate) for candidate in tried.candidates]
        short = choose_precision.shortfall(network, tried)
        print_json({"directory": str(build.directory), **build.manifest, "tried": candidates, "warning": short})
        return
    for line in choose_precision.table(network, tried, auto):
        click.echo(line)
    for note in tried.chosen.report.notes:
        click.echo(f"note      {note}")
    for line in export_lines(network, build):
        click.echo(line)


def _fine_tuned(dataset: Dataset, network: Network, wanted: precision.Precision) -> QuantizeReport:
    return fine_tune(network, wanted, dataset.rows, target_matrix(network, dataset)).report


def _calibrated_on(network: Network) -> str:
    if network.calibration is None:
        return "rows spread over the declared input ranges, as the model keeps none"
    return f"{len(network.calibration)} rows that the model keeps"


def export_lines(network: Network, build: Build) -> list[str]:
    """What the user should know about a fresh build."""
    facts = build.manifest
    files = ", ".join(f"{name} {build.size(name):,}" for name in facts["files"] if name.startswith(f"{build.name}."))
    limit = build.model.precision.accumulator_limit
    code = facts["code"] + (f" for {facts['board']}" if facts["board"] else "")
    lines = [
        f"wrote     {build.directory}: {facts['precision']}, {code}; bytes: {files}",
        f"proof     no sum reaches 2^{limit.bit_length() - 1} and no integer 2^30, for any input",
        f"rows      calibrated on {_calibrated_on(network)}",
    ]
    if network.calibration is not None and network.classes:
        same = reference.predict(build.model, network.calibration) == network.predict(network.calibration)
        same, what = (same, "class") if same.ndim == 1 else (same.all(axis=1), "answers")
        lines.append(f"agreement {int(same.sum())}/{len(same)} training rows get the float network's {what}")
    lines += [f"note      {note}" for note in facts["notes"]]
    lines.append(f"next      nnhw verify {build.directory}; nnhw report {build.directory}")
    return lines
