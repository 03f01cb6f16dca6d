"""nnhw convert: a network from another library, or one for it."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from nnhw.cli.commands import UserError
from nnhw.cli.deferred import deferred
from nnhw.cli.model_options import expect_directory
from nnhw.cli.terminal import print_json
from nnhw_codegen.whole_file import write_whole

with deferred():
    from nnhw.model_files import chain, conversion, load, model_json
    from nnhw.model_files.formats import onnx_write

_PATH = click.Path(path_type=Path, dir_okay=False)


def _names(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    names = tuple(name.strip() for name in value.split(",")) if value else ()
    if not all(names):
        raise click.BadParameter(f"{value!r}: one of the names between the commas is empty")
    return names


def _range(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[float, float] | None:
    if value is None:
        return None
    low, _, high = value.partition(":")
    try:
        return float(low), float(high)
    except ValueError:
        raise click.BadParameter(f"{value!r}; expected two numbers as in 0:4095") from None


@click.command()
@click.argument("file", type=_PATH)
@click.option(
    "-o", "--out", type=_PATH, required=True, help="The model.json to write; or model.onnx, of a model.json."
)
@click.option(
    "--data",
    metavar="ROWS",
    help="Rows of raw values, as many as there are: a CSV file with a header, an .npy file, or a data set by name. They "
    "give every input its range, resolution, mean and scale, and calibrate the integers.",
)
@click.option(
    "--target",
    "answer_column",
    metavar="COLUMN",
    help="Column of that CSV file to leave out, as it holds the answers.",
)
@click.option(
    "--range",
    "input_range",
    metavar="LOW:HIGH",
    callback=_range,
    help="Lowest and highest value of all inputs, where there are no rows.",
)
@click.option(
    "--classes", metavar="A,B,...", callback=_names, help="Names of the classes, in the order of the outputs."
)
@click.option(
    "--task", type=click.Choice(["classification", "regression"]), help="What the outputs tell, if FILE does not."
)
@click.option(
    "--activations",
    metavar="A,B,...",
    callback=_names,
    help="Of a .safetensors file, which has none: one for each dense layer, as relu,leaky_relu:0.2,softmax.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def convert(
    file: Path,
    out: Path,
    data: str | None,
    answer_column: str | None,
    input_range: tuple[float, float] | None,
    classes: tuple[str, ...],
    task: chain.KnownTask | None,
    activations: tuple[str, ...],
    as_json: bool,
) -> None:
    """Convert FILE, a network of scikit-learn (.skops), Keras (.keras, .h5), PyTorch (.pt2, .safetensors), TensorFlow
    Lite (.tflite, floats) or ONNX (.onnx), to a model.json; or a model.json to .onnx. No code in FILE is run."""
    expect_directory(out)
    if file.suffix.lower() == ".json":
        _to_onnx(file, out)
        return
    if out.suffix.lower() != ".json":
        raise UserError(
            f"{out}: a network is converted to a model.json; from {file.suffix} to {out.suffix} goes through one"
        )
    settings = conversion.Settings(classes=classes, task=task, input_range=input_range, activations=activations)
    done = load.load(file, settings, data, answer_column)
    model_json.save(done.network, out)
    if as_json:
        lines = [{"label": line.label, "text": line.text, "warning": line.warning} for line in done.lines]
        print_json({"model": str(out), "report": lines})
        return
    for line in done.lines:
        click.echo(f"WARNING   {line.label}: {line.text}" if line.warning else f"{line.label:<9} {line.text}")
    click.echo(f"wrote     {out}; next: nnhw export {shlex.quote(str(out))}")


def _to_onnx(file: Path, out: Path) -> None:
    if out.suffix.lower() != ".onnx":
        raise UserError(
            f"{out}: a model.json is converted to .onnx; of the others, {', '.join(load.READERS)} are read"
        )
    network = model_json.load(file)
    load.need(("onnx",), "writing .onnx")
    write_whole(out, onnx_write.dumps(network))
    click.echo(f"network   {network.describe()}")
    click.echo(f"wrote     {out}: raw inputs in, float32; opens in netron, runs in onnxruntime")
