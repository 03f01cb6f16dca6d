"""The options that tell where exported code runs."""

from __future__ import annotations

import click

from nnhw.cli.choices import PLACES
from nnhw.cli.commands import UserError
from nnhw.cli.deferred import deferred
from nnhw.errors import TargetError

with deferred():
    from nnhw import targets
    from nnhw.exporting import build_folder
    from nnhw.running import exported
    from nnhw.running import verify as verification

FIRMWARE = "nnhw.firmware"
"""Where the context of a command keeps the file of --firmware."""


def usable(ctx: click.Context, parameter: click.Parameter, text: str | None) -> tuple[str, ...]:
    """'wasm,unix' -> names of targets that can run here; UserError, exit code 2, for any other. None -> none."""
    if text is None:
        names: tuple[str, ...] = ()
    else:
        names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
        if not names:
            raise click.BadParameter("name at least one target")
    names = with_firmware(ctx, names)
    try:
        for name in names:
            targets.get(name).require()
    except TargetError as error:
        raise UserError(str(error)) from error
    return names


def _keep_firmware(ctx: click.Context, parameter: click.Parameter, path: str | None) -> None:
    ctx.meta[FIRMWARE] = path


def with_firmware(ctx: click.Context, names: tuple[str, ...]) -> tuple[str, ...]:
    """The names of targets with the file of --firmware, where one was given, in that of the Pico."""
    path = ctx.meta[FIRMWARE]
    if path is None:
        return names
    if "pico" not in names:
        raise click.UsageError("--firmware is for the emulated Pico: add --on pico")
    return tuple(f"pico:{path}" if name == "pico" else name for name in names)


def fitting(
    build: build_folder.Build, names: tuple[str, ...], runtime: str = "module"
) -> tuple[exported.Exported, tuple[str, ...]]:
    """What to run, and where: ``names``, or without any the first target of the code.

    Raises UserError, exit code 2, where the code does not run on one of them, with what would.
    """
    module = verification.exported(build, runtime)
    names = names or usable_default(module.code)
    for name in names:
        reason = exported.why_not(module.code, name)
        if reason is not None:
            nnrun = "" if exported.why_not(exported.NNRUN, name) else "; --runtime nnrun runs the .nnb file there"
            raise UserError(f"{build.directory} on {name}: {reason}{nnrun}")
    return module, names


def usable_default(code: str) -> tuple[str, ...]:
    """The first target of a code that can run here, alone. Raises UserError where there is none."""
    able = [target for target in exported.runs_on(code) if not target.opt_in]
    for target in able:
        if target.why_unavailable() is None:
            return (target.name,)
    raise UserError("\n".join(f"{target.name}: {target.why_unavailable()}" for target in able))


on_option = click.option(
    "--on",
    "names",
    callback=usable,
    metavar="TARGET,...",
    help="Where to run: "
    + "; ".join(f"{code} on {', '.join(places)}" for code, places in PLACES.items())
    + ". By default the first of these.",
)
firmware_option = click.option(
    "--firmware",
    metavar="FILE",
    is_eager=True,
    expose_value=False,
    callback=_keep_firmware,
    help="MicroPython for --on pico, a .uf2 file; by default that of NNHW_PICO_UF2, else one is downloaded once.",
)
runtime_option = click.option(
    "--runtime",
    type=click.Choice(["module", "nnrun"]),
    default="module",
    show_default=True,
    help="Run the generated code, or the .nnb file under the board package nnrun.",
)
