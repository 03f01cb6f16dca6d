"""The options that say how a table is read, which several commands share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import wraps
from typing import Any, TypeVar

import click

from nnhw.data.data_options import DataOptions

Function = TypeVar("Function", bound=Callable[..., Any])

TARGET_HELP = (
    "Column to learn, or several with commas: one-hot columns become classes, others of 0 and 1 answers of yes or no, "
    "others values."
)


def target_option(function: Function) -> Function:
    """--target of the commands that read a table."""
    return click.option("--target", "answer_column", metavar="COLUMN[,COLUMN]", help=TARGET_HELP)(function)


def data_options(function: Function) -> Function:
    """Add the options; the function receives them as ``reading``, a DataOptions."""

    @wraps(function)
    def gathered(*arguments: Any, **values: Any) -> Any:
        given = {field.name: values.pop(field.name) for field in fields(DataOptions)}
        given |= {"order": given["order"] or "", "missing": given["missing"] or "refuse"}
        return function(*arguments, reading=DataOptions(**given), **values)

    for option in reversed(
        (
            click.option(
                "--header/--no-header",
                default=None,
                help="Whether the first row names the columns; found out by default.",
            ),
            click.option("--drop", multiple=True, metavar="COLUMN[,COLUMN]", help="Columns to leave out."),
            click.option(
                "--columns",
                multiple=True,
                metavar="COLUMN[,COLUMN]",
                help="The inputs: these columns alone, whatever they look like.",
            ),
            click.option(
                "--group",
                metavar="COLUMN",
                help="Column of persons, devices or days: rows of one are never both trained on and held out.",
            ),
            click.option(
                "--order", type=click.Choice(["time"]), help="Rows are in time: the last ones are held out."
            ),
            click.option(
                "--clip", is_flag=True, help="Limit values that lie far outside all others of their column."
            ),
            click.option(
                "--missing",
                type=click.Choice(["drop", "mean", "flag"]),
                help="Missing values: leave out the rows; fill in the mean or most frequent word; flag: so and one more "
                "input, 1 where it is missing. Refused by default.",
            ),
            click.option("--skip-bad", is_flag=True, help="Leave out rows that cannot be read."),
        )
    ):
        gathered = option(gathered)
    return gathered  # type: ignore[return-value]
