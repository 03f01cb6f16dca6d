"""nnhw new."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from nnhw.cli.choices import activation_names, output_names
from nnhw.cli.commands import UserError, user_input
from nnhw.cli.data_options import data_options, target_option
from nnhw.cli.deferred import deferred
from nnhw.data.data_options import DataOptions

with deferred():
    from nnhw.data import datasets
    from nnhw.model_files import model_json
    from nnhw.training import untrained

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
@click.option("--hidden", type=activation_names(), default="relu", show_default=True)
@click.option("--output", type=output_names(), help="By default softmax, or identity.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the weights to start from.")
def new(
    layers: tuple[int, ...],
    out: Path,
    data: str | None,
    answer_column: str | None,
    reading: DataOptions,
    values: bool,
    low: float,
    high: float,
    step: float,
    hidden: str,
    output: str | None,
    seed: int,
) -> None:
    """Make a network with fresh weights: export it with --learn, and a board trains it from scratch."""
    dataset = None
    if data is not None:
        dataset = datasets.load(data, answer_column, "regression" if values else "auto", reading)
    elif not (high - low >= step > 0):
        raise UserError(f"--low {low:g} --high {high:g} --step {step:g}: there is no step between low and high")
    with user_input():
        if dataset is None:
            network = untrained.in_range(
                layers, low, high, step, values=values, hidden=hidden, output=output, seed=seed
            )
        else:
            network = untrained.for_dataset(dataset, layers[1:-1], hidden=hidden, output=output, seed=seed)
    found = (len(network.inputs), *(len(layer.bias) for layer in network.layers))
    if found != layers:
        raise UserError(f"--layers {','.join(map(str, layers))}: the data need {','.join(map(str, found))}")
    if data is not None:
        network.training |= {"data": data, "target": answer_column}
        network.training |= {"reading": reading.record()} if reading.record() else {}
    model_json.save(network, out)
    click.echo(f"network   {network.describe()}; untrained")
    click.echo(f"wrote     {out}; next: nnhw export --learn {shlex.quote(str(out))}")
