"""nnhw run and nnhw verify."""

from __future__ import annotations

import sys
from math import isfinite
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from nnhw import build_folder, driver, evaluate, targets
from nnhw import verify as verification
from nnhw.build_folder import Build
from nnhw.cli import UserError, print_json
from nnhw.cli_data_options import data_options, target_option
from nnhw.cli_model import load_matching
from nnhw.data.encode import encode_row
from nnhw.datasets import DataOptions, Dataset
from nnhw.driver import Exported, held
from nnhw.targets import TargetError
from nnhw_codegen import reference

_DIRECTORY = click.Path(path_type=Path)
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


def fitting(build: Build, names: tuple[str, ...], runtime: str = "module") -> tuple[Exported, tuple[str, ...]]:
    """What to run, and where: ``names``, or without any the first target of the code.

    Raises UserError, exit code 2, where the code does not run on one of them, with what would.
    """
    module = verification.exported(build, runtime)
    names = names or usable_default(module.code)
    for name in names:
        reason = driver.why_not(module.code, name)
        if reason is not None:
            nnrun = "" if driver.why_not("nnrun", name) else "; --runtime nnrun runs the .nnb file there"
            raise UserError(f"{build.directory} on {name}: {reason}{nnrun}")
    return module, names


def usable_default(code: str) -> tuple[str, ...]:
    """The first target of a code that can run here, alone. Raises UserError where there is none."""
    able = [targets.get(name) for name in driver.RUNS_ON[code] if name != "board"]
    for target in able:
        if target.why_unavailable() is None:
            return (target.name,)
    raise UserError("\n".join(f"{target.name}: {target.why_unavailable()}" for target in able))


