"""Inputs that give the answer away: the other columns of a one-hot answer, copies of it, and its codes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nnhw.data.columns import MOST_WORDS, ColumnFacts
from nnhw.data.faults import Fault

_LEAST_ROWS = 10  # in fewer, columns agree by chance
_ROWS_PER_CLASS = 3
_TOLD = 6


def is_one_hot(columns: Sequence[ColumnFacts]) -> bool:
    """Whether of these columns one is 1 and the others 0, in every row that has them all."""
    flags = [_flags(column) for column in columns]
    if len(flags) < 2 or any(column is None for column in flags):
        return False
    return bool((np.array(flags).sum(axis=0) == 1).all())


def one_hot_groups(columns: Sequence[ColumnFacts]) -> list[tuple[str, ...]]:
    """Neighbors of which one is 1 and the others are 0, in every row: at least three columns each."""
    groups: list[tuple[str, ...]] = []
    start = 0
    while start < len(columns):
        end = start + 1
        total = _flags(columns[start])
        while total is not None and total.max() <= 1 and total.min() < 1 and end < len(columns):
            flags = _flags(columns[end])
            total = None if flags is None else total + flags
            end += 1
        if total is not None and total.max() <= 1 and total.min() == 1 and end - start >= 3:
            groups.append(tuple(column.name for column in columns[start:end]))
            start = end
        else:
            start += 1
    return groups


def find(inputs: Sequence[ColumnFacts], answers: Sequence[ColumnFacts]) -> list[Fault]:
    """The inputs that tell ``answers``, as faults that name the way out."""
    faults = _siblings(inputs, answers)
    if faults or not answers or len(answers[0].missing) < _LEAST_ROWS:
        return faults
    copies = [column.name for column in inputs if any(_equal(column, answer) for answer in answers)]
    if len(answers) == 1:
        wanted = _numbered(answers[0])
        if wanted is not None and len(wanted) >= _ROWS_PER_CLASS * (int(wanted.max()) + 1):
            copies += [c.name for c in inputs if c.name not in copies and _same_partition(_numbered(c), wanted)]
            indicators = [c.name for c in inputs if c.name not in copies and _tells_one_class(c, wanted)]
            if len(indicators) >= max(int(wanted.max()), 2):
                copies += indicators
    answer = ", ".join(repr(column.name) for column in answers)
    if copies:
        faults.append(
            Fault(
                f"{_listed(copies)} {'copy' if len(copies) > 1 else 'copies'} the answer {answer}",
                f"--drop {','.join(copies)}; --columns with the inputs that you want, if it is known before the answer",
            )
        )
    return faults


def _siblings(inputs: Sequence[ColumnFacts], answers: Sequence[ColumnFacts]) -> list[Fault]:
    """The columns that are one-hot together with a single 0-1 answer, by their neighborhood in the table."""
    if len(answers) != 1 or _flags(answers[0]) is None or len(answers[0].missing) < 4:
        return []
    candidates = [column for column in inputs if _flags(column) is not None]
    own = _flags(answers[0])
    assert own is not None
    for start in range(len(candidates)):
        total = own.copy()
        for end in range(start, len(candidates)):
            flags = _flags(candidates[end])
            assert flags is not None
            total = total + flags
            if total.max() > 1:
                break
            if total.min() == 1:
                others = [column.name for column in candidates[start : end + 1]]
                answer = answers[0].name
                found = (
                    f"{_listed([answer, *others])} are one-hot: one of them is 1 in every row, so the others tell the "
                    f"answer {answer!r}"
                )
                together = ",".join([answer, *others])
                return [Fault(found, f"--target {together} learns them as classes, or --drop {','.join(others)}")]
    return []


def _flags(column: ColumnFacts) -> NDArray[np.int64] | None:
    values = column.values
    if values is None or column.missing.any() or column.wrong or column.low != 0 or column.high != 1:
        return None
    return values.astype(np.int64) if ((values == 0) | (values == 1)).all() else None


def _equal(column: ColumnFacts, answer: ColumnFacts) -> bool:
    if column.values is None or answer.values is None:
        return False
    return column.low != column.high and np.array_equal(column.values, answer.values, equal_nan=True)


def _numbered(column: ColumnFacts) -> NDArray[np.int64] | None:
    """Which of its different values each row holds, None for more than a class has."""
    if column.values is not None:
        # Most measured columns tell by their first values that they hold too many.
        if column.missing.any() or len(np.unique(column.values[:200])) > MOST_WORDS:
            return None
        values, numbers = np.unique(column.values, return_inverse=True)
    else:
        if len(column.categories) > MOST_WORDS:
            return None
        values, numbers = np.unique(np.array(column.words), return_inverse=True)
    return numbers if 1 < len(values) <= MOST_WORDS else None


def _same_partition(numbers: NDArray[np.int64] | None, wanted: NDArray[np.int64]) -> bool:
    """Whether the two number the same groups of rows: one is a permutation of the other."""
    if numbers is None or numbers.max() != wanted.max():
        return False
    pairs = np.unique(numbers * (int(wanted.max()) + 1) + wanted)
    return len(pairs) == int(wanted.max()) + 1


def _tells_one_class(column: ColumnFacts, wanted: NDArray[np.int64]) -> bool:
    flags = _flags(column)
    if flags is None:
        return False
    inside = np.unique(wanted[flags == 1])
    return len(inside) == 1 and not flags[wanted != inside[0]].any() and bool(flags[wanted == inside[0]].all())


def _listed(names: Sequence[str]) -> str:
    told = ", ".join(repr(name) for name in names[:_TOLD])
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return f"column{'s' if len(names) > 1 else ''} {told}{more}"
