"""Words and missing values -> the numbers that a network takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.data.columns import ColumnFacts
from nnhw.data.data_options import Missing
from nnhw.data.faults import Fault, in_cell
from nnhw.data.tables.cells import LARGEST
from nnhw.errors import DataError
from nnhw_codegen.network.names import control_in
from nnhw_codegen.network.network import Column

Array = NDArray[np.float64]


def encode_row(columns: Sequence[Column], row: Sequence[Any]) -> list[float]:
    """The inputs' values for one row: a number or a word for each of ``columns``, None where it is missing.

    ``encode`` of an exported module does the same. Raises DataError for a word that its column does not know, a missing
    value where the column has nothing to put in its place, and NaN.
    """
    if len(row) != len(columns):
        raise DataError(f"expected {len(columns)} values, one for each column, found {len(row)}")
    values: list[float] = []
    for cell, column in zip(row, columns, strict=True):
        absent = cell is None
        if absent and column.fill is None and not column.flag:
            raise DataError(f"column {column.name!r}: a missing value, which the model was not trained for")
        if absent:
            cell = column.fill
        if column.categories:
            if not absent and cell not in column.categories:
                known = ", ".join(column.categories)
                raise DataError(f"column {column.name!r}: found {cell!r}; expected one of {known}")
            values += [float(cell == word) for word in column.categories]
        else:
            value = float(cell)
            if value != value:
                raise DataError(f"column {column.name!r}: NaN; a missing value is None")
            values.append(value)
        if column.flag:
            values.append(float(absent))
    return values


def column_of(facts: ColumnFacts, missing: Missing, rows: NDArray[np.bool_]) -> Column:
    """How to encode a column so that ``rows`` (n,), a mask, can be learned from."""
    absent = bool(facts.missing[rows].any())
    flag = missing == "flag" and absent
    if facts.values is None:
        assert facts.words is not None
        counts = Counter(word for word, taken in zip(facts.words, rows, strict=True) if taken and word)
        fill = counts.most_common(1)[0][0] if missing == "mean" and absent and counts else None
        return Column(facts.name, tuple(sorted(counts)), fill, flag)
    if missing in ("refuse", "drop") or not absent:
        return Column(facts.name)
    known = facts.values[rows & np.isfinite(facts.values)]
    mean = float(known.mean()) if len(known) else 0.0
    if facts.resolution is not None:
        # On the decimals of the column, which would else lose them.
        mean = float(round(mean / facts.resolution) * facts.resolution)
    return Column(facts.name, (), mean, flag)


def encode_column(column: Column, facts: ColumnFacts) -> Array:
    """The inputs of all rows of a column, float64 (n, inputs); NaN where nothing is known to put in."""
    parts: list[Array] = []
    if column.categories:
        assert facts.words is not None
        words = np.array([word or column.fill or "" for word in facts.words])
        shares = [(words == word).astype(np.float64) for word in column.categories]
        unknown = facts.missing if column.fill is None and not column.flag else np.zeros(len(words), dtype=bool)
        unknown = unknown | ~np.isin(words, [*column.categories, ""])
        parts += [np.where(unknown, np.nan, share) for share in shares]
    else:
        assert facts.values is not None
        filled = facts.values if column.fill is None else np.where(facts.missing, column.fill, facts.values)
        parts.append(np.asarray(filled, dtype=np.float64))
    if column.flag:
        parts.append(facts.missing.astype(np.float64))
    return np.stack(parts, axis=1)


def faults(column: Column, facts: ColumnFacts, lines: NDArray[np.int64]) -> list[tuple[int | None, Fault]]:
    """(row, fault) of every cell that ``column`` cannot encode, None for all rows; ``lines`` (n,) are the rows' lines."""
    if column.categories and facts.words is None:
        return [
            (None, Fault(f"column {column.name!r} holds numbers, but the model takes words", "name another file"))
        ]
    if not column.categories and facts.values is None:
        return [
            (None, Fault(f"column {column.name!r} holds words, but the model takes numbers", "name another file"))
        ]
    found: list[tuple[int | None, Fault]] = [
        (None, Fault(f"column {column.name!r}: the word {word!r} has a control character", "change it in the file"))
        for word in column.categories
        if control_in(word)
    ]
    skip = "correct the cell, or --skip-bad leaves out its row"
    for row in facts.wrong:
        cell = _cell(facts, row)
        limit = f" up to {LARGEST:g}" if _is_number(cell) else ""
        told = f"expected a finite number{limit}, found {cell!r}"
        found.append((row, in_cell(lines[row], column.name, told, skip)))
    if column.fill is None and not column.flag:
        remedy = "--missing drop leaves out such rows, mean fills in the mean, flag makes an input of it"
        for row in np.flatnonzero(facts.missing).tolist():
            cell = "" if facts.words is None else facts.words[row]
            told = f"found a missing value, {cell!r}" if cell else "found no value"
            found.append((row, in_cell(lines[row], column.name, told, remedy)))
    if column.categories and facts.words is not None:
        known = ", ".join(column.categories)
        for row, word in enumerate(facts.words):
            if word and word not in column.categories:
                told = f"found {word!r}, expected one of {known}"
                found.append((row, in_cell(lines[row], column.name, told, skip)))
    return found


def _cell(facts: ColumnFacts, row: int) -> str:
    if facts.words is not None:
        return facts.words[row]
    assert facts.values is not None
    return f"{facts.values[row]:g}"


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
