"""Text -> rows of cells: comment lines left out, the separator found."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from nnhw.data.faults import Fault
from nnhw.data.tables.cells import decimal_mark, number

BLANKS = " "
SEPARATORS = {"\t": "tab", ";": "semicolon", ",": "comma", "|": "bar", BLANKS: "blanks"}
"""The separators that are tried, and their names; the first of equals wins."""

_COMMENT = re.compile(r"\s*(?:#|%|//)")
_DECLARED = re.compile(r"\ufeff?sep=(.)\s*", re.IGNORECASE)
_SAMPLE = 64  # lines that tell the separator


@dataclass(frozen=True)
class Row:
    """The cells of one row, stripped of blanks, and the number of its line in the file."""

    line: int
    cells: list[str]


@dataclass(frozen=True)
class Rows:
    """All rows that are not blank, the separator (a key of SEPARATORS), and what was left out."""

    rows: list[Row]
    separator: str
    comments: tuple[tuple[int, str], ...]
    faults: tuple[Fault, ...]


def read(text: str) -> Rows:
    """The rows of a text."""
    lines = text.split("\n") if "\r" not in text else re.split(r"\r\n|\r|\n", text)
    first = next((line for line in lines if line.strip()), "")
    declared = _DECLARED.fullmatch(first)
    if declared:
        lines[lines.index(first)] = ""
    comments = [(place, line) for place, line in enumerate(lines) if _COMMENT.match(line)]
    if 2 * len(comments) > sum(1 for line in lines if line.strip()):
        comments = []  # no comments but cells, such as colors
    for place, _ in comments:
        lines[place] = ""
    separator = declared[1] if declared else _separator([line for line in lines if line.strip()][:_SAMPLE])
    rows, faults = _parse(lines, separator)
    return Rows(rows, separator, tuple((place + 1, line.strip().lstrip("#%/ ")) for place, line in comments), faults)


def _parse(lines: Sequence[str], separator: str) -> tuple[list[Row], tuple[Fault, ...]]:
    rows = []
    if separator == BLANKS:
        lines = [line.replace("\t", " ").strip() for line in lines]
    source = io.StringIO("\n".join(lines), newline="")
    reader = csv.reader(source, delimiter=separator, skipinitialspace=True, strict=True)
    padded = any(" " in line or "\t" in line for line in lines)
    try:
        for cells in reader:
            if padded:
                cells = [cell.strip() for cell in cells]
            if any(cells):
                rows.append(Row(reader.line_num, cells))
    except csv.Error as error:
        remedy = "close the quotation mark in the file"
        return rows, (Fault(f"line {reader.line_num}: {error}", remedy),)
    return rows, ()


def _separator(sample: Sequence[str]) -> str:
    best, best_score = ",", (0.0, 0.0)
    for separator in SEPARATORS:
        score = _score(sample, separator)
        if score > best_score:
            best, best_score = separator, score
    return best


def _score(sample: Sequence[str], separator: str) -> tuple[float, float]:
    """How well the lines fall into columns: the share of lines of the same width, then that of cells with numbers."""
    try:
        rows = [row.cells for row in _parse(sample, separator)[0]]
    except csv.Error:
        return 0.0, 0.0
    widths = Counter(map(len, rows))
    width, count = max(widths.items(), key=lambda item: (item[1], item[0]), default=(0, 0))
    if width < 2:
        return 0.0, 0.0
    cells = [cell for row in rows if len(row) == width for cell in row if cell]
    decimal = decimal_mark(cells, separator)
    found = sum(1 for cell in cells if number(cell, decimal) is not None)
    # A title or a footer must not outweigh what the cells hold.
    return round(count / len(rows), 1), found / max(len(cells), 1)
