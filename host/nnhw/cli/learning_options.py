"""The options of nnhw export for a model that learns on the board."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from nnhw.cli.commands import UserError
from nnhw.exporting.learning_options import LearningOptions
from nnhw_codegen.learning.profile import SCHEMES, TRAINED

_DEFAULT = LearningOptions()

Function = TypeVar("Function", bound=Callable[..., Any])


def learning_options(function: Function) -> Function:
    """Add the options; the function receives them as ``learning``, LearningOptions, or None without --learn."""

    @wraps(function)
    def gathered(*arguments: Any, learn: bool, learn_bits: str, **values: Any) -> Any:
        given = {name: values.pop(f"learn_{name}") for name in ("rate", "layers", "rounding")}
        options = LearningOptions(bits=int(learn_bits), **given)
        if options.changed and not learn:
            raise UserError(f"--learn-{next(iter(options.changed))} needs --learn")
        return function(*arguments, learning=options if learn else None, **values)

    for option in (
        click.option(
            "--learn-rounding",
            type=click.Choice(SCHEMES),
            default=_DEFAULT.rounding,
            show_default=True,
            help="What becomes of the rest of an update; carry and lcg keep none per weight, and so take less memory.",
        ),
        click.option(
            "--learn-layers",
            type=click.Choice(TRAINED),
            default=_DEFAULT.layers,
            show_default=True,
            help="Which layers the board trains.",
        ),
        click.option(
            "--learn-bits", type=click.Choice(["16", "8"]), default=str(_DEFAULT.bits), show_default=True,
            help="Bits of the weights that the board trains.",
        ),
        click.option(
            "--learn-rate", type=float, default=_DEFAULT.rate, show_default=True,
            help="Learning rate on the board; becomes the nearest 2^-k or 3 * 2^-k.",
        ),
        click.option(
            "--learn",
            is_flag=True,
            help="Add what a board needs to go on training the model (nnrun.learn), and faster code for a step: "
            "Thumb with --code thumb, else viper. With --code compact modules that need no nnrun.",
        ),
    ):  # fmt: skip
        gathered = option(gathered)
    return gathered  # type: ignore[return-value]
