"""nnhw bench."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from nnhw import bench as benchmark
from nnhw import build_folder, model_file
from nnhw.cli import UserError, print_json, user_input
from nnhw.targets import TargetError, arm_c, get, mpy
from nnhw_codegen import precision
from nnhw_codegen.qmodel import QModel
from nnhw_codegen.quantize import quantize


def _codes(ctx: click.Context, parameter: click.Parameter, text: str) -> tuple[str, ...]:
    """'viper,c' -> names of codes that can be measured here; UserError, exit code 2, for any other."""
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in names:
        if name in ("portable", "compact"):
            raise UserError(f"--code {name}: {benchmark.LEFT_OUT}")
        if name not in benchmark.CODES:
            raise UserError(f"--code {name}: expected some of {','.join(benchmark.CODES)}")
    if not names:
        raise click.BadParameter("name at least one code")
    return names


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--on", type=click.Choice(["rp2040-core"]), default="rp2040-core", show_default=True)
@click.option(
    "--code",
    "codes",
    callback=_codes,
    default=",".join(benchmark.CODES),
    show_default=True,
    help="Codes to measure, whatever the folder was exported with.",
)
@click.option(
    "--precision",
    "precision_name",
    type=click.Choice(["all", *precision.names()]),
    default="all",
    show_default=True,
    help="Of a model.json; a build folder has its own.",
)
@click.option("--forms", is_flag=True, help="Measure every form of a code, not just the one that export picks.")
@click.option(
    "--inputs", type=click.IntRange(1), default=50, show_default=True, help="Inputs whose cycles are compared."
)
@click.option("--clock", type=click.FloatRange(1, 1000), default=125.0, show_default=True, help="MHz.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def bench(
    model: Path,
    on: str,
    codes: tuple[str, ...],
    precision_name: str,
    forms: bool,
    inputs: int,
    clock: float,
    as_json: bool,
) -> None:
    """Count the cycles and bytes that MODEL, a build folder or a model.json, takes as machine code.

    Exit code 1 where the cycles depend on the input.
    """
    _require(on, codes)
    models = _models(model, precision_name)
    costs = benchmark.measure_all(models, codes, every_form=forms, inputs=inputs)
    if as_json:
        print_json([cost.plain(int(clock * 1e6)) for cost in costs])
    else:
        sizes = "-".join(map(str, models[0].sizes))
        title = f"{model}: {sizes}, {costs[0].macs:,} MACs, on {on} at {clock:g} MHz"
        Console(width=None if sys.stdout.isatty() else 160).print(table(costs, title, int(clock * 1e6)))
        click.echo(f"left out: {benchmark.LEFT_OUT}")
    if any(cost.spread for cost in costs):
        sys.exit(1)


def _require(target: str, codes: tuple[str, ...]) -> None:
    """Raise UserError where a tool that the codes need is missing."""
    try:
        get(target).require()
    except TargetError as error:
        raise UserError(str(error)) from error
    missing = {code: arm_c.why_unavailable() if code == "c" else mpy.why_unavailable() for code in codes}
    for code, reason in missing.items():
        if reason is not None:
            left = ",".join(other for other in codes if missing[other] is None)
            raise UserError(f"--code {code}: {reason}" + (f"; or leave it out: --code {left}" if left else ""))


def _models(path: Path, precision_name: str) -> list[QModel]:
    if path.is_dir():
        model = build_folder.read(path).model
        if precision_name not in ("all", model.precision.name):
            raise UserError(f"{path}: is {model.precision.name}; give the model.json to measure {precision_name}")
        return [model]
    network = model_file.load(path)
    names = precision.names() if precision_name == "all" else (precision_name,)
    with user_input(str(path)):
        return [quantize(network, precision.get(name), network.calibration) for name in names]


def table(costs: list[benchmark.Cost], title: str, clock: int) -> Table:
    """The costs as a table for a terminal."""
    made = Table(title=title, title_justify="left")
    made.add_column("code")
    made.add_column("precision")
    for head in ("codes to\nclass", "ticks to\nclass", "spread", "cycles by layer", "per\nMAC", "µs", "code\nbytes"):
        made.add_column(head, justify="right")
    for head in ("table\nbytes", "RAM\nbytes", "stack\nbytes"):
        made.add_column(head, justify="right")
    for cost in costs:
        numbers = (cost.codes_cycles, cost.ticks_cycles, cost.spread)
        sizes = (cost.code_bytes, cost.table_bytes, cost.ram_bytes, cost.stack_bytes)
        made.add_row(
            cost.name,
            cost.precision,
            *(f"{n:,}" for n in numbers),
            " ".join(f"{n:,}" for n in cost.layers),
            f"{cost.per_mac:.2f}",
            f"{cost.microseconds(clock):.1f}",
            *(f"{n:,}" for n in sizes),
        )
    return made
