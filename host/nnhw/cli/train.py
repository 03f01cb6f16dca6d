"""nnhw train."""

from __future__ import annotations

import shlex
import time
from pathlib import Path

import click

from nnhw.cli.choices import SLOPED, activation_names, output_names
from nnhw.cli.commands import user_input
from nnhw.cli.data_options import data_options, target_option
from nnhw.cli.deferred import deferred
from nnhw.cli.model_options import expect_directory, parse_layers
from nnhw.cli.terminal import print_json, progress_bar
from nnhw.cli.training_options import training_options
from nnhw.data.data_options import DataOptions
from nnhw.training.options import HELD_OUT, Options
from nnhw_codegen.integers import precision

with deferred():
    from nnhw.data import datasets
    from nnhw.measuring import accuracy
    from nnhw.model_files import model_json
    from nnhw.training import train as training
    from nnhw.tuning import fine_tune
    from nnhw_codegen.network import activations


def _share(ctx: click.Context, parameter: click.Parameter, value: float) -> float:
    if not 0 <= value < 1:
        raise click.BadParameter(f"--held-out is {value:g}; expected a share from 0 to below 1")
    return value


@click.command()
@click.argument("data")
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), default="model.json", show_default=True)
@target_option
@data_options
@click.option(
    "--task",
    type=click.Choice(["auto", "classification", "multilabel", "regression"]),
    default="auto",
    show_default=True,
)
@click.option(
    "--layers", callback=parse_layers, default="16", show_default=True, help="Hidden units: 16, or 16,16, or none."
)
@click.option("--hidden", type=activation_names(), default="relu", show_default=True)
@click.option(
    "--slope",
    type=float,
    help=f"Left slope of {SLOPED}, rounded to a fraction that the board can shift by.",
)
@click.option(
    "--output",
    type=output_names(),
    help="By default softmax, or identity for values.",
)
@training_options
@click.option(
    "--held-out",
    type=float,
    callback=_share,
    default=HELD_OUT,
    show_default=True,
    help="Share of rows kept for the test.",
)
@click.option(
    "--precision", "precision_name", type=click.Choice(precision.names()), help="Fine-tune for this precision, too."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def train(
    data: str,
    out: Path,
    answer_column: str | None,
    reading: DataOptions,
    task: datasets.Task,
    layers: tuple[int, ...],
    hidden: str,
    slope: float | None,
    output: str | None,
    options: Options,
    held_out: float,
    precision_name: str | None,
    as_json: bool,
) -> None:
    """Train a network on DATA: iris, wine, breast_cancer, digits or a file with --target COLUMN.

    nnhw data FILE shows how a file is understood.
    """
    if slope is not None and not activations.get(hidden).has_slope:
        raise click.BadParameter(f"--slope needs --hidden {activations.sloped()}")
    expect_directory(out)
    dataset = datasets.load(data, answer_column, task, reading)
    kept, held = datasets.split_off(dataset, held_out, options.seed)
    start = time.perf_counter()
    with progress_bar(options.epochs_for(len(kept.rows)), wanted=not as_json) as advance, user_input():
        network, history = training.train(
            kept,
            layers,
            hidden=hidden,
            output=output,
            slope=slope,
            options=options,
            progress=lambda epoch: advance(1, f"loss {epoch.loss:.4f}"),
        )
    seconds = time.perf_counter() - start
    network.training |= {"data": data, "target": answer_column, "task": task, "held_out": held_out}
    if reading.record():
        network.training["reading"] = reading.record()
    tuned = None
    if precision_name is not None:
        targets = training.target_matrix(network, kept)
        tuned = fine_tune.fine_tune(network, precision.get(precision_name), kept.rows, targets, seed=options.seed)
        network = tuned.network
        network.training["precision"] = precision_name
    model_json.save(network, out)
    parts = {"train": accuracy.quality(network, kept)} | (
        {"held_out": accuracy.quality(network, held)} if held else {}
    )
    if as_json:
        result = {"model": str(out), "epochs": len(history.epochs), "best_epoch": history.best, **parts}
        result["notes"] = list(dataset.notes)
        if tuned is not None:
            result["fine_tune"] = {"precision": precision_name, **tuned.facts()}
        print_json(result)
        return
    rows = f"{len(kept.rows)} rows to train" + (f", {len(held.rows)} held out" if held else "")
    click.echo(f"data      {data}: {rows}; {_inputs_and_answers(dataset)}")
    for note in dataset.notes:
        click.echo(f"note      {note}")
    click.echo(f"network   {network.describe()}")
    click.echo(f"training  {len(history.epochs)} epochs, {seconds:.1f} s; weights of epoch {history.best}")
    if tuned is not None:
        click.echo(f"fine-tune {precision_name}: {_tuning(tuned)}")
    for name, part in {"train": kept, **({"held out": held} if held else {})}.items():
        first, *others = accuracy.quality_lines(network, part)
        click.echo("\n".join([f"{name:<9} {first}", *(f"{'':<9} {line}" for line in others)]))
    if held and network.classes and not network.multilabel:
        found = accuracy.confusion(held.targets, network.predict(held.rows), len(network.classes))
        click.echo(f"confusion of the held-out rows\n{accuracy.confusion_text(found, network.classes)}")
    click.echo(f"wrote     {out}; next: nnhw export {shlex.quote(str(out))}")


def _inputs_and_answers(dataset: datasets.Dataset) -> str:
    told = f"{len(dataset.classes)} classes" if dataset.classes else f"{len(dataset.outputs)} outputs"
    return f"{len(dataset.features)} inputs, {told}"


def _tuning(tuned: fine_tune.FineTuned) -> str:
    return (
        f"loss {tuned.loss_before:.5f} -> {tuned.loss:.5f}, like float {100 * tuned.agreement_before:.2f} % -> "
        f"{100 * tuned.agreement:.2f} % on rows kept back and their mixtures"
    )
