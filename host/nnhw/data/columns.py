"""What each column of a table is: a number, words, a date, a count of the rows, and what looks odd about it."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nnhw.data import infer_inputs, outliers
from nnhw.data.tables.cells import LARGEST, MISSING, is_date, numbers
from nnhw.data.tables.table import Table

Kind = Literal["number", "category", "date", "index", "constant", "text", "empty"]

MOST_WORDS = 20
"""More different words than this are a text, and more different whole numbers a measured quantity."""

_ROW_NAMES = re.compile(
    r"(?:unnamed: ?\d+|column \d+|(?:row|line|record|sample|obs|observation)?[ _.]?(?:id|idx|index|nr|no|num|number)\.?"
    r"|\w+[ _]id|(?-i:\w+I[dD])|row|rownames|#|uuid)",
    re.IGNORECASE,
)
_TIMES = re.compile(r".*(?:time|date|stamp|unix|epoch|millis)|ts|t_?(?:s|ms|us)", re.IGNORECASE)
_UNIX_SECONDS = (5e8, 4.3e9)
_LEAST_COUNTED = 20  # rows that rise by 1 by chance are fewer
_ANSWERS = re.compile(
    r"label|class(?:es)?|target|y|answer|species|outcome|output|result|diagnosis|category|gesture|activity|state",
    re.IGNORECASE,
)


@dataclass(frozen=True, eq=False)
class ColumnFacts:
    """A column of a table, understood.

    ``values`` (n,) are its numbers, NaN where missing, None where it holds words; ``words`` its cells, "" where missing,
    None where the table had numbers. ``missing`` (n,) tells the rows without a value, ``wrong`` the rows whose cell is
    no number among numbers. ``categories`` are the different words, in order. ``resolution`` is the coarsest decimal step of
    all values, None where there is none; ``step`` the one that an input of it would have.
    """

    name: str
    kind: Kind
    missing: NDArray[np.bool_]
    values: NDArray[np.float64] | None = None
    words: Sequence[str] | None = None
    wrong: tuple[int, ...] = ()
    categories: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    resolution: Fraction | None = None
    step: float | None = None
    suspicions: tuple[str, ...] = field(default=())

    @property
    def missing_share(self) -> float:
        """The share of the rows without a value."""
        return float(self.missing.mean()) if len(self.missing) else 0.0

    @property
    def names_rows(self) -> bool:
        """Whether its name says that it numbers or names the rows."""
        return bool(_ROW_NAMES.fullmatch(self.name))


def examine(table: Table) -> tuple[ColumnFacts, ...]:
    """What the columns of ``table`` are, in its order."""
    return tuple(
        _of_words(table, name, cells) if isinstance(cells, list) else _of_numbers(table, name, cells)
        for name, cells in zip(table.names, table.columns, strict=True)
    )


def likely_answer(facts: Sequence[ColumnFacts]) -> str | None:
    """The column that a user most likely wants to learn: by its name, else the last one where it may hold classes."""
    usable = [column for column in facts if column.kind in ("number", "category")]
    for column in usable:
        if _ANSWERS.fullmatch(column.name):
            return column.name
    if usable and usable[-1] is facts[-1] and (usable[-1].kind == "category" or _few_whole_numbers(usable[-1])):
        return usable[-1].name
    return None


def look_alikes(words: Sequence[str]) -> list[tuple[str, ...]]:
    """Groups of words that differ in case, blanks, hyphens and the like only."""
    groups: dict[str, list[str]] = {}
    for word in words:
        plain = unicodedata.normalize("NFKD", word).casefold()
        groups.setdefault("".join(character for character in plain if character.isalnum()) or word, []).append(word)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def _few_whole_numbers(column: ColumnFacts) -> bool:
    assert column.values is not None
    present = column.values[~column.missing]
    return (
        bool(len(present)) and bool((present == np.rint(present)).all()) and len(set(present.tolist())) <= MOST_WORDS
    )


def _of_words(table: Table, name: str, cells: list[str]) -> ColumnFacts:
    different = set(cells)
    gaps = {cell for cell in different if cell.lower() in MISSING}
    missing = np.fromiter((cell in gaps for cell in cells), bool, len(cells)) if gaps else np.zeros(len(cells), bool)
    if gaps == different:
        return ColumnFacts(name, "empty", missing, words=cells)
    values, wrong = numbers(cells, table.decimal)
    count = len(cells) - int(missing.sum())
    found = int(np.isfinite(values).sum())
    if 2 * found >= count and found:
        return _of_numbers(table, name, values, cells, tuple(wrong))
    counts = Counter(cell for cell in cells if cell not in gaps)
    categories = tuple(sorted(counts))
    words = ["" if absent else cell for cell, absent in zip(cells, missing, strict=True)]
    if 2 * sum(map(is_date, categories)) > len(categories):
        return ColumnFacts(name, "date", missing, words=words)
    kind: Kind = "category"
    if len(categories) == 1 and not missing.any():
        kind = "constant"
    elif len(categories) == count > MOST_WORDS or (name and len(categories) == count > 2 and _is_id(name)):
        kind = "index"
    elif len(categories) > MOST_WORDS:
        kind = "text"
    suspicions = [f"{' and '.join(map(repr, group))} look alike" for group in look_alikes(categories)]
    if kind == "category" and len(categories) == count > 2:
        suspicions.append("no word occurs twice")
    return ColumnFacts(name, kind, missing, words=words, categories=categories, suspicions=tuple(suspicions))


def _is_id(name: str) -> bool:
    return bool(_ROW_NAMES.fullmatch(name))


def _of_numbers(
    table: Table,
    name: str,
    values: NDArray[np.float64],
    cells: list[str] | None = None,
    wrong: tuple[int, ...] = (),
) -> ColumnFacts:
    wrong = wrong or tuple(np.flatnonzero(np.abs(np.nan_to_num(values)) > LARGEST).tolist())
    missing = np.isnan(values)
    missing[list(wrong)] = False
    usable = ~missing
    usable[list(wrong)] = False
    present = values[usable]
    if not len(present):
        return ColumnFacts(name, "empty", missing, values, cells, wrong)
    low, high = float(present.min()), float(present.max())
    resolution, step = infer_inputs.resolution(present), infer_inputs.infer(name, present).step
    kind, suspicions = _number_kind(name, present)
    if kind == "number":
        suspicions += _coarse(present, resolution, step)
        far = outliers.find(np.where(usable, values, np.nan))
        if far is not None:
            suspicions.append(_stretched(table, values, far))
    return ColumnFacts(name, kind, missing, values, cells, wrong, (), low, high, resolution, step, tuple(suspicions))


def _coarse(present: NDArray[np.float64], resolution: Fraction | None, step: float) -> list[str]:
    """What to say where an input's ``step`` is coarser than was meant: of values far from 0, and of whole numbers."""
    low, high = float(present.min()), float(present.max())
    grid = infer_inputs.finer_grid(present, step)
    if grid is not None:
        return [
            f"is in steps of {grid:g}, its ticks in steps of {step:g}, since a board's floats are too short for more at "
            f"{max(-low, high):g}; give whole numbers (the value / {grid:g}) to predict_ticks, subtract a start from it, or "
            "--drop it"
        ]
    if resolution is not None and resolution >= 1 and step > 1.5 * resolution:
        return [
            f"spans {low:g} to {high:g} in steps of {float(resolution):g}: too many, so it is read in steps of {step:g}; "
            "divide it, subtract a start from it, or --drop it"
        ]
    return []


