"""nnhw new."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from nnhw.cli.commands import UserError, user_input
from nnhw.cli.data_options import data_options, target_option
from nnhw.data import datasets
from nnhw.model_files import model_json
from nnhw.training.train import create
from nnhw_codegen.network import activations
from nnhw_codegen.network.network import Input, Network

_OUT = click.Path(dir_okay=False, path_type=Path)


def _sizes(ctx: click.Context, parameter: click.Parameter, text: str) -> tuple[int, ...]:
    """'4,8,3' -> (4, 8, 3)."""
    try:
        units = tuple(int(part) for part in text.split(","))
    except ValueError:
        units = ()
    if len(units) < 2 or min(units) < 1:
        raise click.BadParameter(f"{text!r}: expected inputs, hidden units and outputs, as 4,8,3 or 2,1")
    return units


def _scale_outputs(network: Network, targets: NDArray[Any] | None) -> None:
    """Start the weights of a linear last layer in the size of the targets: from it their format on the board follows."""
    last = network.layers[-1]
    last.weights = last.weights / np.abs(last.weights).max()
    if targets is not None:
        values = np.reshape(targets, (len(targets), -1))
        last.weights = last.weights * float(values.std(axis=0).max() or 1.0)
        last.bias = values.mean(axis=0)


@click.command()
@click.option("--layers", callback=_sizes, required=True, help="Inputs, units of hidden layers, outputs: 4,8,3.")
@click.option("-o", "--out", type=_OUT, default="model.json", show_default=True)
@click.option("--data", help="Data set or file that names the inputs and classes and gives their ranges.")
@target_option
@data_options
@click.option("--values", is_flag=True, help="Outputs are values, not classes.")
@click.option(
    "--low", type=float, default=-4.0, show_default=True, help="Lowest raw value of the inputs without --data."
)
@click.option("--high", type=float, default=4.0, show_default=True, help="Highest raw value of them.")
@click.option("--step", type=float, default=2.0**-8, show_default=True, help="Their resolution.")
@click.option("--hidden", type=click.Choice(activations.names()), default="relu", show_default=True)
@click.option("--output", type=click.Choice(activations.output_names()), help="By default softmax, or identity.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the weights to start from.")
def new(
    layers: tuple[int, ...],
    out: Path,
    data: str | None,
    target: str | None,
    reading: datasets.DataOptions,
    values: bool,
    low: float,
    high: float,
    step: float,
    hidden: str,
    output: str | None,
    seed: int,
) -> None:
    """Make a network with fresh weights: export it with --learn, and a board trains it from scratch."""
    record: dict[str, Any] = {"seed": seed, "epochs": 0}
    if data is not None:
        dataset = datasets.load(data, target, "regression" if values else "auto", reading)
        inputs, classes, outputs = datasets.inputs_from(dataset), dataset.classes, dataset.outputs
        record |= {"data": data, "target": target}
        record |= {"reading": reading.record()} if reading.record() else {}
    else:
        if not (high - low >= step > 0):
            raise UserError(f"--low {low:g} --high {high:g} --step {step:g}: there is no step between low and high")
        names = [f"x{number + 1}" for number in range(layers[0])]
        inputs = tuple(Input(name, (low + high) / 2, (high - low) / 4, step, low, high) for name in names)
        count = max(2, layers[-1])
        classes = () if values else tuple(map(str, range(count)))
        outputs = tuple(f"y{number + 1}" for number in range(layers[-1])) if values else ()
        output = output or ("logsig" if layers[-1] == 1 and not values else None)
    with user_input():
        network = create(
            inputs, layers[1:-1], hidden=hidden, output=output, classes=classes, outputs=outputs, seed=seed
        )
    if outputs and network.layers[-1].activation.is_identity:
        _scale_outputs(network, dataset.targets if data is not None else None)
    found = (len(inputs), *(len(layer.bias) for layer in network.layers))
    if found != layers:
        raise UserError(f"--layers {','.join(map(str, layers))}: the data need {','.join(map(str, found))}")
    network.training = record
    if data is not None:
        network.calibration = dataset.rows[:: max(1, len(dataset.rows) // 256)]
        network.columns = dataset.columns
    model_json.save(network, out)
    click.echo(f"network   {network.describe()}; untrained")
    click.echo(f"wrote     {out}; next: nnhw export --learn {out}")
