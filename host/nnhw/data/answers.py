"""The columns to learn -> classes or values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.data.columns import MOST_WORDS, ColumnFacts, look_alikes
from nnhw.data.dataset import Task
from nnhw.data.faults import Fault, in_cell
from nnhw_codegen.network.names import control_in

_SKIP = "correct the cell, or --skip-bad leaves out its row"


@dataclass(frozen=True, eq=False)
class Answers:
    """What rows give: ``labels`` (n,) of classes, "" where missing; or ``values`` (n, outputs), NaN where missing.

    ``yes_no``: they are 1 or 0, each column a question of its own. ``faults`` are (row, fault) of cells that hold no
    answer; ``general`` concern the columns as a whole.
    """

    labels: tuple[str, ...] = ()
    values: NDArray[np.float64] | None = None
    yes_no: bool = False
    faults: tuple[tuple[int, Fault], ...] = ()
    general: tuple[Fault, ...] = ()


def read(columns: Sequence[ColumnFacts], one_hot: bool, task: Task, lines: NDArray[np.int64]) -> Answers:
    """The answers in ``columns``; ``lines`` (n,) are the rows' lines.

    One-hot columns become classes, and other columns of 0 and 1 alone, several of them, questions of yes or no.
    """
    if one_hot and task in ("auto", "classification"):
        matrix = np.stack([column.values for column in columns if column.values is not None], axis=1)
        return Answers(tuple(columns[place].name for place in matrix.argmax(axis=1).tolist()))
    if len(columns) == 1 and _holds_classes(columns[0], task):
        column = columns[0]
        if column.values is None or column.wrong or not _is_whole(column):
            labels = _texts(column)
        else:
            labels = ["" if absent else str(int(v)) for v, absent in zip(column.values, column.missing, strict=True)]
        return Answers(tuple(labels), faults=tuple(_missing(column, lines)))
    if len(columns) > 1 and task == "classification":
        remedy = "several answers are one-hot columns, one of them 1 in every row, or values: leave --task out"
        return Answers(
            general=(Fault(f"{', '.join(repr(c.name) for c in columns)} are no classes of one answer", remedy),)
        )
    faults = [fault for column in columns for fault in [*_wrong(column, lines, task), *_missing(column, lines)]]
    count = len(lines)
    stacked = [column.values if column.values is not None else np.full(count, np.nan) for column in columns]
    yes_no = task == "multilabel" or (task == "auto" and len(columns) > 1 and all(map(_is_yes_no, columns)))
    if yes_no:
        faults += [fault for column in columns for fault in _neither(column, lines)]
    return Answers((), np.stack(stacked, axis=1) if stacked else None, yes_no, tuple(faults))


def classes_of(name: str, labels: Sequence[str]) -> tuple[NDArray[np.int64], tuple[str, ...], list[Fault]]:
    """Indices (n,) and names of the classes, whole numbers in their order, others in that of the alphabet; faults."""
    distinct = set(labels)
    classes = tuple(sorted(distinct, key=int) if all(map(_is_integer, distinct)) else sorted(distinct))
    faults = []
    if len(classes) < 2:
        told = (
            f"column {name!r} holds the single class {classes[0]!r}" if classes else f"column {name!r} holds no class"
        )
        faults.append(Fault(told, "expected at least two classes"))
    if len(classes) > max(MOST_WORDS, len(labels) // 2):
        found = f"column {name!r} holds {len(classes)} classes in {len(labels)} rows"
        faults.append(Fault(found, "expected more rows of each class, or --task regression for numbers"))
    for label in classes:
        control = control_in(label)
        if control:
            told = f"column {name!r}: the class {label!r} has the control character {control}"
            faults.append(Fault(told, "names are one line of text: change it in the file"))
    index = {label: number for number, label in enumerate(classes)}
    return np.array([index[label] for label in labels], dtype=np.int64), classes, faults


def notes(classes: Sequence[str]) -> list[str]:
    """A line for each group of classes that look alike."""
    return [
        f"the classes {' and '.join(map(repr, group))} look alike; give them one spelling if they mean the same"
        for group in look_alikes(classes)
    ]


def _holds_classes(column: ColumnFacts, task: Task) -> bool:
    if task != "auto":
        return task == "classification"
    if column.values is None:
        return True
    if column.wrong:
        return False
    present = column.values[~column.missing]
    return _is_whole(column) and len(np.unique(present)) <= min(MOST_WORDS, max(2, len(present) // 2))


def _is_yes_no(column: ColumnFacts) -> bool:
    return column.values is not None and not _neither(column, np.zeros(len(column.missing), dtype=np.int64))


def _neither(column: ColumnFacts, lines: NDArray[np.int64]) -> list[tuple[int, Fault]]:
    """The cells of numbers other than 0 and 1."""
    if column.values is None:
        return []
    other = np.isfinite(column.values) & (column.values != 0) & (column.values != 1)
    return [
        (row, in_cell(lines[row], column.name, f"expected 0 or 1, found {column.values[row]:g}", _SKIP))
        for row in np.flatnonzero(other).tolist()
    ]


def _is_whole(column: ColumnFacts) -> bool:
    if column.values is None:
        return False
    present = column.values[~column.missing]
    return bool((present == np.rint(present)).all())


def _texts(column: ColumnFacts) -> list[str]:
    if column.words is None:
        assert column.values is not None
        return ["" if value != value else f"{value:.12g}" for value in column.values.tolist()]
    return ["" if absent else word for word, absent in zip(column.words, column.missing, strict=True)]


def _missing(column: ColumnFacts, lines: NDArray[np.int64]) -> list[tuple[int, Fault]]:
    remedy = "--missing drop leaves out rows without an answer"
    told = "no answer, an empty or missing cell"
    return [(row, in_cell(lines[row], column.name, told, remedy)) for row in np.flatnonzero(column.missing).tolist()]


def _wrong(column: ColumnFacts, lines: NDArray[np.int64], task: Task) -> list[tuple[int, Fault]]:
    words = column.words
    if column.values is None and words is not None:
        rows: Sequence[int] = [row for row, word in enumerate(words) if word]
        remedy = "learn one column of words (--task classification), or values in numbers"
    else:
        rows, remedy = column.wrong, _SKIP + (", or --task classification" if task == "auto" else "")
    found: list[tuple[int, Fault]] = []
    for row in rows:
        cell: Any = words[row] if words is not None else column.values[row] if column.values is not None else ""
        found.append((row, in_cell(lines[row], column.name, f"expected a finite number, found {cell!r}", remedy)))
    return found


def _is_integer(label: str) -> bool:
    return label.lstrip("-").isdecimal()
