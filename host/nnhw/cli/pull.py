"""nnhw pull."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from nnhw.cli.commands import UserError, user_input
from nnhw.cli.deferred import deferred

with deferred():
    from nnhw.deploying import pull as board_pull
    from nnhw.exporting import learning_files
    from nnhw.model_files import model_json
    from nnhw_codegen.files import nnt

_OUT = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("source", required=False, metavar="[FILE.nnt]")
@click.option("--port", help="Serial port of the board that holds FILE.nnt, as /dev/ttyACM0 or COM3; auto finds it.")
@click.option("-o", "--out", type=_OUT, default="model.json", show_default=True)
def pull(source: str | None, port: str | None, out: Path) -> None:
    """Bring FILE.nnt, a model that a board trained, back into model.json.

    With --port from the board itself, as it saved it last; there FILE.nnt may be left out where it is the only one, and the
    board restarts. Without, FILE.nnt is a copy on this computer. Where the output file holds the model that was exported, it
    keeps its calibration rows and the record of its data, so that nnhw eval works as before.
    """
    if port is not None:
        found = board_pull.pull(port, source)
        model, origin = found.model, f"{found.name} on {found.port}" + (f" ({found.note})" if found.note else "")
    elif source is not None:
        model, origin = nnt.load(Path(source)), source
    else:
        raise UserError("name FILE.nnt, or --port to take it from a board")
    earlier = model_json.load(out) if out.exists() else None
    with user_input(str(out)):
        network = learning_files.pulled(model, earlier)
    model_json.save(network, out)
    learner = model.learner
    click.echo(f"from      {origin}")
    click.echo(f"network   {network.describe()}; learning rate {learner.multiplier} * 2^-{learner.rate_shift}")
    click.echo(
        f"wrote     {out}; next: nnhw eval {shlex.quote(str(out))}"
        + ("" if "data" in network.training else " --data DATA")
    )
