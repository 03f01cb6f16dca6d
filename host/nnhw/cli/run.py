"""nnhw run."""

from __future__ import annotations

import sys
from math import isfinite
from pathlib import Path

import click

from nnhw.cli.data_options import data_options, target_option
from nnhw.cli.deferred import deferred
from nnhw.cli.target_options import firmware_option, fitting, on_option, runtime_option
from nnhw.cli.terminal import print_json
from nnhw.data.data_options import DataOptions
from nnhw_codegen.whole_file import write_whole

with deferred():
    from nnhw.data import dataset as data_rows
    from nnhw.data import encode, matching
    from nnhw.exporting import build_folder
    from nnhw.model_files import model_json
    from nnhw.running import agreement, answers, exported

_DIRECTORY = click.Path(path_type=Path)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("build", metavar="BUILD|MODEL", type=_DIRECTORY)
@click.argument("values", nargs=-1)
@on_option
@firmware_option
@runtime_option
@click.option("--data", help="Run all rows of a data set or file instead of VALUES.")
@target_option
@data_options
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path),
    help="Write the answers to the rows of a file, named in place of VALUES, as CSV; they need no answer column.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def run(
    build: Path,
    values: tuple[str, ...],
    names: tuple[str, ...],
    runtime: str,
    data: str | None,
    answer_column: str | None,
    reading: DataOptions,
    out: Path | None,
    as_json: bool,
) -> None:
    """Run the exported model in the folder BUILD on a target, on raw VALUES or on the rows of --data.

    Where the model was trained on words or with missing values, VALUES may be the cells of a row, ? where one is missing.
    A MODEL, as model.json, answers in floats, with probabilities: nnhw run model.json rows.csv -o answers.csv.
    """
    if out is not None:
        _write_answers(build, values, names, runtime, out)
        return
    if build.is_file():
        raise click.UsageError(
            f"{build} is a file: a model answers to the rows of a file, as: rows.csv -o answers.csv"
        )
    made = build_folder.read(build)
    module, names = fitting(made, names, runtime)
    if data is not None:
        if values:
            raise click.UsageError("give either VALUES or --data, not both")
        _run_data(
            made,
            module,
            matching.load_matching(made.model, data, answer_column, reading, made.manifest.columns),
            names,
            as_json,
        )
        return
    row = _row(made, values)
    results = {}
    for name in names:
        logits = module.run(name, "values", [row]).logits
        results[name] = {"answer": agreement.answer(made, logits), "logits": logits[0].tolist()}
    if as_json:
        print_json(results)
        return
    for name, result in results.items():
        click.echo(f"{name}: {result['answer']}   logits {' '.join(map(str, result['logits']))}")


def _write_answers(place: Path, values: tuple[str, ...], names: tuple[str, ...], runtime: str, out: Path) -> None:
    if len(values) != 1:
        raise click.UsageError(f"-o takes one file of rows in place of VALUES; found {len(values)}")
    if place.is_file():
        network = model_json.load(place)
        found, where = answers.of_network(network, matching.rows_of(network, values[0], network.columns)), "in floats"
    else:
        made = build_folder.read(place)
        module, names = fitting(made, names, runtime)
        rows = matching.rows_of(made.model, values[0], made.manifest.columns)
        found = answers.of_integers(made.model, module.run(names[0], "values", rows).logits)
        where = f"on {names[0]}"
    write_whole(out, found.to_csv())
    click.echo(f"wrote     {out}: {len(found.cells):,} answers {where}")


def _row(build: build_folder.Build, values: tuple[str, ...]) -> list[float]:
    """The inputs' values, given as such or as the cells of a row."""
    columns = build.manifest.columns
    if columns and len(values) == len(columns):
        cells = [
            None if text in ("", "?") else text if column.categories else _number(text)
            for text, column in zip(values, columns, strict=True)
        ]
        return encode.encode_row(columns, cells)
    expected = [entry.name for entry in build.model.inputs]
    if len(values) != len(expected):
        cells_too = f", the cells of a row ({', '.join(column.name for column in columns)})" if columns else ""
        raise click.UsageError(
            f"expected {len(expected)} values ({', '.join(expected)}){cells_too} or --data; found {len(values)}"
        )
    return [_number(text) for text in values]


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise click.UsageError(f"{text!r} is not a number") from None
    if not isfinite(value):
        raise click.UsageError("values must be finite numbers")
    return value


def _run_data(
    build: build_folder.Build,
    module: exported.Exported,
    dataset: data_rows.Dataset,
    names: tuple[str, ...],
    as_json: bool,
) -> None:
    runs = {name: agreement.agreement_on(build, name, dataset, module) for name in names}
    if as_json:
        print_json({name: {"rows": len(dataset.rows), "identical": n} for name, (n, _) in runs.items()})
    else:
        for name, (identical, _) in runs.items():
            click.echo(f"{name}: {identical}/{len(dataset.rows)} rows: logits identical")
        for line in agreement.quality_lines(build, dataset, runs[names[0]][1]):
            click.echo(line)
    if any(identical < len(dataset.rows) for identical, _ in runs.values()):
        sys.exit(1)
