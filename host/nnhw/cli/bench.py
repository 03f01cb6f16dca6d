"""nnhw bench."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from nnhw.cli.commands import UserError
from nnhw.cli.deferred import deferred
from nnhw.cli.target_options import firmware_option, with_firmware
from nnhw.cli.terminal import Table, print_json, print_table
from nnhw.errors import TargetError
from nnhw_codegen.integers import precision

with deferred():
    from nnhw import targets
    from nnhw.measuring import machine_code, models
    from nnhw.measuring import whole_calls as bench_calls

_CORE, _CALLS = "rp2040-core", "pico"


def _place(ctx: click.Context, parameter: click.Parameter, name: str) -> str:
    """The name of a target that counts cycles here; UserError, exit code 2, for any other."""
    (name,) = with_firmware(ctx, (name,))
    try:
        target = targets.get(name)
        if not target.counts:
            able = " or ".join(other.name for other in targets.TARGETS if other.counts)
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
    help=f"{_CORE}: machine code alone, by layer, with its bytes, in exact cycles; "
    "cortex-m, rv32-core: the same for a Cortex-M4 or RISC-V core, in estimated cycles of a published table. "
    f"{_CALLS}: whole calls, with MicroPython's share.",
)
@firmware_option
@click.option(
    "--code",
    "chosen",
    metavar="CODE,...",
    help="Codes to measure, whatever the folder was exported with; by default all that can be measured there.",
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

    Exit code 1 where the exact cycles of machine code depend on the input.
    """
    whole_calls = targets.get(on).counts == "whole calls"
    if forms and whole_calls:
        raise click.UsageError(f"--forms is for --on {_CORE}")
    place = targets.get(on)
    codes = _codes(chosen, place.codes, on)
    core = place if isinstance(place, targets.CoreTarget) else machine_code.EXACT
    _require(codes, core)
    measured, _ = models.models_in(model, precision_name)
    sizes = "-".join(map(str, measured[0].sizes))
    title = f"{model}: {sizes}, {{:,}} MACs, on {on} at {clock:g} MHz"
    hertz = int(clock * 1e6)
    if whole_calls:
        try:
            calls = bench_calls.measure_all(measured, targets.get_script_target(on), codes, inputs or 5)
        except TargetError as error:
            raise UserError(str(error)) from error
        if as_json:
            print_json([cost.plain(hertz) for cost in calls])
        else:
            print_table(_calls_table(calls, title.format(calls[0].macs), hertz))
        return
    costs = machine_code.measure_all(measured, codes, every_form=forms, inputs=inputs or 50, target=core)
    if as_json:
        print_json([cost.plain(hertz) for cost in costs])
    else:
        print_table(_table(costs, f"{title.format(costs[0].macs)}, cycles {core.cycles}", hertz))
        click.echo(f"left out: {machine_code.LEFT_OUT}")
    if core.cycles == "exact" and any(cost.spread for cost in costs):
        sys.exit(1)


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


def _require(codes: tuple[str, ...], target: targets.CoreTarget) -> None:
    """Raise UserError where a tool that the codes need is missing."""
    missing = {code: machine_code.why_unavailable(code, target) for code in codes}
    for code, reason in missing.items():
        if reason is not None:
            left = ",".join(other for other in codes if missing[other] is None)
            raise UserError(f"--code {code}: {reason}" + (f"; or leave it out: --code {left}" if left else ""))


def _table(costs: list[machine_code.Cost], title: str, clock: int) -> Table:
    """Machine code: cycles and bytes."""
    heads = ("code", "precision", "codes to\nclass", "ticks to\nclass", "spread", "cycles by layer", "per\nMAC", "µs")
    rows = []
    for cost in costs:
        cycles = (cost.codes_cycles, cost.ticks_cycles, cost.spread)
        sizes = (cost.code_bytes, cost.table_bytes, cost.ram_bytes, cost.stack_bytes)
        layers = " ".join(f"{n:,}" for n in cost.layers)
        speed = f"{cost.per_mac:.2f}", f"{cost.microseconds(clock):.1f}"
        rows.append((cost.name, cost.precision, *map(_thousands, cycles), layers, *speed, *map(_thousands, sizes)))
    return Table((*heads, "code\nbytes", "table\nbytes", "RAM\nbytes", "stack\nbytes"), rows, title, (0, 1))


def _calls_table(costs: list[bench_calls.CallCost], title: str, clock: int) -> Table:
    """Whole calls: cycles and microseconds."""
    heads = ("code", "precision", "predict_ticks\nticks to class", "µs", "predict\nvalues to class", "µs")
    rows = []
    for cost in costs:
        ticks, values = (f"{time:,.1f}" for time in cost.microseconds(clock))
        cycles = _thousands(cost.ticks_cycles), _thousands(cost.values_cycles)
        rows.append(
            (
                f"{cost.code}, native .mpy" if cost.native else cost.code,
                cost.precision,
                cycles[0],
                ticks,
                cycles[1],
                values,
            )
        )
    return Table(heads, rows, title, (0, 1))


def _thousands(number: int) -> str:
    return f"{number:,}"
