"""The options of training, made from the record that holds them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import Any, TypeVar

import click

from nnhw.training.options import LOSSES, OPTIMIZERS, Options

_DEFAULT = {field.name: field.default for field in fields(Options)}
_FLAGS = {"rate": "--lr"}
_CHOICES = {"optimizer": OPTIMIZERS, "schedule": ("cosine", "constant"), "loss": ("auto", *LOSSES)}
_KINDS = {"epochs": int}
_SHOWN = {"epochs": "200 to 30, by the number of rows"}
_HELP = {
    "rate": "Learning rate.",
    "batch": "Rows per step.",
    "momentum": "Of sgd.",
    "decay": "Of weights, per epoch; of adam.",
    "balance": "Weigh the rows of a class by 1 / sqrt(its share).",
    "relu_at_zero": "Derivative of relu and leaky_relu at 0: from the left, the mean, from the right.",
    "validation": "Share of rows to stop early by.",
    "patience": "Epochs without progress.",
}

Function = TypeVar("Function", bound=Callable[..., Any])


def relu_at_zero_option(**settings: Any) -> Callable[[Function], Function]:
    """--relu-at-zero, one of three texts."""
    return click.option(
        "--relu-at-zero", type=click.Choice(["0", "0.5", "1"]), default="1", show_default=True, **settings
    )


def training_options(function: Function) -> Function:
    """Add the options; the function receives them as ``options``, Options."""

    @wraps(function)
    def gathered(*arguments: Any, relu_at_zero: str, **values: Any) -> Any:
        given = {name: values.pop(name) for name in _DEFAULT if name != "relu_at_zero"}
        return function(*arguments, options=Options(relu_at_zero=float(relu_at_zero), **given), **values)

    for name, default in reversed(_DEFAULT.items()):
        if name == "relu_at_zero":
            gathered = relu_at_zero_option(help=_HELP[name])(gathered)
            continue
        if isinstance(default, bool):
            gathered = click.option(f"--{name}", name, is_flag=True, help=_HELP[name])(gathered)
            continue
        kind = click.Choice(_CHOICES[name]) if name in _CHOICES else _KINDS.get(name, type(default))
        flag = _FLAGS.get(name, f"--{name}")
        shown = _SHOWN.get(name, True)
        gathered = click.option(flag, name, type=kind, default=default, show_default=shown, help=_HELP.get(name))(
            gathered
        )
    return gathered  # type: ignore[return-value]
