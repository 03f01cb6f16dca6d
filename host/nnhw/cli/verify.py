"""nnhw verify."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from nnhw.cli.deferred import deferred
from nnhw.cli.target_options import firmware_option, fitting, on_option, runtime_option
from nnhw.cli.terminal import print_json
from nnhw.errors import TargetError

with deferred():
    from nnhw.exporting import build_folder
    from nnhw.running import verify as verification

_DIRECTORY = click.Path(path_type=Path)


@click.command()
@click.argument("builds", nargs=-1, required=True, type=_DIRECTORY, metavar="BUILD...")
@on_option
@firmware_option
@runtime_option
@click.option(
    "--rows",
    type=click.IntRange(0),
    help="Random rows; by default 10,000, 300 on targets that take long.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def verify(
    builds: tuple[Path, ...], names: tuple[str, ...], runtime: str, rows: int | None, seed: int, as_json: bool
) -> None:
    """Run seeded random rows and the extremes of exported models on targets and compare every logit with the reference.

    Each row enters as raw values, as ticks and as codes, as far as the code has these entries. Values lie all over the
    declared range of every input and beyond it, on the grid of its step and between, in the middle of two ticks too;
    some rows make a draw of the decision. Exit code 1 on any difference, also of the .nnb file, which holds the
    reference, from what export wrote.
    """
    made = [build_folder.read(build) for build in builds]
    fits = [fitting(build, names, runtime) for build in made]
    results, passed = [], True
    for build, (_, places) in zip(made, fits, strict=True):
        for name in places:
            result: dict[str, Any] = {"build": str(build.directory), "target": name}
            try:
                outcome = verification.verify(build, name, rows, runtime=runtime, seed=seed)
                result |= {"passed": outcome.passed, "rows": outcome.rows, "message": str(outcome)}
                result |= {"distinct": dict(zip(outcome.entries, outcome.distinct, strict=True))}
            except TargetError as error:
                result |= {"passed": False, "message": str(error).removeprefix(f"{name}: ")}
            passed &= result["passed"]
            results.append(result)
            if not as_json:
                prefix = f"{build.directory} on {name}" if len(builds) > 1 else name
                click.echo(f"{prefix}: {result['message']}")
    if as_json:
        print_json(results)
    if not passed:
        sys.exit(1)
