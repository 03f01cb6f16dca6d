"""nnhw demo: the whole way in one command."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import click

from nnhw.cli.commands import UserError
from nnhw.cli.deferred import deferred
from nnhw.cli.terminal import progress_bar
from nnhw.training.options import HELD_OUT, Options

with deferred():
    from nnhw import targets
    from nnhw.cli import build_text
    from nnhw.data import datasets
    from nnhw.exporting import build_folder, write_build
    from nnhw.measuring import accuracy
    from nnhw.model_files import model_json
    from nnhw.report import facts, page
    from nnhw.running import agreement
    from nnhw.training import train as training

_EMULATORS = ("wasm", "unix")


@click.command()
@click.option("--seed", type=int, default=0, show_default=True)
def demo(seed: int) -> None:
    """Train Iris, export it, run all 150 rows in MicroPython and compare every integer with the PC."""
    names = [name for name in _EMULATORS if targets.get_script_target(name).why_unavailable() is None]
    if not names:
        raise UserError(
            "\n".join(f"{name}: {targets.get_script_target(name).why_unavailable()}" for name in _EMULATORS)
        )
    folder = _folder()
    dataset = datasets.load("iris")
    kept, held = datasets.split(dataset, HELD_OUT, seed)
    with progress_bar(Options().epochs_for(len(kept.rows))) as advance:
        network, _ = training.train(
            kept, (8,), options=Options(seed=seed), progress=lambda epoch: advance(1, f"loss {epoch.loss:.4f}")
        )
    network.training |= {"data": "iris", "target": None, "task": "auto", "held_out": HELD_OUT}
    path = folder / "iris.json"
    model_json.save(network, path)
    held_out = accuracy.quality_text(network, accuracy.quality(network, held))
    rows = f"{len(kept.rows)} rows of iris; {len(held.rows)} held out: {held_out}"
    click.echo(f"train     {network.describe()} on {rows}")
    build = write_build.export(network, folder / "iris", source="iris.json")
    for line in build_text.build_lines(network, build)[:-1]:
        click.echo(line)
    failed = False
    for name in names:
        identical, logits = agreement.agreement_on(build, name, dataset)
        failed |= identical < len(dataset.rows)
        click.echo(f"{name:<9} {identical}/{len(dataset.rows)} rows: logits identical")
    for line in agreement.quality_lines(build, dataset, logits):
        click.echo(line)
    files, module = build.manifest.files, f"{build.name}.py"
    flash = files.get(f"{build.name}.mpy")
    compiled = f", {flash.size:,} bytes as .mpy" if flash else ""
    click.echo(f"flash     {files[module].size:,} bytes as .py{compiled}")
    told = build.directory / build_folder.REPORT
    parts = {"held out": held, "all": dataset}
    page.write(facts.collect(build, path, network, parts, codes=()), told)
    click.echo(f"report    {told}")
    click.echo("next      " + f"nnhw verify {build.directory} --on {','.join(names)}")
    click.echo(f"          mpremote cp {build.directory / build.name}.py :     (with a board on USB)")
    if failed:
        sys.exit(1)


def _folder() -> Path:
    """build/demo where it can be written, else a temporary directory."""
    folder = Path("build") / "demo"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="nnhw-demo-"))
    return folder if os.access(folder, os.W_OK) else Path(tempfile.mkdtemp(prefix="nnhw-demo-"))
