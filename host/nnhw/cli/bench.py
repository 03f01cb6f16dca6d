"""nnhw bench."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from nnhw.cli.commands import UserError, user_input
from nnhw.cli.target_options import firmware_option, with_firmware
from nnhw.cli.terminal import print_json
from nnhw.errors import TargetError
from nnhw.exporting import build_folder
from nnhw.measuring import machine_code
from nnhw.measuring import whole_calls as bench_calls
from nnhw.model_files import model_json
from nnhw.targets import TARGETS, get, get_script_target
from nnhw.targets.core.core import Rp2040CoreTarget
from nnhw.targets.pico import PicoTarget
from nnhw_codegen.integers import precision
from nnhw_codegen.integers.qmodel import QModel
from nnhw_codegen.quantization.quantize import quantize

_CORE, _CALLS = Rp2040CoreTarget.name, PicoTarget().kind


def _place(ctx: click.Context, parameter: click.Parameter, name: str) -> str:
    """The name of a target that counts cycles here; UserError, exit code 2, for any other."""
    (name,) = with_firmware(ctx, (name,))
    try:
        target = get(name)
        if not target.counts:
            able = " or ".join(other.name for other in TARGETS if other.counts)
            raise UserError(f"--on {name}: expected {able}")
        target.require()
    except TargetError as error:
        raise UserError(str(error)) from error
    return name


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--on",
    default=_CORE,
    show_default=True,
    callback=_place,
    metavar="TARGET",
    help=f"{_CORE}: machine code alone, by layer, with its bytes. {_CALLS}: whole calls, with MicroPython's share.",
)
@firmware_option
@click.option(
    "--code",
    "chosen",
    metavar="CODE,...",
    help="Codes to measure, whatever the folder was exported with; by default "
    f"{','.join(machine_code.CODES)}, on {_CALLS} {','.join(bench_calls.CODES)}.",
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
@click.option("--inputs", type=click.IntRange(1), help=f"Inputs to try; by default 50, on {_CALLS} 5.")
@click.option("--clock", type=click.FloatRange(1, 1000), default=125.0, show_default=True, help="MHz.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def bench(
    model: Path,
    on: str,
    chosen: str | None,
    precision_name: str,
    forms: bool,
    inputs: int | None,
    clock: float,
    as_json: bool,
) -> None:
    """Count the cycles and bytes that MODEL, a build folder or a model.json, takes.

    Exit code 1 where the cycles of machine code depend on the input.
    """
    whole_calls = get(on).counts == "whole calls"
    if forms and whole_calls:
        raise click.UsageError(f"--forms is for --on {_CORE}")
    codes = _codes(chosen, get(on).codes, on)
    _require(codes)
    models = _models(model, precision_name)
    sizes = "-".join(map(str, models[0].sizes))
    title = f"{model}: {sizes}, {{:,}} MACs, on {on} at {clock:g} MHz"
    hertz = int(clock * 1e6)
    if whole_calls:
        try:
            calls = bench_calls.measure_all(models, get_script_target(on), codes, inputs or 5)
        except TargetError as error:
            raise UserError(str(error)) from error
        _show(calls, as_json, lambda: _calls_table(calls, title.format(calls[0].macs), hertz), hertz)
        return
    costs = machine_code.measure_all(models, codes, every_form=forms, inputs=inputs or 50)
    _show(costs, as_json, lambda: _table(costs, title.format(costs[0].macs), hertz), hertz)
    if not as_json:
        click.echo(f"left out: {machine_code.LEFT_OUT}")
    if any(cost.spread for cost in costs):
        sys.exit(1)


def _show(
    costs: Sequence[machine_code.Cost | bench_calls.CallCost], as_json: bool, table: Callable[[], Table], clock: int
) -> None:
    """The costs as JSON or as a table."""
    if as_json:
        print_json([cost.plain(clock) for cost in costs])
    else:
        Console(width=None if sys.stdout.isatty() else 160).print(table())


def _codes(text: str | None, able: tuple[str, ...], on: str) -> tuple[str, ...]:
    """'viper,c' -> names of codes that can be measured there, all without a text; UserError, exit code 2, for others."""
    if text is None:
        return able
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in names:
        if name in machine_code.BYTECODE and name not in able:
            raise UserError(f"--code {name}: {machine_code.LEFT_OUT}; --on {_CALLS} measures it")
        if name not in able:
            raise UserError(f"--code {name}: expected some of {','.join(able)} on {on}")
    if not names:
        raise click.BadParameter("name at least one code")
    return names


def _require(codes: tuple[str, ...]) -> None:
    """Raise UserError where a tool that the codes need is missing."""
    missing = {code: machine_code.why_unavailable(code) for code in codes}
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
    network = model_json.load(path)
    names = precision.names() if precision_name == "all" else (precision_name,)
    with user_input(str(path)):
        return [quantize(network, precision.get(name), network.calibration) for name in names]


def _table(costs: list[machine_code.Cost], title: str, clock: int) -> Table:
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


def _calls_table(costs: list[bench_calls.CallCost], title: str, clock: int) -> Table:
    """The costs of whole calls as a table for a terminal."""
    made = Table(title=title, title_justify="left")
    made.add_column("code")
    made.add_column("precision")
    for head in ("predict_ticks\nticks to class", "µs", "predict\nvalues to class", "µs"):
        made.add_column(head, justify="right")
    for cost in costs:
        ticks, values = cost.microseconds(clock)
        numbers = (f"{cost.ticks_cycles:,}", f"{ticks:,.1f}", f"{cost.values_cycles:,}", f"{values:,.1f}")
        made.add_row(f"{cost.code}, native .mpy" if cost.native else cost.code, cost.precision, *numbers)
    return made
