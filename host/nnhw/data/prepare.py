"""A table and what a user says about it -> rows to learn from; every fault is told at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nnhw.data import answers as reading
from nnhw.data import encode, leaks, outliers
from nnhw.data.choose_columns import Choice, choose
from nnhw.data.columns import ColumnFacts, examine
from nnhw.data.data_options import DataOptions
from nnhw.data.dataset import Array, Dataset, Task
from nnhw.data.faults import Fault, in_cell, refuse
from nnhw.data.tables.table import Table
from nnhw_codegen.network.network import Column

_TOLD = 6


@dataclass(frozen=True, eq=False)
class Prepared:
    """A table, what its columns are and become, ``rows`` (n,) that are used, what is refused, and the notes."""

    table: Table
    facts: tuple[ColumnFacts, ...]
    choice: Choice
    columns: tuple[Column, ...]
    answers: reading.Answers
    rows: NDArray[np.bool_]
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]


def prepare(
    table: Table,
    targets: Sequence[str],
    task: Task = "auto",
    options: DataOptions | None = None,
    columns: Sequence[Column] = (),
) -> Prepared:
    """Sort out the columns and rows of ``table``; ``targets`` are the columns to learn.

    ``columns`` are those of a network that the rows are meant for: they are encoded as it was trained.
    """
    options = options or DataOptions()
    facts = examine(table)
    choice = choose(table, facts, targets, options)
    rows = np.ones(len(table.lines), dtype=bool)
    faults: list[Fault] = [*table.faults, *choice.faults]
    notes = [*table.notes]
    if table.skipped:
        notes.append(f"left out lines: {'; '.join(table.skipped)}")
    if options.skip_bad and table.ragged:
        notes.append(f"--skip-bad left out {len(table.ragged):,} rows of another length")
    elif not options.skip_bad:
        faults += table.ragged
    found = reading.read(choice.answers, choice.one_hot, task, table.lines)
    usable = [column for column in choice.inputs if column.values is not None or column.categories]
    encoded = _columns(usable, columns, options, rows)
    cells: list[tuple[int | None, Fault]] = [*found.faults]
    for column, fact in zip(encoded, usable, strict=True):
        cells += encode.faults(column, fact, table.lines)
    if choice.group is not None:
        group = choice.group
        remedy = "fill it in, or --skip-bad leaves out its row"
        for row in np.flatnonzero(group.missing).tolist():
            cells.append((row, in_cell(table.lines[row], group.name, "no group", remedy)))
    remaining = []
    for place, fault in cells:
        if place is not None and (options.skip_bad or (options.missing != "refuse" and "--missing" in fault.remedy)):
            rows[place] = False
        else:
            remaining.append((-1 if place is None else place, fault))
    faults += [*found.general, *(fault for _, fault in sorted(remaining, key=lambda item: item[0]))]
    if not rows.all() and not faults:
        notes.append(_left_out_rows(table, rows))
        encoded = _columns(usable, columns, options, rows)  # a word may have vanished with its rows
        for column, fact in zip(encoded, usable, strict=True):
            if fact.values is None and not column.categories:
                faults.append(
                    Fault(f"column {column.name!r}: no row that is left holds a word", f"--drop {column.name}")
                )
    faults += _too_few(table, int(rows.sum()), 2 if targets and not columns else 1)
    notes += _left_out_columns(choice)
    notes += _suspicions(usable, options)
    if not targets:
        for names in leaks.one_hot_groups(facts):
            notes.append(f"{_some(names)} are one-hot; --target {','.join(names)} learns them as classes")
    return Prepared(table, facts, choice, tuple(encoded), found, rows, tuple(faults), tuple(notes))


def inputs(prepared: Prepared, options: DataOptions) -> tuple[tuple[str, ...], Array, tuple[str, ...]]:
    """Names of the inputs, their values (n, inputs), and all notes. Raises DataError that tells every fault."""
    table, rows = prepared.table, prepared.rows
    refuse(table.name, prepared.faults)
    notes = list(prepared.notes)
    known = {column.name: column for column in prepared.choice.inputs}
    parts = []
    for column in prepared.columns:
        part = encode.encode_column(column, known[column.name])
        far = outliers.find(part[rows, 0]) if options.clip and not column.categories else None
        if far is not None:
            part[:, 0] = np.clip(part[:, 0], far.low, far.high)
            notes.append(
                f"column {column.name!r}: --clip limits {len(far.rows)} values to {far.low:g} to {far.high:g}"
            )
        parts.append(part[rows])
    features = tuple(feature for column in prepared.columns for feature in column.input_names)
    twice = [feature for feature, count in Counter(features).items() if count > 1]
    refuse(table.name, [Fault(f"two inputs are called {feature!r}", "rename a column") for feature in twice])
    return features, np.ascontiguousarray(np.concatenate(parts, axis=1)), tuple(notes)


def dataset(prepared: Prepared, name: str, options: DataOptions) -> Dataset:
    """The rows to learn from. Raises DataError that tells every fault."""
    table, choice, rows = prepared.table, prepared.choice, prepared.rows
    features, values, notes = inputs(prepared, options)
    plain = all(column.is_plain for column in prepared.columns)
    result = Dataset(
        name,
        features,
        values,
        np.zeros(0),
        columns=() if plain else prepared.columns,
        groups=None if choice.group is None else _groups(table, choice.group, rows),
        in_time=options.order == "time",
    )
    if prepared.answers.values is not None:
        outputs = tuple(column.name for column in choice.answers)
        targets = prepared.answers.values[rows]
        if prepared.answers.yes_no:
            return replace(result, targets=targets.astype(np.int64), classes=outputs, notes=notes)
        return replace(result, targets=targets, outputs=outputs, notes=notes)
    labels = [label for label, taken in zip(prepared.answers.labels, rows, strict=True) if taken]
    indices, classes, faults = reading.classes_of(", ".join(column.name for column in choice.answers), labels)
    refuse(table.name, faults)
    return replace(result, targets=indices, classes=classes, notes=(*notes, *reading.notes(classes)))


def _groups(table: Table, column: ColumnFacts, rows: NDArray[np.bool_]) -> NDArray[np.int64]:
    cells = np.asarray(column.words if column.words is not None else column.values)
    names, numbers = np.unique(cells[rows], return_inverse=True)
    if len(names) < 2:
        refuse(table.name, [Fault(f"--group {column.name}: holds one group", "expected at least two")])
    return np.asarray(numbers, dtype=np.int64)


def _columns(
    usable: Sequence[ColumnFacts], given: Sequence[Column], options: DataOptions, rows: NDArray[np.bool_]
) -> list[Column]:
    known = {column.name: column for column in given}
    if given and all(column.name in known for column in usable):
        return [known[column.name] for column in usable]
    return [encode.column_of(column, options.missing, rows) for column in usable]


def _too_few(table: Table, found: int, least: int) -> list[Fault]:
    if found >= least:
        return []
    below = " below the header" if table.header else ""
    return [Fault(f"found {found} rows{below}", f"expected at least {least}")]


def _left_out_rows(table: Table, rows: NDArray[np.bool_]) -> str:
    lines = table.lines[~rows].tolist()
    more = f" and {len(lines) - _TOLD:,} more" if len(lines) > _TOLD else ""
    told = ", ".join(map(str, lines[:_TOLD]))
    return f"left out {len(lines):,} of {len(rows):,} rows: line{'s' if len(lines) > 1 else ''} {told}{more}"


def _left_out_columns(choice: Choice) -> list[str]:
    reasons: dict[str, list[str]] = {}
    for name, reason in choice.left_out:
        reasons.setdefault(reason, []).append(repr(name))
    return [f"left out {_some(names)} ({reason}); --columns takes what you name" for reason, names in reasons.items()]


def _suspicions(inputs: Sequence[ColumnFacts], options: DataOptions) -> list[str]:
    constant = [repr(column.name) for column in inputs if column.kind == "constant"]
    notes = (
        [f"{_some(constant)}: the same in every row, which tells nothing; --drop leaves it out"] if constant else []
    )
    for column in inputs:
        if column.kind != "constant":
            told = [text for text in column.suspicions if not (options.clip and "--clip" in text)]
            notes += [f"column {column.name!r}: {text}" for text in told]
    return notes


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_TOLD]) + (f" and {len(names) - _TOLD:,} more" if len(names) > _TOLD else "")
