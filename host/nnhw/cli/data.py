"""nnhw data."""

from __future__ import annotations

import shlex
import sys

import click

from nnhw.cli.data_options import data_options, target_option
from nnhw.cli.deferred import deferred
from nnhw.cli.terminal import print_json
from nnhw.data.data_options import DataOptions

with deferred():
    from nnhw.data import choose_columns, datasets, describe, prepare


@click.command()
@click.argument("file")
@target_option
@click.option(
    "--task",
    type=click.Choice(["auto", "classification", "multilabel", "regression"]),
    default="auto",
    show_default=True,
)
@data_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def data(file: str, answer_column: str | None, task: datasets.Task, reading: DataOptions, as_json: bool) -> None:
    """Show what is understood of FILE, before anything is trained.

    That is its encoding and separator; of each column the kind, range, resolution and missing share; what looks odd, and
    what train would refuse, which ends in exit code 2. FILE is a table as text (comma, semicolon, tab, bar or blanks
    between the cells; gzip as well), .npz or .npy, and .parquet or .xlsx where pandas is installed.
    """
    table = datasets.read_table(file, reading)
    targets = choose_columns.names_in((answer_column,), table.names) if answer_column else ()
    prepared = prepare.prepare(table, targets, task, reading)
    if as_json:
        print_json(describe.as_json(prepared))
    else:
        for line in describe.as_text(prepared):
            click.echo(line)
        if not prepared.faults:
            wanted = answer_column or describe.likely(prepared) or "COLUMN"
            click.echo(f"next      {shlex.join(['nnhw', 'train', file, '--target', wanted, *reading.words()])}")
    if prepared.faults:
        sys.exit(2)
