"""Data sets: the packaged Iris, those of scikit-learn when it is installed, files of tables, and DataFrames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from nnhw.data import infer_inputs, prepare
from nnhw.data.choose_columns import names_in
from nnhw.data.columns import examine, likely_answer
from nnhw.data.data_options import DataOptions
from nnhw.data.dataset import Array, Dataset, Task, split, split_off, split_rows
from nnhw.data.tables import frames, table
from nnhw.data.tables.table import Table
from nnhw.errors import DataError
from nnhw_codegen.network.network import Column, Input

__all__ = [
    "Array", "DataError", "DataOptions", "Dataset", "Task", "inputs_from", "load", "load_for", "load_rows",
    "names", "read_table", "split", "split_off", "split_rows",
]  # fmt: skip

_SKLEARN_NAMES = ("wine", "breast_cancer", "digits")
_BLOCK = 64  # columns that are brought into one piece at a time


def names() -> tuple[str, ...]:
    """The names that ``load`` knows; all but "iris" need scikit-learn."""
    return ("iris", *_SKLEARN_NAMES)


def load(
    data: Any,
    answer_column: str | Sequence[str] | None = None,
    task: Task = "auto",
    options: DataOptions | None = None,
) -> Dataset:
    """A data set by name (see ``names``), a file, or a DataFrame, with ``answer_column`` as the column to learn.

    Files are tables as text (comma, semicolon, tab, bar or blanks between the cells; gzip as well), .npz and .npy, and
    through pandas .parquet and .xlsx. Several targets, as a list or with commas, are classes where they are one-hot, else
    values. A single target holds classes where it is not numeric, or has at most 20 different whole numbers, each at
    least twice on average; ``task`` decides otherwise. ``options`` say which columns and rows to take.

    Raises DataError, which tells every fault by line and column, and the option that helps.
    """
    return _load(data, answer_column, task, options or DataOptions(), (), ())


def load_for(
    inputs: Sequence[str],
    columns: Sequence[Column],
    data: Any,
    answer_column: str | Sequence[str] | None,
    task: Task,
    options: DataOptions,
) -> Dataset:
    """``load`` for a network that has these inputs and columns: they are found in the table by their names.

    Where the table has other names, its columns are taken as ``load`` does.
    """
    return _load(data, answer_column, task, options, inputs, columns)


def _load(
    data: Any,
    answer_column: str | Sequence[str] | None,
    task: Task,
    options: DataOptions,
    inputs: Sequence[str],
    columns: Sequence[Column],
) -> Dataset:
    if isinstance(data, (str, Path)) and str(data) in _SKLEARN_NAMES:
        if answer_column is not None:
            raise DataError(f"{data} has its own target; leave the target column {answer_column!r} out")
        if options.record():
            raise DataError(f"{data} is complete as it is; options of tables are for files")
        return _load_sklearn(str(data))
    if isinstance(data, str) and data == "iris":
        answer_column = answer_column or "species"
    found = read_table(data, options)
    if answer_column is None:
        likely = likely_answer(examine(found))
        hint = f"; {likely!r} looks like it" if likely else ""
        raise DataError(f"{found.name}: name the column to learn as the target (--target){hint}")
    targets = names_in((answer_column,) if isinstance(answer_column, str) else answer_column, found.names)
    wanted = tuple(column.name for column in columns) or tuple(inputs)
    if wanted and not options.columns and set(wanted) <= set(found.names):
        options = replace(options, columns=wanted)
    prepared = prepare.prepare(found, targets, task, options, columns)
    return prepare.dataset(prepared, Path(found.name).name.split(".")[0], options)


def read_table(data: Any, options: DataOptions) -> Table:
    """The table in a file, in a DataFrame, or of one of ``names``. Raises DataError for anything else."""
    if not isinstance(data, (str, Path)):
        if frames.is_frame(data):
            return frames.from_frame(data)
        raise DataError(f"expected a name, a path or a DataFrame, found {type(data).__name__}")
    if str(data) == "iris":
        with resources.as_file(resources.files("nnhw") / "data" / "iris.csv") as path:
            return replace(table.read_text(path), name="iris")
    if str(data) in _SKLEARN_NAMES:
        found = _load_sklearn(str(data))
        answers = [found.classes[index] for index in found.targets]
        return Table(
            found.name,
            (*found.features, "target"),
            (*found.rows.T, answers),
            np.arange(1, len(answers) + 1),
            {"format": "scikit-learn"},
        )
    path = Path(data)
    if not path.suffix and not path.exists():
        raise DataError(f"no data set and no file is called {str(data)!r}; known data sets: {', '.join(names())}")
    suffix = path.suffix.lower()
    if suffix in frames.ARRAYS:
        return frames.read_arrays(path)
    if suffix in frames.THROUGH_PANDAS:
        return frames.read_with_pandas(path)
    return table.read_text(path, options.header)


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


def load_rows(
    source: str, inputs: Sequence[str] = (), leave_out: str | None = None, columns: Sequence[Column] = ()
) -> tuple[tuple[str, ...], Array]:
    """Names and raw values (n, columns) of the inputs alone: of a data set by name, or of a file.

    Of a table, the columns that are called ``inputs`` are taken if it has them all, else all but ``leave_out``; arrays
    name none. ``columns`` are those of a network: its cells are encoded as it was trained. Raises DataError as ``load``
    does.
    """
    if source in names():
        dataset = load(source)
        return dataset.features, dataset.rows
    found = read_table(source, DataOptions())
    targets = () if leave_out is None else names_in((leave_out,), found.names)
    unnamed = Path(source).suffix.lower() in frames.ARRAYS
    asked = tuple(column.name for column in columns) or tuple(inputs)
    wanted = found.names if unnamed else asked if set(asked) <= set(found.names) else ()
    options = DataOptions(columns=tuple(name for name in wanted if name not in targets))
    prepared = prepare.prepare(found, targets, options=options, columns=columns)
    features, rows, _ = prepare.inputs(prepared, options)
    return () if unnamed else features, rows


def inputs_from(dataset_train: Dataset) -> tuple[Input, ...]:
    """One Input per feature, from the rows of the training part only; ``infer_inputs.infer`` tells the rules.

    Inputs that stand for words or a missing value are 0 or 1.
    """
    flags = {
        name
        for column in dataset_train.columns
        for name in column.input_names
        if column.categories or name != column.name
    }
    inputs: list[Input] = []
    for start in range(0, len(dataset_train.features), _BLOCK):
        block = np.ascontiguousarray(dataset_train.rows[:, start : start + _BLOCK].T)
        for name, column in zip(dataset_train.features[start : start + _BLOCK], block, strict=True):
            inputs.append(infer_inputs.flag(name, column) if name in flags else infer_inputs.infer(name, column))
    return tuple(inputs)
