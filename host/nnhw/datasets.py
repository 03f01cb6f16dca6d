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

from nnhw.doorway import infer
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

    ``rows`` is float64 (n, features). For classes, ``targets`` is int64 (n,), indices into ``classes``; where each class is
    a question of its own, answered with yes or no, it is int64 (n, classes), 1 or 0; for regression it is float64
    (n, outputs) and ``classes`` is empty.
    """

    name: str
    features: tuple[str, ...]
    rows: Array
    targets: NDArray[Any]
    classes: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    @property
    def multilabel(self) -> bool:
        """Whether each class is a question of its own."""
        return bool(self.classes) and self.targets.ndim == 2

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
    features, rows = _features(path, header, lines, (target,))
    cells = [(line, row[at]) for line, row in lines]
    for line, cell in cells:
        if not cell:
            raise DataError(f"{path}: line {line}, column {target!r}: empty cell; fill it in or remove the row")
    if not _holds_classes(path, target, cells, task):
        values = [[_number(path, line, target, cell)] for line, cell in cells]
        return Dataset(path.stem, features, rows, np.array(values, dtype=np.float64), outputs=(target,))
    targets, classes = _classes(path, target, cells)
    return Dataset(path.stem, features, rows, targets, classes)


def load_columns(path: str | Path, answers: Sequence[str], multilabel: bool) -> Dataset:
    """A CSV file as ``load_csv`` reads it, with several columns of ``answers``: values, or for ``multilabel`` 0 and 1.

    Raises DataError that names file, line and column.
    """
    path = Path(path)
    header, lines = _read(path)
    missing = [name for name in answers if name not in header]
    if missing:
        raise DataError(f"{path}: no column {missing[0]!r} with answers; columns: {', '.join(header)}")
    if len(header) == len(answers):
        raise DataError(f"{path}: every column holds answers; add at least one column of inputs")
    features, rows = _features(path, header, lines, answers)
    places = [header.index(name) for name in answers]
    targets = np.array(
        [[_number(path, line, header[at], cells[at]) for at in places] for line, cells in lines], dtype=np.float64
    ).reshape(len(lines), len(answers))
    if not multilabel:
        return Dataset(path.stem, features, rows, targets, outputs=tuple(answers))
    wrong = np.argwhere((targets != 0) & (targets != 1))
    if len(wrong):
        row, column = wrong[0]
        line, cells = lines[row]
        raise DataError(
            f"{path}: line {line}, column {answers[column]!r}: expected 0 or 1, found {cells[places[column]]!r}"
        )
    return Dataset(path.stem, features, rows, targets.astype(np.int64), tuple(answers))


def _features(
    path: Path, header: list[str], lines: list[tuple[int, list[str]]], answers: Sequence[str]
) -> tuple[tuple[str, ...], Array]:
    """Names and numbers (n, features) of the columns that hold no answers."""
    places = [index for index, name in enumerate(header) if name not in answers]
    columns = [[_number(path, line, header[at], cells[at]) for line, cells in lines] for at in places]
    return tuple(header[at] for at in places), np.array(columns, dtype=np.float64).T.copy()


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
    if dataset.classes and not dataset.multilabel:
        groups = [order[dataset.targets[order] == index] for index in range(len(dataset.classes))]
    else:
        groups = [order]
    held = [group[: min(round(fraction * len(group)), max(len(group) - 1, 0))] for group in groups]
    chosen = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(len(order)), chosen), chosen


def inputs_from(dataset_train: Dataset) -> tuple[Input, ...]:
    """One Input per feature, from the rows of the training part only; ``doorway.infer`` tells the rules."""
    return tuple(infer(name, dataset_train.rows[:, index]) for index, name in enumerate(dataset_train.features))
