"""nnhw train."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from nnhw.cli.commands import user_input
from nnhw.cli.data_options import data_options, target_option
from nnhw.cli.terminal import print_json
from nnhw.data import datasets
from nnhw.data.datasets import DataOptions
from nnhw.measuring.accuracy import quality, quality_text
from nnhw.model_files import model_json
from nnhw.training import losses, optimizers
from nnhw.training import train as training
from nnhw.training.options import HELD_OUT, Options
from nnhw.tuning.fine_tune import fine_tune
from nnhw_codegen.integers import precision
from nnhw_codegen.network import activations

_DEFAULT: dict[str, Any] = {field.name: field.default for field in fields(Options)}


def parse_layers(ctx: click.Context, parameter: click.Parameter, text: str) -> tuple[int, ...]:
    """'16,16' -> (16, 16); 'none' -> ()."""
    if text.strip() in ("", "none"):
        return ()
    try:
        units = tuple(int(part) for part in text.split(","))
    except ValueError:
        units = (0,)
    if min(units) < 1:
        raise click.BadParameter(f"{text!r}: expected units per hidden layer, as 16 or 16,16, or none")
    return units


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
@click.option("--hidden", type=click.Choice(activations.names()), default="relu", show_default=True)
@click.option(
    "--slope",
    type=float,
    help=f"Left slope of {activations.sloped()}, rounded to a fraction that the board can shift by.",
)
@click.option(
    "--output",
    type=click.Choice(activations.output_names()),
    help="By default softmax, or identity for values.",
)
@click.option("--loss", type=click.Choice(["auto", *losses.NAMES]), default=_DEFAULT["loss"], show_default=True)
@click.option("--epochs", type=int, default=_DEFAULT["epochs"], show_default="200 to 30, by rows")
@click.option("--lr", "rate", type=float, default=_DEFAULT["rate"], show_default=True, help="Learning rate.")
@click.option("--batch", type=int, default=_DEFAULT["batch"], show_default=True, help="Rows per step.")
@click.option("--optimizer", type=click.Choice(optimizers.NAMES), default=_DEFAULT["optimizer"], show_default=True)
@click.option("--momentum", type=float, default=_DEFAULT["momentum"], show_default=True, help="Of sgd.")
@click.option(
    "--decay", type=float, default=_DEFAULT["decay"], show_default=True, help="Of weights, per epoch; of adam."
)
@click.option(
    "--schedule", type=click.Choice(["cosine", "constant"]), default=_DEFAULT["schedule"], show_default=True
)
@click.option(
    "--relu-at-zero",
    type=click.Choice(["0", "0.5", "1"]),
    default="1",
    show_default=True,
    help="Derivative of relu and leaky_relu at 0: from the left, the mean, from the right.",
)
@click.option(
    "--validation",
    type=float,
    default=_DEFAULT["validation"],
    show_default=True,
    help="Share of rows to stop early by.",
)
@click.option(
    "--patience", type=int, default=_DEFAULT["patience"], show_default=True, help="Epochs without progress."
)
@click.option("--held-out", type=float, default=HELD_OUT, show_default=True, help="Share of rows kept for the test.")
@click.option("--seed", type=int, default=_DEFAULT["seed"], show_default=True)
@click.option(
    "--precision", "precision_name", type=click.Choice(precision.names()), help="Fine-tune for this precision, too."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def train(
    data: str,
    out: Path,
    target: str | None,
    reading: DataOptions,
    task: datasets.Task,
    layers: tuple[int, ...],
    hidden: str,
    slope: float | None,
    output: str | None,
    relu_at_zero: str,
    held_out: float,
    precision_name: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Train a network on DATA: iris, wine, breast_cancer, digits or a file with --target COLUMN.

    nnhw data FILE shows how a file is understood.
    """
    if slope is not None and not activations.get(hidden).has_slope:
        raise click.BadParameter(f"--slope needs --hidden {activations.sloped()}")
    if not 0 <= held_out < 1:
        raise click.BadParameter(f"--held-out is {held_out:g}; expected a share from 0 to below 1")
    if not out.resolve().parent.is_dir():
        raise click.BadParameter(f"--out {out}: there is no directory {out.parent}")
    settings = Options(relu_at_zero=float(relu_at_zero), **options)
    dataset = datasets.load(data, target, task, reading)
    kept, held = datasets.split(dataset, held_out, settings.seed) if held_out else (dataset, None)
    if held is not None and not len(held.rows):
        held = None  # too few rows of each class
    start = time.perf_counter()
    with progress_bar(not as_json) as progress, user_input():
        network, history = training.train(
            kept, layers, hidden=hidden, output=output, slope=slope, options=settings, progress=progress
        )
    seconds = time.perf_counter() - start
    network.training |= {"data": data, "target": target, "task": task, "held_out": held_out}
    if reading.record():
        network.training["reading"] = reading.record()
    tuned = None
    if precision_name is not None:
        targets = training.target_matrix(network, kept)
        tuned = fine_tune(network, precision.get(precision_name), kept.rows, targets, seed=settings.seed)
        network = tuned.network
        network.training["precision"] = precision_name
    model_json.save(network, out)
    parts = {"train": quality(network, kept)} | ({"held_out": quality(network, held)} if held else {})
    if as_json:
        result = {"model": str(out), "epochs": len(history.epochs), "best_epoch": history.best, **parts}
        result["notes"] = list(dataset.notes)
        if tuned is not None:
            result["fine_tune"] = {"precision": precision_name, **tuned.facts()}
        print_json(result)
        return
    told = f"{len(dataset.classes)} classes" if dataset.classes else f"{len(dataset.outputs)} outputs"
    rows = f"{len(kept.rows)} rows to train" + (f", {len(held.rows)} held out" if held else "")
    click.echo(f"data      {data}: {rows}; {len(dataset.features)} inputs, {told}")
    for note in dataset.notes:
        click.echo(f"note      {note}")
    click.echo(f"network   {network.describe()}")
    click.echo(f"training  {len(history.epochs)} epochs, {seconds:.1f} s; weights of epoch {history.best}")
    if tuned is not None:
        click.echo(
            f"fine-tune {precision_name}: loss {tuned.loss_before:.5f} -> {tuned.loss:.5f}, like float "
            f"{100 * tuned.agreement_before:.2f} % -> {100 * tuned.agreement:.2f} % on rows kept back and their mixtures"
        )
    for name, value in parts.items():
        click.echo(f"{name.replace('_', ' '):<9} {quality_text(network, value)}")
    click.echo(f"wrote     {out}; next: nnhw export {out}")


@contextmanager
def progress_bar(wanted: bool) -> Iterator[Callable[[training.Epoch], None] | None]:
    """A callback that draws a progress bar, or None where stderr is no terminal."""
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("epoch {task.completed}/{task.total}"),
        BarColumn(),
        TextColumn("loss {task.fields[loss]:.4f}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, loss=float("nan"))
        yield lambda epoch: bar.update(task, completed=epoch.number, total=epoch.epochs, loss=epoch.loss)
