"""Data sets: the packaged Iris, those of scikit-learn when it is installed, and any CSV file."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nnhw.doorway import finer_grid, infer
from nnhw.network import Input

Array = NDArray[np.float64]
Task = Literal["auto", "classification", "regression"]

_SKLEARN_NAMES = ("wine", "breast_cancer", "digits")
_MOST_CLASSES = 20  # more distinct whole numbers than this are taken for a measured quantity
_LARGEST = 1e30


class DataError(ValueError):
    """A data set cannot be used; the message names file, place and remedy."""


@dataclass(frozen=True)
class Dataset:
    """Rows in raw units and what they should give.

    ``rows`` is float64 (n, features). For classes, ``targets`` is int64 (n,), indices into ``classes``; for
    regression it is float64 (n, outputs) and ``classes`` is empty.
    """

    name: str
    features: tuple[str, ...]
    rows: Array
    targets: NDArray[Any]
    classes: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    def take(self, rows: NDArray[np.int64]) -> Dataset:
        """The data set of these rows only, in this order."""
        return replace(self, rows=self.rows[rows], targets=self.targets[rows])


def names() -> tuple[str, ...]:
    """The names that ``load`` knows; all but "iris" need scikit-learn."""
    return ("iris", *_SKLEARN_NAMES)


def load(name_or_path: str | Path, target: str | None = None, task: Task = "auto") -> Dataset:
    """A data set by name (see ``names``), or a CSV file with ``target`` as the column to learn.

    Raises DataError for anything that cannot be loaded.
    """
    name = str(name_or_path)
    if name == "iris":
        with resources.as_file(resources.files("nnhw") / "data" / "iris.csv") as path:
            return load_csv(path, target or "species", task)
    if name in _SKLEARN_NAMES:
        if target is not None:
            raise DataError(f"{name} has its own target; leave the target column {target!r} out")
        return _load_sklearn(name)
    if not Path(name).suffix and not Path(name).exists():
        raise DataError(f"no data set and no file is called {name!r}; known data sets: {', '.join(names())}")
    if target is None:
        raise DataError(f"{name}: name the column to learn as the target")
    return load_csv(name, target, task)


def _load_sklearn(name: str) -> Dataset:
    try:
        from sklearn import datasets  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        raise DataError(
            f"the data set {name!r} comes with scikit-learn, which is missing: pip install 'nnhw[study]'"
        ) from None
    bunch = getattr(datasets, f"load_{name}")()
    return Dataset(
        name,
        tuple(str(feature) for feature in bunch.feature_names),
        np.asarray(bunch.data, dtype=np.float64),
        np.asarray(bunch.target, dtype=np.int64),
        tuple(str(label) for label in bunch.target_names),
    )


def load_csv(path: str | Path, target: str, task: Task = "auto") -> Dataset:
    """A CSV file (UTF-8, header line; comma, semicolon or tab) with ``target`` as the column to learn.

    The target holds classes where it is not numeric, or has at most 20 different whole numbers, each at least twice
    on average; ``task`` decides otherwise. All other columns are features. Raises DataError that names file, line and
    column.
    """
    path = Path(path)
    header, lines = _read(path)
    if target not in header:
        raise DataError(f"{path}: no column {target!r} to learn; columns: {', '.join(header)}")
    if len(header) < 2:
        raise DataError(f"{path}: {target!r} is the only column; add at least one column of inputs")
    if len(lines) < 2:
        raise DataError(f"{path}: found {len(lines)} rows below the header; expected at least 2")
    at = header.index(target)
    columns = [
        [_number(path, line, header[index], cells[index]) for line, cells in lines]
        for index in range(len(header))
        if index != at
    ]
    rows = np.array(columns, dtype=np.float64).T.copy()
    features = tuple(header[:at] + header[at + 1 :])
    cells = [(line, row[at]) for line, row in lines]
    for line, cell in cells:
        if not cell:
            raise DataError(f"{path}: line {line}, column {target!r}: empty cell; fill it in or remove the row")
    if not _holds_classes(path, target, cells, task):
        values = [[_number(path, line, target, cell)] for line, cell in cells]
        return Dataset(path.stem, features, rows, np.array(values, dtype=np.float64), outputs=(target,))
    targets, classes = _classes(path, target, cells)
    return Dataset(path.stem, features, rows, targets, classes)


def _read(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header, and (line number, cells) of every row that is not blank."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: byte {error.start} is not UTF-8 text; export the table as CSV with UTF-8 encoding"
        ) from None
    if "\0" in text:
        raise DataError(f"{path}: holds binary data; expected a CSV text file")
    if not text.strip():
        raise DataError(f"{path}: the file is empty; expected a header line and rows of numbers")
    first = text.lstrip().splitlines()[0]
    reader = csv.reader(text.splitlines(), delimiter=max(",;\t", key=first.count), strict=True)
    lines = []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                lines.append((reader.line_num, [cell.strip() for cell in row]))
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num}: {error}") from None
    number, header = lines[0]
    for index, name in enumerate(header):
        if not name:
            raise DataError(f"{path}: line {number}: column {index + 1} has no name")
        if name in header[:index]:
            raise DataError(f"{path}: line {number}: two columns are called {name!r}; rename one")
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            raise DataError(f"{path}: line {line}: found {len(cells)} cells, expected {len(header)} as in the header")
    return header, lines[1:]


def _parse(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _number(path: Path, line: int, column: str, cell: str) -> float:
    value = _parse(cell)
    if value is None or not abs(value) <= _LARGEST:
        found = repr(cell) if cell else "an empty cell"
        limit = f" up to {_LARGEST:g}" if value is not None else ""
        raise DataError(f"{path}: line {line}, column {column!r}: expected a finite number{limit}, found {found}")
    return value


def _holds_classes(path: Path, target: str, cells: Sequence[tuple[int, str]], task: Task) -> bool:
    if task != "auto":
        return task == "classification"
    values = [_parse(cell) for _, cell in cells]
    numbers = [value for value in values if value is not None]
    if len(numbers) < len(cells):
        if 2 * len(numbers) > len(cells):
            line, cell = cells[values.index(None)]
            raise DataError(
                f"{path}: line {line}, column {target!r}: found {cell!r} among numbers; "
                "correct the cell, or ask for classification"
            )
        return True
    for (line, cell), value in zip(cells, numbers, strict=True):
        if not math.isfinite(value):
            raise DataError(f"{path}: line {line}, column {target!r}: expected a finite number, found {cell!r}")
    distinct = set(numbers)
    whole = all(value.is_integer() for value in distinct)
    return whole and len(distinct) <= min(_MOST_CLASSES, max(2, len(cells) // 2))


def _classes(path: Path, target: str, cells: Sequence[tuple[int, str]]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Class indices and class names: whole numbers in numeric order, other labels in alphabetic order."""
    labels = [cell for _, cell in cells]
    numbers = [_parse(label) for label in labels]
    if all(number is not None and number.is_integer() for number in numbers):
        labels = [str(int(number)) for number in numbers if number is not None]
        classes = sorted(set(labels), key=int)
    else:
        classes = sorted(set(labels))
    if len(classes) < 2:
        raise DataError(
            f"{path}: column {target!r} holds the single class {classes[0]!r}; expected at least two classes"
        )
    if len(classes) > max(_MOST_CLASSES, len(labels) // 2):
        raise DataError(
            f"{path}: column {target!r} holds {len(classes)} classes in {len(labels)} rows; "
            "expected more rows of each class"
        )
    index = {label: number for number, label in enumerate(classes)}
    return np.array([index[label] for label in labels], dtype=np.int64), tuple(classes)


def split(dataset: Dataset, fraction: float, seed: int = 0) -> tuple[Dataset, Dataset]:
    """(training part, held-out part); the latter has about ``fraction`` of the rows, of every class alike.

    The same seed gives the same parts. Raises ValueError unless 0 < fraction < 1.
    """
    kept, held = split_rows(dataset, fraction, seed)
    return dataset.take(kept), dataset.take(held)


def split_rows(dataset: Dataset, fraction: float, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The row numbers of ``split``, each part in ascending order; a class never leaves the training part."""
    if not 0 < fraction < 1:
        raise ValueError(f"fraction is {fraction!r}; expected a share between 0 and 1")
    order = np.random.default_rng([seed, 2]).permutation(len(dataset.rows))
    if dataset.classes:
        groups = [order[dataset.targets[order] == index] for index in range(len(dataset.classes))]
    else:
        groups = [order]
    held = [group[: min(round(fraction * len(group)), max(len(group) - 1, 0))] for group in groups]
    chosen = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(len(order)), chosen), chosen


def coarse_steps(dataset: Dataset, inputs: tuple[Input, ...]) -> list[str]:
    """A line for every input whose data are finer than ticks of numbers so large can be, with the remedy."""
    lines = []
    for index, entry in enumerate(inputs):
        grid = finer_grid(dataset.rows[:, index], entry.step)
        if grid is not None:
            lines.append(
                f"{entry.name}: the data are in steps of {grid:g}, ticks in steps of {entry.step:g}, since a board's floats "
                f"are too short for more at {max(abs(entry.low), abs(entry.high)):g}; to keep all digits, give whole "
                f"numbers (the value / {grid:g}) to predict_ticks, or train on the value less an offset"
            )
    return lines


def inputs_from(dataset_train: Dataset) -> tuple[Input, ...]:
    """One Input per feature, from the rows of the training part only; ``doorway.infer`` tells the rules."""
    return tuple(infer(name, dataset_train.rows[:, index]) for index, name in enumerate(dataset_train.features))
