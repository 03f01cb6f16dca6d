"""nnhw eval and nnhw export."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from nnhw import boards, build_folder, choose, datasets, model_file
from nnhw import evaluate as evaluation
from nnhw import export as exporting
from nnhw.build_folder import Build
from nnhw.cli import UserError, print_json, user_input
from nnhw.cli_data_options import data_options, target_option
from nnhw.cli_learn import learning_files, learning_options
from nnhw.data.data_options import from_record
from nnhw.datasets import DataOptions, Dataset
from nnhw.fine_tune import fine_tune
from nnhw.network import Column, Network
from nnhw.train import target_matrix
from nnhw_codegen import emitters, precision, reference
from nnhw_codegen.qmodel import QModel
from nnhw_codegen.quantize import QuantizeReport

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("model", type=_PATH)
@click.option("--data", help="Data set or file; by default the one that the model was trained on.")
@target_option
@data_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def evaluate(model: Path, data: str | None, target: str | None, reading: DataOptions, as_json: bool) -> None:
    """Compare MODEL (a model.json) in floats and in each precision with the answers of a data set."""
    network = model_file.load(model)
    parts = rows_to_judge(network, model, data, target, reading)
    with user_input(str(model)):
        models = evaluation.quantized(network)
        results = {name: evaluation.scores(network, part, models) for name, part in parts.items()}
    if as_json:
        print_json({name: [_plain(score) for score in scores] for name, scores in results.items()})
        return
    for name, scores in results.items():
        click.echo(f"{name}: {len(parts[name].rows)} rows")
        for line in (*_table(network, scores), *_output_table(network, scores)):
            click.echo("  " + line)
        for warning in (line for score in scores for line in evaluation.warnings(score)):
            click.echo(f"  warning   {warning}")
    if scores[0].confusion is not None:
        for line in _confusions(results[next(reversed(results))], network.classes):
            click.echo(line)


def rows_to_judge(
    network: Network, model: Path, data: str | None, target: str | None, reading: DataOptions | None = None
) -> dict[str, Dataset]:
    """The data sets to evaluate on: held-out rows first where the training record tells which these are."""
    record = network.training
    trained_on = record.get("data")
    if data is None:
        if not isinstance(trained_on, str):
            raise UserError(f"{model}: does not say which data it was trained on; name them with --data")
        data, target = trained_on, target or record.get("target")
    reading = reading or DataOptions()
    if data == trained_on and not reading.record():
        reading = from_record(record.get("reading"))
    dataset = load_matching(network, data, target, reading, network.columns)
    if data == trained_on and record.get("held_out"):
        held = datasets.split(dataset, float(record["held_out"]), int(record.get("seed", 0)))[1]
        if len(held.rows):
            return {"held out": held, "all": dataset}
    return {data: dataset}


def load_matching(
    network: Network | QModel,
    data: str,
    target: str | None,
    reading: DataOptions | None = None,
    columns: Sequence[Column] = (),
) -> Dataset:
    """The data set, its classes numbered as the network's, its ``columns`` read as those of the network.

    Several answers are by default the columns that are called like them. Raises UserError where the two do not fit.
    """
    inputs = [entry.name for entry in network.inputs]
    task: datasets.Task = "classification" if network.classes else "regression"
    answers = network.outputs
    if network.decision == "multilabel":
        task, answers = "multilabel", network.classes
    wanted = answers if target is None and len(answers) > 1 else target
    dataset = datasets.load_for(inputs, columns, data, wanted, task, reading or DataOptions())
    if len(dataset.features) != len(inputs):
        raise UserError(f"{data}: has {len(dataset.features)} inputs, the model takes {len(inputs)}")
    return renumbered(dataset, network.classes)


def renumbered(dataset: Dataset, classes: tuple[str, ...]) -> Dataset:
    """``dataset`` with its targets as indices into ``classes``. Raises UserError for a class that is not there."""
    if dataset.classes == classes:
        return dataset
    unknown = [name for name in dataset.classes if name not in classes]
    if unknown:
        raise UserError(f"{dataset.name}: holds the class {unknown[0]!r}; the model tells {', '.join(classes)}")
    numbers = np.array([classes.index(name) for name in dataset.classes])
    return replace(dataset, targets=numbers[dataset.targets], classes=classes)


def _table(network: Network, scores: list[evaluation.Score]) -> list[str]:
    if scores[0].accuracy is None:
        lines = [
            f"{'precision':<10}{'error (rms)':>12}{'like float':>12}{'off float by':>14}{'saturating':>12}{'.nnb bytes':>12}"
        ]
        for s in scores:
            like = choose.percent(network, s.agreement or 0.0)
            lines.append(
                f"{s.precision:<10}{s.error:>12.5g}{like:>12}{s.deviation:>14.3g}{_saturating(s):>12}{_size(s):>12}"
            )
        return lines
    lines = [
        f"{'precision':<10}{'accuracy':>10}{'like float':>12}{'logits off by':>15}{'saturating':>12}{'.nnb bytes':>12}"
    ]
    for s in scores:
        off = "" if s.logit_error is None else f"{s.logit_error:.3g}"
        lines.append(
            f"{s.precision:<10}{_percent(s.accuracy):>10}{_percent(s.agreement):>12}"
            f"{off:>15}{_saturating(s):>12}{_size(s):>12}"
        )
    return lines


def _output_table(network: Network, scores: list[evaluation.Score]) -> list[str]:
    """Output by output, where there are several answers; "like float" above is that of the worst."""
    lines = []
    for score in scores:
        for one in score.outputs:
            right = f"accuracy {_percent(one.accuracy)}" if one.error is None else f"error (rms) {one.error:.5g}"
            off = "" if one.deviation is None else f", off float by {one.deviation:.3g}"
            like = choose.percent(network, one.agreement)
            lines.append(f"{score.precision:<10}{one.name}: {right}, like float {like}{off}")
    return lines


def _saturating(score: evaluation.Score) -> str:
    """The share in the layer where it is largest."""
    return _percent(max(score.saturating)) if score.saturating else ""


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _size(score: evaluation.Score) -> str:
    return "" if score.size is None else f"{score.size:,}"


def _confusions(scores: list[evaluation.Score], classes: tuple[str, ...]) -> list[str]:
    """Each different matrix once, under the names of all precisions that have it."""
    groups: dict[str, list[str]] = {}
    for score in scores:
        assert score.confusion is not None
        groups.setdefault(evaluation.confusion_text(score.confusion, classes), []).append(score.precision)
    return [line for text, names in groups.items() for line in (f"confusion: {', '.join(names)}", text)]


def _plain(score: evaluation.Score) -> dict[str, Any]:
    values = {key: value for key, value in vars(score).items() if value is not None}
    values["warnings"] = evaluation.warnings(score)
    values["outputs"] = [
        {key: value for key, value in vars(one).items() if value is not None} for one in score.outputs
    ]
    return values | ({"confusion": score.confusion.tolist()} if score.confusion is not None else {})


@click.command()
@click.argument("model", type=_PATH)
@click.option("-o", "--out", type=_PATH, help="Folder to write; by default build/<name of the model>.")
@click.option(
    "--precision",
    "precision_name",
    type=click.Choice([exporting.AUTO, *precision.names()]),
    help="Widths of weights and activations: "
    + "; ".join(f"{p.name}: {p.summary}" for p in precision.PRECISIONS)
    + ". auto, the default unless MODEL was trained for one, is the cheapest that agrees with the float network.",
)
@click.option(
    "--min-agreement",
    type=click.FloatRange(0, 100),
    show_default=f"{100 * choose.LEAST_AGREEMENT:g}; {100 * choose.LEAST_AGREEMENT_OF_VALUES:g} for values",
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
@click.option("--board", type=click.Choice(boards.names()), help="Board to pick code and to compile for.")
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
    network = model_file.load(model)
    directory = out or exporting.default_directory(model.name)
    build_folder.check_replaceable(directory)
    precision_name = precision_name or str(network.training.get("precision", exporting.AUTO))
    auto = precision_name == exporting.AUTO
    rows, targets, quantizer, options = network.calibration, None, choose.plain, []
    if data is not None:
        record = network.training
        reading = from_record(record.get("reading")) if data == record.get("data") else DataOptions()
        dataset = load_matching(network, data, target, reading, network.columns)
        rows, targets, options = dataset.rows, dataset.targets, ["--fine-tune", Path(data).name]
        options += [] if target is None else ["--target", target]
        quantizer = partial(_fine_tuned, dataset)
    extra, words = learning_files(network, learning)
    with user_input(str(model)):
        tried = choose.choose(
            network,
            rows,
            targets,
            None if min_agreement is None else min_agreement / 100,
            precision.PRECISIONS if auto else (precision.get(precision_name),),
            quantizer,
        )
        build = exporting.write(
            tried.chosen.report.model,
            directory,
            code,
            board=board,
            source=model.name,
            rows=network.calibration,
            options=[*options, *words],
            extra=extra,
            columns=network.columns,
            agreement=choose.agreement_lines(network, tried),
        )
    if as_json:
        candidates = [choose.facts(candidate) for candidate in tried.candidates]
        short = choose.shortfall(network, tried)
        print_json({"directory": str(build.directory), **build.manifest, "tried": candidates, "warning": short})
        return
    for line in choose.table(network, tried, auto):
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
