"""A data set for a network that exists: the same inputs, the same numbers of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from nnhw.data import datasets
from nnhw.data.data_options import from_record
from nnhw.data.datasets import Array, DataError, DataOptions, Dataset
from nnhw_codegen.integers.qmodel import QModel
from nnhw_codegen.network.network import Column, Network


def rows_to_judge(
    network: Network, model: Path, data: str | None, answer_column: str | None, reading: DataOptions | None = None
) -> dict[str, Dataset]:
    """The data sets to evaluate on: held-out rows first where the training record tells which these are."""
    record = network.training
    trained_on = record.get("data")
    if data is None:
        if not isinstance(trained_on, str):
            raise DataError(f"{model}: does not say which data it was trained on; name them with --data")
        data, answer_column = trained_on, answer_column or record.get("target")
    reading = reading or DataOptions()
    dataset, held = _parts(network, data, answer_column, reading)
    return {data: dataset} if held is None else {"held out": held[1], "all": dataset}


def rows_to_tune(network: Network, data: str, answer_column: str | None) -> Dataset:
    """The data set to fine-tune on; that of training is read as it was there, and its held-out rows are left out."""
    dataset, held = _parts(network, data, answer_column, DataOptions())
    return dataset if held is None else held[0]


def _parts(
    network: Network, data: str, answer_column: str | None, reading: DataOptions
) -> tuple[Dataset, tuple[Dataset, Dataset] | None]:
    """All rows; and those trained on and those held out, where the training record tells which these are."""
    record = network.training
    same = _is_same(data, record.get("data"))
    if same and not reading.record():
        reading = from_record(record.get("reading"))
    dataset = load_matching(network, data, answer_column, reading, network.columns)
    if not same or not record.get("held_out"):
        return dataset, None
    kept, held = datasets.split(dataset, float(record["held_out"]), int(record.get("seed", 0)))
    return dataset, (kept, held) if len(held.rows) else None


def _is_same(data: str, other: object) -> bool:
    """Whether two names are of one data set or file."""
    if not isinstance(other, str) or data == other:
        return data == other
    return Path(data).is_file() and Path(other).is_file() and Path(data).samefile(other)


def load_matching(
    network: Network | QModel,
    data: str,
    answer_column: str | None,
    reading: DataOptions | None = None,
    columns: Sequence[Column] = (),
) -> Dataset:
    """The data set, its classes numbered as the network's, its ``columns`` read as those of the network.

    Several answers are by default the columns that are called like them. Raises DataError where the two do not fit.
    """
    inputs = [entry.name for entry in network.inputs]
    task: datasets.Task = "classification" if network.classes else "regression"
    answers = network.outputs
    if network.decision == "multilabel":
        task, answers = "multilabel", network.classes
    wanted = answers if answer_column is None and len(answers) > 1 else answer_column
    dataset = datasets.load_for(inputs, columns, data, wanted, task, reading or DataOptions())
    if len(dataset.features) != len(inputs):
        raise DataError(f"{data}: has {len(dataset.features)} inputs, the model takes {len(inputs)}")
    return renumbered(dataset, network.classes)


def rows_of(network: Network | QModel, source: str, columns: Sequence[Column] = ()) -> Array:
    """The rows (n, inputs) of a data set or file, whose answers need not be known. Raises DataError where they differ."""
    inputs = tuple(entry.name for entry in network.inputs)
    _, rows = datasets.load_rows(source, inputs, columns=columns)
    if rows.shape[1] != len(inputs):
        names = ", ".join(inputs)
        raise DataError(f"{source}: has {rows.shape[1]} columns of numbers, the model takes {len(inputs)}: {names}")
    return rows


def renumbered(dataset: Dataset, classes: tuple[str, ...]) -> Dataset:
    """``dataset`` with its targets as indices into ``classes``. Raises DataError for a class that is not there."""
    if dataset.classes == classes:
        return dataset
    unknown = [name for name in dataset.classes if name not in classes]
    if unknown:
        raise DataError(f"{dataset.name}: holds the class {unknown[0]!r}; the model tells {', '.join(classes)}")
    numbers = np.array([classes.index(name) for name in dataset.classes])
    return replace(dataset, targets=numbers[dataset.targets], classes=classes)
