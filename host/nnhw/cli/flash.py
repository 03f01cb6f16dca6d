"""nnhw flash."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from nnhw.boards.loadable import FORMS, KEPT_MAIN
from nnhw.cli.deferred import deferred
from nnhw.cli.terminal import print_json

with deferred():
    from nnhw.deploying import flash as deploy
    from nnhw.exporting import build_folder


@click.command()
@click.argument("build", type=click.Path(path_type=Path))
@click.option("--port", default="auto", show_default=True, help="Serial port of the board, as /dev/ttyACM0 or COM3.")
@click.option(
    "--form",
    type=click.Choice(FORMS),
    default="auto",
    show_default=True,
    help="Modules as source or as .mpy, which needs less memory; auto is .mpy where the board loads it.",
)
@click.option("--with-runtime", is_flag=True, help="Copy nnrun and the .nnb file as well.")
@click.option(
    "--main",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=f"Install FILE as main.py; another main.py on the board becomes {KEPT_MAIN}.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def flash(build: Path, port: str, form: str, with_runtime: bool, main: Path | None, as_json: bool) -> None:
    """Copy the exported model in the folder BUILD to a board and run its self-test there.

    Only what differs is copied. Exit code 1 where the self-test fails, the board cannot load the model or the
    connection breaks; then run the same command again.
    """
    done = deploy.flash(build_folder.read(build), port, form=form, with_runtime=with_runtime, main=main)
    if as_json:
        print_json(asdict(done))
    else:
        for line in report(done):
            click.echo(line)
    if not done.passed:
        sys.exit(1)


def report(done: deploy.Deployment) -> list[str]:
    """What was done, in lines."""
    heap = "" if done.firmware.heap is None else f", {done.firmware.heap:,} bytes of heap free"
    lines = [f"board     {done.port}: {done.firmware}{heap}"]
    copied = [f"{name} {size:,}" for name, size in done.copied.items()]
    lines.append(f"copied    {', '.join(copied) or 'nothing'}" + (" bytes" if copied else ""))
    if done.unchanged:
        lines.append(f"unchanged {', '.join(done.unchanged)}")
    if done.removed:
        lines.append(f"removed   {', '.join(done.removed)}: would have been loaded instead, or out of date")
    lines += [f"note      {note}" for note in done.notes]
    speed = "" if done.microseconds is None else f"; {done.microseconds:,} microseconds per prediction"
    lines.append(f"self-test {'passed' if done.passed else 'FAILED'}: {done.self_test}{speed}")
    return [*lines, f"time      {done.seconds:.1f} s"]