_ON = click.option(
    "--on",
    "names",
    callback=usable,
    metavar="TARGET,...",
    help="Where to run: "
    + "; ".join(f"{code} on {', '.join(names)}" for code, names in driver.RUNS_ON.items())
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
_RUNTIME = click.option(
    "--runtime",
    type=click.Choice(["module", "nnrun"]),
    default="module",
    show_default=True,
    help="Run the generated code, or the .nnb file under the board package nnrun.",
)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("build", type=_DIRECTORY)
@click.argument("values", nargs=-1)
@_ON
@firmware_option
@_RUNTIME
@click.option("--data", help="Run all rows of a data set or file instead of VALUES.")
@target_option
@data_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def run(
    build: Path,
    values: tuple[str, ...],
    names: tuple[str, ...],
    runtime: str,
    data: str | None,
    target: str | None,
    reading: DataOptions,
    as_json: bool,
) -> None:
    """Run the exported model in the folder BUILD on a target, on raw VALUES or on the rows of --data.

    Where the model was trained on words or with missing values, VALUES may be the cells of a row, ? where one is missing.
    """
    made = build_folder.read(build)
    module, names = fitting(made, names, runtime)
    if data is not None:
        if values:
            raise click.UsageError("give either VALUES or --data, not both")
        _run_data(made, module, load_matching(made.model, data, target, reading, made.columns), names, as_json)
        return
    row = _row(made, values)
    results = {}
    for name in names:
        found = module.run(name, "values", np.array([row]))
        results[name] = {"answer": _answer(made, found.logits), "logits": found.logits[0].tolist()}
    if as_json:
        print_json(results)
        return
    for name, result in results.items():
        click.echo(f"{name}: {result['answer']}   logits {' '.join(map(str, result['logits']))}")


def _row(build: Build, values: tuple[str, ...]) -> list[float]:
    """The inputs' values, given as such or as the cells of a row."""
    columns = build.columns
    if columns and len(values) == len(columns):
        cells = [
            None if text in ("", "?") else text if column.categories else _number(text)
            for text, column in zip(values, columns, strict=True)
        ]
        return encode_row(columns, cells)
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


def _answer(build: Build, logits: NDArray[np.int64]) -> Any:
    answer = reference.decide(build.model, logits)[0]
    if build.model.decision == "multilabel":
        return [name for name, yes in zip(build.model.classes, answer, strict=True) if yes]
    if build.model.classes:
        return build.model.classes[int(answer)]
    values = answer.tolist()
    return values[0] if len(values) == 1 else values


def _run_data(build: Build, module: Exported, dataset: Dataset, names: tuple[str, ...], as_json: bool) -> None:
    runs = {name: compare(build, name, dataset, module) for name in names}
    if as_json:
        print_json({name: {"rows": len(dataset.rows), "identical": n} for name, (n, _) in runs.items()})
    else:
        for name, (identical, _) in runs.items():
            click.echo(f"{name}: {identical}/{len(dataset.rows)} rows: logits identical")
        for line in quality_lines(build, dataset, runs[names[0]][1]):
            click.echo(line)
    if any(identical < len(dataset.rows) for identical, _ in runs.values()):
        sys.exit(1)


def compare(
    build: Build, target: str, dataset: Dataset, module: Exported | None = None
) -> tuple[int, NDArray[np.int64]]:
    """How many rows give the reference's logits on ``target``, and the logits that it gave.

    ``module`` is what runs, by default the build's generated code.
    """
    found = (module or verification.exported(build)).run(target, "values", dataset.rows).logits
    model = build.model
    expected = reference.logits(model, reference.codes(model, reference.ticks(model, held(target, dataset.rows))))
    return int((found == expected).all(axis=1).sum()), found


def quality_lines(build: Build, dataset: Dataset, logits: NDArray[np.int64]) -> list[str]:
    """Accuracy and confusion matrix; the error of values, or how often each answer of yes or no is right."""
    model, answers = build.model, reference.decide(build.model, logits)
    if model.decision == "values":
        errors = np.sqrt(np.mean((answers - dataset.targets) ** 2, axis=0))
        names = [f" of {name}" for name in model.outputs] if len(model.outputs) > 1 else [""] * len(errors)
        return [f"root mean squared error{name} {error:.5g}" for name, error in zip(names, errors, strict=True)]
    if model.decision == "multilabel":
        shares = 100 * (answers == dataset.targets).mean(axis=0)
        return [f"accuracy of {name} {share:.1f} %" for name, share in zip(model.classes, shares, strict=True)]
    right = int((answers == dataset.targets).sum())
    matrix = evaluate.confusion(dataset.targets, answers, len(build.model.classes))
    share = f"accuracy {right}/{len(answers)} = {100 * right / len(answers):.1f} %"
    return [share, evaluate.confusion_text(matrix, build.model.classes)]


@click.command()
@click.argument("builds", nargs=-1, required=True, type=_DIRECTORY, metavar="BUILD...")
@_ON
@firmware_option
@_RUNTIME
@click.option(
    "--rows", type=click.IntRange(0), help="Random rows; by default 10,000, on microbit, rp2040-core and pico 300."
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def verify(
    builds: tuple[Path, ...], names: tuple[str, ...], runtime: str, rows: int | None, seed: int, as_json: bool
) -> None:
    """Run seeded random rows and the extremes of exported models on targets and compare every logit with the reference.

    Each row enters as raw values, as ticks and as codes, as far as the code has these entries. Exit code 1 on any
    difference.
    """
    made = [build_folder.read(build) for build in builds]
    fits = [fitting(build, names, runtime) for build in made]
    results, passed = [], True
    for build, (module, places) in zip(made, fits, strict=True):
        for name in places:
            result: dict[str, Any] = {"build": str(build.directory), "target": name}
            try:
                outcome = verification.verify(build.model, module, name, rows, seed=seed)
                result |= {"passed": outcome.passed, "rows": outcome.rows, "message": str(outcome)}
            except TargetError as error:
                result |= {"passed": False, "message": str(error).removeprefix(f"{name}: ")}
            passed &= result["passed"]
            results.append(result)
            if not as_json:
                prefix = f"{build.directory} on {name}" if len(builds) > 1 else name
                click.echo(f"{prefix}: {result['message']}")
    if as_json:
        print_json(results)
    if not passed:
        sys.exit(1)
