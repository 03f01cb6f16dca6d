"""nnhw new, nnhw pull, and what nnhw export takes for a model that learns on the board."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np
from numpy.typing import NDArray

from nnhw import activations, board_pull, datasets, learnable, model_file
from nnhw.cli import UserError, user_input
from nnhw.cli_data_options import data_options, target_option
from nnhw.network import Input, Network
from nnhw.train import create
from nnhw_codegen import nnt
from nnhw_codegen.emitters import Emitter

_OUT = click.Path(dir_okay=False, path_type=Path)
_DEFAULTS = {"learn_rate": 2.0**-5, "learn_bits": "16", "learn_layers": "all", "learn_rounding": "residual"}

Function = TypeVar("Function", bound=Callable[..., Any])


def learning_options(function: Function) -> Function:
    """The options of export that begin with --learn."""
    for option in (
        click.option(
            "--learn-rounding",
            type=click.Choice(nnt.SCHEMES),
            default=_DEFAULTS["learn_rounding"],
            show_default=True,
            help="What becomes of the rest of an update; carry and lcg keep none per weight, and so take less memory.",
        ),
        click.option(
            "--learn-layers",
            type=click.Choice(nnt.TRAINED),
            default=_DEFAULTS["learn_layers"],
            show_default=True,
            help="Which layers the board trains.",
        ),
        click.option(
            "--learn-bits", type=click.Choice(["16", "8"]), default=_DEFAULTS["learn_bits"], show_default=True,
            help="Bits of the weights that the board trains.",
        ),
        click.option(
            "--learn-rate", type=float, default=_DEFAULTS["learn_rate"], show_default=True,
            help="Learning rate on the board; becomes the nearest 2^-k or 3 * 2^-k.",
        ),
        click.option(
            "--learn",
            is_flag=True,
            help="Add what a board needs to go on training the model (nnrun.learn), and faster code for a step: "
            "Thumb with --code thumb, else viper. With --code compact modules that need no nnrun.",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


def learning_files(
    network: Network, options: Mapping[str, Any]
) -> tuple[Callable[[str, str, Emitter], Mapping[str, bytes]] | None, list[str]]:
    """What export adds, a maker of files out of name, banner and emitter, and the words of the command that ask for it."""
    given = {name: value for name, value in options.items() if name != "learn" and value != _DEFAULTS[name]}
    if not options["learn"]:
        if given:
            raise UserError(f"--{next(iter(given)).replace('_', '-')} needs --learn")
        return None, []
    with user_input():
        wanted = learnable.profile(
            network,
            options["learn_rate"],
            int(options["learn_bits"]),
            options["learn_layers"],
            options["learn_rounding"],
        )
    words = ["--learn"]
    for name, value in given.items():
        words += [f"--{name.replace('_', '-')}", f"{value:g}" if isinstance(value, float) else value]
    return partial(learnable.files, network, wanted), words


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
@click.option(
    "--output", type=click.Choice([*activations.names(), "softmax"]), help="By default softmax, or identity."
)
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
    if outputs and network.layers[-1].activation_name == "identity":
        _scale_outputs(network, dataset.targets if data is not None else None)
    found = (len(inputs), *(len(layer.bias) for layer in network.layers))
    if found != layers:
        raise UserError(f"--layers {','.join(map(str, layers))}: the data need {','.join(map(str, found))}")
    network.training = record
    if data is not None:
        network.calibration = dataset.rows[:: max(1, len(dataset.rows) // 256)]
        network.columns = dataset.columns
    model_file.save(network, out)
    click.echo(f"network   {network.describe()}; untrained")
    click.echo(f"wrote     {out}; next: nnhw export --learn {out}")


@click.command()
@click.argument("source", required=False, metavar="[FILE.nnt]")
@click.option("--port", help="Serial port of the board that holds FILE.nnt, as /dev/ttyACM0 or COM3; auto finds it.")
@click.option("-o", "--out", type=_OUT, default="model.json", show_default=True)
def pull(source: str | None, port: str | None, out: Path) -> None:
    """Bring FILE.nnt, a model that a board trained, back into model.json.

    With --port from the board itself, as it saved it last; there FILE.nnt may be left out where it is the only one, and the
    board restarts. Without, FILE.nnt is a copy on this computer. Where the output file holds the model that was exported, it
    keeps its calibration rows and the record of its data, so that nnhw eval works as before.
    """
    if port is not None:
        found = board_pull.pull(port, source)
        model, origin = found.model, f"{found.name} on {found.port}" + (f" ({found.note})" if found.note else "")
    elif source is not None:
        model, origin = nnt.load(Path(source)), source
    else:
        raise UserError("name FILE.nnt, or --port to take it from a board")
    earlier = model_file.load(out) if out.exists() else None
    with user_input(str(out)):
        network = learnable.pulled(model, earlier)
    model_file.save(network, out)
    learner = model.learner
    click.echo(f"from      {origin}")
    click.echo(f"network   {network.describe()}; learning rate {learner.multiplier} * 2^-{learner.rate_shift}")
    click.echo(f"wrote     {out}; next: nnhw eval {out}" + ("" if "data" in network.training else " --data DATA"))
