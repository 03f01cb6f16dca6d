"""The options of nnhw export for a model that learns on the board."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import click

from nnhw.cli.commands import UserError, user_input
from nnhw.exporting import learning_files as learnable
from nnhw_codegen.emitters import Emitter
from nnhw_codegen.learning.profile import SCHEMES, TRAINED
from nnhw_codegen.network.network import Network

_DEFAULTS = {"learn_rate": 2.0**-5, "learn_bits": "16", "learn_layers": "all", "learn_rounding": "residual"}

Function = TypeVar("Function", bound=Callable[..., Any])


def learning_options(function: Function) -> Function:
    """The options of export that begin with --learn."""
    for option in (
        click.option(
            "--learn-rounding",
            type=click.Choice(SCHEMES),
            default=_DEFAULTS["learn_rounding"],
            show_default=True,
            help="What becomes of the rest of an update; carry and lcg keep none per weight, and so take less memory.",
        ),
        click.option(
            "--learn-layers",
            type=click.Choice(TRAINED),
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
