"""A text file -> a table: which lines hold names, units, titles and totals, and which rows do not fit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnhw.data.faults import Fault
from nnhw.data.tables import lines, text
from nnhw.data.tables.cells import MISSING, Decimal, decimal_mark, number
from nnhw.data.tables.lines import SEPARATORS, Row, Rows
from nnhw.errors import DataError
from nnhw_codegen.network.names import control_in

_MOST_TITLES = 30
_MOST_FOOTERS = 5
_TOTAL = re.compile(
    r"(?:grand |sub ?)?(?:totals?|sum|mean|average|avg|count|minimum|maximum|std(?:ev)?|"
    r"summe|gesamt|mittelwert|anzahl)\b.*",
    re.IGNORECASE,
)
_HEADER_OPTIONS = "--header or --no-header decides"

Cells = list[str] | NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Table:
    """Named columns of equal length, each of words (list of str) or of numbers (float64, NaN where missing).

    ``lines`` (n,) are the numbers of the rows' lines in the file, of rows of an array from 1 on. ``source`` says in
    words how the file was read, ``header`` whether it named its columns; ``skipped`` are lines that were left out and
    ``notes`` what else a user should know, a line each. ``ragged`` are rows of another length, which are left out of the
    columns; ``faults`` concern the table as a whole.
    """

    name: str
    names: tuple[str, ...]
    columns: tuple[Cells, ...]
    lines: NDArray[np.int64]
    source: dict[str, str]
    decimal: Decimal = "."
    header: bool = True
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ragged: tuple[Fault, ...] = ()
    faults: tuple[Fault, ...] = ()


def read_text(path: Path, header: bool | None = None) -> Table:
    """The table in a text file; ``header`` says whether its first row holds names, None finds out.

    Raises DataError where the file cannot be read at all; rows that do not fit are faults of the table.
    """
    content = text.read(path)
    found = lines.read(content.content)
    rows, skipped, notes = list(found.rows), [], []
    if found.comments:
        skipped.append(_told("comment", [line for line, _ in found.comments]))
    if not rows:
        raise DataError(f"{path}: holds comments only; expected a header line and rows of numbers")
    rows, width = _without_empty_end(rows)
    skipped += _drop_titles(rows, width)
    decimal = decimal_mark((cell for row in rows[:1000] for cell in row.cells), found.separator)
    names_line = rows[0].line
    names, by_guess = _header(rows, width, decimal, header)
    if names is None:
        names = _from_comment(found, rows[0].line, width) if header is None else None
        if names is None and by_guess:
            notes.append(f"no header line: the columns are named {'x1 to ' * (width > 1)}x{width}; {_HEADER_OPTIONS}")
        elif names is not None:
            notes.append(f"the comment above the first row names the columns; {_HEADER_OPTIONS}")
    else:
        if by_guess and any(map(_is_number, names)):
            notes.append(f"the first row is taken for names, as {names[0]!r}; {_HEADER_OPTIONS}")
        skipped += _drop_units(rows, decimal)
    has_header = names is not None
    if names is not None:
        repeated = [row.line for row in rows if row.cells == names]
        rows = [row for row in rows if row.cells != names]
        skipped += [_told("repeated header", repeated)] if repeated else []
    else:
        names = [f"x{place + 1}" for place in range(width)]
    skipped += _drop_totals(rows, len(names))
    if rows and len(names) == width - 1 and all(len(row.cells) == width for row in rows):
        names = ["", *names]  # row names without a heading, as R writes them
    fitting, ragged = _fitting(rows, len(names))
    source = {
        "encoding": content.encoding,
        "separator": SEPARATORS.get(found.separator, repr(found.separator)),
        "decimals": "point" if decimal == "." else "comma",
    }
    columns: list[Cells] = [list(cells) for cells in zip(*(row.cells for row in fitting), strict=True)]
    if not columns:
        columns = [[] for _ in names]
    result = Table(
        str(path),
        tuple(names),
        tuple(columns),
        np.array([row.line for row in fitting], dtype=np.int64),
        source,
        decimal,
        has_header,
        tuple(skipped),
        tuple(notes),
        tuple(ragged),
        found.faults,
    )
    return named(result, f"line {names_line}: ")


def named(table: Table, place_of_names: str = "") -> Table:
    """``table`` without nameless empty columns, its other nameless columns named by their place, doubles as faults.

    ``place_of_names`` begins a fault, as "line 1: ".
    """
    kept, names, faults = [], [], []
    for place, (name, column) in enumerate(zip(table.names, table.columns, strict=True)):
        if not name and isinstance(column, list) and not any(column):
            continue
        kept.append(column)
        if name and name in names:
            faults.append(Fault(f"{place_of_names}two columns are called {name!r}", "rename one in the file"))
        control = control_in(name)
        if control:
            found = f"{place_of_names}column {place + 1}, {name!r}, has the control character {control} in its name"
            faults.append(Fault(found, "names are one line of text: rename it in the file"))
        names.append(name or f"column {place + 1}")
    return replace(table, names=tuple(names), columns=tuple(kept), faults=(*faults, *table.faults))


def _told(what: str, places: Sequence[int]) -> str:
    if len(places) == 1:
        return f"{what} (line {places[0]})"
    return f"{len(places):,} {what} lines (first {places[0]}, last {places[-1]})"


def _without_empty_end(rows: Sequence[Row]) -> tuple[list[Row], int]:
    """The rows without the empty cells that all full rows end in, and how many cells a full row has."""
    widths = Counter(len(row.cells) for row in rows)
    width = max(widths.items(), key=lambda item: (item[1], item[0]))[0]
    filled = width
    while filled > 1 and not any(row.cells[filled - 1] for row in rows if len(row.cells) == width):
        filled -= 1
    if filled == width:
        return list(rows), width
    return [Row(row.line, row.cells[:filled]) if len(row.cells) == width else row for row in rows], filled


def _drop_titles(rows: list[Row], width: int) -> list[str]:
    """Remove the lines above the table: one filled cell among several, or of another length above a full line of names."""
    first = next((place for place, row in enumerate(rows[:_MOST_TITLES]) if len(row.cells) == width), 0)
    names_below = all(map(bool, rows[first].cells)) and not any(map(_is_number, rows[first].cells))
    count = first if names_below and len(rows) > first + 1 else 0
    while count < min(len(rows) - 2, _MOST_TITLES) and width > 1:
        cells = rows[count].cells
        alone = len(cells) > 1 and sum(map(bool, cells)) == 1 and not any(map(_is_number, cells))
        if not (alone or len(cells) < width - 1):
            break
        count += 1
    titles = [row.line for row in rows[:count]]
    del rows[:count]
    return [_told("title", titles)] if titles else []


def _is_number(cell: str, decimal: Decimal = ".") -> bool:
    return cell.lower() not in MISSING and number(cell, decimal) is not None


def _header(rows: list[Row], width: int, decimal: Decimal, wanted: bool | None) -> tuple[list[str] | None, bool]:
    """The names in the first row, which then leaves ``rows``, or None; and whether that is a guess."""
    first = rows[0].cells
    if wanted is None:
        # Of the columns that hold numbers below, most must hold none in a line of names.
        below = [row.cells for row in rows[1:200] if len(row.cells) == width]
        offset = width - len(first) if len(first) == width - 1 else 0
        numeric = [
            place
            for place in range(width)
            if 2 * sum(_is_number(cells[place], decimal) for cells in below) > len(below)
        ]
        inside = [first[place - offset] for place in numeric if 0 <= place - offset < len(first)]
        told = sum(1 for cell in inside if _is_number(cell, decimal))
        if numeric and 2 * told >= len(inside):
            return None, True
        if (
            not numeric
            and len(below) > 1
            and any(cell in {cells[place] for cells in below} for place, cell in enumerate(first[:width]) if cell)
        ):
            return None, True
        if not below and any(_is_number(cell, decimal) for cell in first):
            return None, True
    elif not wanted:
        return None, False
    del rows[0]
    while len(first) > width and not first[-1]:
        first = first[:-1]
    return first, wanted is None


def _from_comment(found: Rows, first_line: int, width: int) -> list[str] | None:
    """Names in the comment right above the first row, as numpy.savetxt writes them."""
    above = [comment for line, comment in found.comments if line == first_line - 1]
    if not above:
        return None
    for names in (above[0].split(found.separator if found.separator != lines.BLANKS else None), above[0].split()):
        names = [name.strip() for name in names]
        if len(names) == width and all(names) and not any(map(_is_number, names)):
            return names
    return None


def _drop_units(rows: list[Row], decimal: Decimal) -> list[str]:
    """Remove the line of units below the header: words where every other row holds numbers."""
    if len(rows) < 3:
        return []
    first, others = rows[0].cells, [row.cells for row in rows[1:200] if len(row.cells) == len(rows[0].cells)]
    if not others:
        return []
    numeric = [
        place
        for place in range(len(first))
        if all(number(cells[place], decimal) is not None for cells in others)
        and any(_is_number(cells[place], decimal) for cells in others)
    ]
    words = [first[place] for place in numeric if first[place]]
    if not words or any(number(word, decimal) is not None for word in words):
        return []
    if len(words) < max(1, len(numeric) // 2):
        return []  # one odd cell is a fault of its row
    line = rows.pop(0).line
    return [f"units (line {line}: {', '.join(cell for cell in first if cell)})"]


def _drop_totals(rows: list[Row], width: int) -> list[str]:
    """Remove the last lines where they sum up the table or comment on it."""
    totals: list[int] = []
    while len(rows) > 2 and len(totals) < _MOST_FOOTERS and width > 1:
        cells = rows[-1].cells
        filled = [cell for cell in cells if cell]
        sums = _TOTAL.fullmatch(filled[0]) and filled[0] not in {
            row.cells[cells.index(filled[0])] for row in rows[:-1] if len(row.cells) > cells.index(filled[0])
        }
        remark = len(filled) == 1 and width > 2 and not _is_number(filled[0]) and " " in filled[0]
        if not (sums or remark):
            break
        totals.insert(0, rows.pop().line)
    return [_told("total", totals)] if totals else []


def _fitting(rows: Sequence[Row], width: int) -> tuple[list[Row], list[Fault]]:
    """The rows of ``width`` cells, empty ones at the end left out; the others as faults."""
    fitting, faults = [], []
    for row in rows:
        cells = row.cells
        if len(cells) > width and not any(cells[width:]):
            row = Row(row.line, cells[:width])
        if len(row.cells) == width:
            fitting.append(row)
        else:
            faults.append(
                Fault(
                    f"line {row.line}: found {len(cells)} cells, expected {width} as in the header",
                    "correct the line, or --skip-bad leaves it out",
                )
            )
    return fitting, faults