def _number_kind(name: str, present: NDArray[np.float64]) -> tuple[Kind, list[str]]:
    low, high = float(present.min()), float(present.max())
    if low == high:
        return "constant", ["is the same in every row, so it tells nothing; --drop leaves it out"]
    rises = np.diff(present)
    counts = bool((rises == 1).all()) and len(present) > 2
    if counts and (_is_id(name) or len(present) >= _LEAST_COUNTED):
        return "index", []
    whole = _is_id(name) and len(present) > 2 and (present == np.rint(present)).all()
    if whole and len(np.unique(present)) == len(present):
        return "index", []
    first, last = _UNIX_SECONDS
    if _TIMES.fullmatch(name) and any(first * unit <= low and high <= last * unit for unit in (1, 1e3, 1e6, 1e9)):
        return "date", []
    if len(present) >= _LEAST_COUNTED and (rises > 0).all():
        return "number", ["rises from row to row, as a clock does; --drop leaves it out"]
    return "number", []


def _stretched(table: Table, values: NDArray[np.float64], far: outliers.Outliers) -> str:
    row = int(far.rows[0])
    what = "1 value" if len(far.rows) == 1 else f"{len(far.rows)} values"
    return (
        f"{what} far from all others, as {values[row]:g} in line {table.lines[row]} (others {far.low:g} to {far.high:g}), "
        f"cost the input a factor of {far.factor:.0f} in resolution; --clip limits them"
    )
