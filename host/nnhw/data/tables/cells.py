"""Cells of text -> numbers: decimal commas, thousands, and cells that say that a value is missing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

LARGEST = 1e30
"""Numbers up to this magnitude are taken."""

MISSING = frozenset(("", "?", "na", "n/a", "nan", "null", "#n/a", "<na>"))
"""Cells, in lower case, that mean a missing value in any column."""

_MISSING_NUMBER = MISSING | {"-", "--", ".", "none", "nil", "#div/0!", "#value!", "missing", "unknown"}

Decimal = Literal[".", ","]

_THOUSANDS = {
    ".": re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?(?:[eE][+-]?\d+)?"),
    ",": re.compile(r"[+-]?[1-9]\d{0,2}(?:\.\d{3})+(?:,\d*)?(?:[eE][+-]?\d+)?"),
}
_COMMA = re.compile(r"[+-]?(?:\d{1,3}(?:\.\d{3})+|\d*),\d+(?:[eE][+-]?\d+)?")
_POINT = re.compile(r"[+-]?\d*\.\d+(?:[eE][+-]?\d+)?")
_ONLY_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+")
_BLANKS = re.compile(r"(?<=\d)[\u0020\u00a0\u2009\u202f'\u2019](?=\d{3}(?!\d))")
_DATE = re.compile(
    r"(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})|\d{1,2}[- ][A-Za-z]{3,9}[- ]\d{2,4}"
    r"|[A-Za-z]{3}\w* \d{1,2},? \d{4})?"
    r"(?:(?<=.)[ T,]+)?(?:\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[AaPp]\.?[Mm]\.?)?)?(?: ?(?:Z|UTC|[+-]\d{2}:?\d{2}))?"
)


def decimal_mark(cells: Iterable[str], separator: str) -> Decimal:
    """Whether numbers among ``cells`` are written with a decimal point or a comma.

    Where every comma could part thousands as well, it is a decimal comma between semicolons only.
    """
    commas = []
    for cell in cells:
        if _COMMA.fullmatch(cell):
            commas.append(cell)
        elif _POINT.fullmatch(cell) and not _THOUSANDS[","].fullmatch(cell):
            return "."
    if not commas:
        return "."
    if all(_ONLY_THOUSANDS.fullmatch(cell) for cell in commas):
        return "," if separator == ";" else "."
    return ","


def number(cell: str, decimal: Decimal = ".") -> float | None:
    """The number that a cell holds, NaN where it says "missing", None where it holds something else."""
    if cell.lower() in _MISSING_NUMBER:
        return float("nan")
    text = cell.replace("\u2212", "-")
    if not text.isalnum():
        text = _BLANKS.sub("", text)
        if _THOUSANDS[decimal].fullmatch(text):
            text = text.replace("," if decimal == "." else ".", "")
        if decimal == ",":
            text = text.replace(",", ".")
    if "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def numbers(cells: Sequence[str], decimal: Decimal = ".") -> tuple[NDArray[np.float64], list[int]]:
    """The numbers of a column, float64 (n,), NaN where missing; and the places of cells that hold no number.

    A number beyond LARGEST counts as none.
    """
    wrong: list[int] = []
    values = _plain_numbers(cells) if decimal == "." else None
    if values is None:
        parse = partial(number, decimal=decimal)
        known = {cell: parse(cell) for cell in set(cells)}
        found = [known[cell] for cell in cells]
        wrong = [place for place, value in enumerate(found) if value is None]
        values = np.array([np.nan if value is None else value for value in found], dtype=np.float64)
    with np.errstate(invalid="ignore"):
        beyond = np.flatnonzero(np.abs(values) > LARGEST)
    if len(beyond):
        values[beyond] = np.nan
        wrong = sorted([*wrong, *beyond.tolist()])
    return values, wrong


def _plain_numbers(cells: Sequence[str]) -> NDArray[np.float64] | None:
    """All cells as Python reads them, which is fast; None where one is written otherwise."""
    try:
        values = np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        return None
    return None if "_" in "".join(cells) else values


def is_date(cell: str) -> bool:
    """Whether a cell holds a date, a time of day, or both."""
    return any(mark in cell for mark in "-/.: ") and cell[-1:].isalnum() and bool(_DATE.fullmatch(cell))
