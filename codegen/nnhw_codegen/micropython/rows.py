"""Rows of numbers as bytes, which stand in the function that reads them: a name at the top level takes heap.

One row follows the other in the order of reading, so that one index walks through all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from nnhw_codegen.integers.fixed import IntArray
from nnhw_codegen.writer import Writer, bytes_literal


class Rows:
    """Columns of equal length, by name: those whose numbers are all the same stand in the code, the others in bytes."""

    def __init__(self, columns: Mapping[str, IntArray]) -> None:
        self._stored = {name: column for name, column in columns.items() if common(column) is None}
        self.text = {name: name if name in self._stored else str(column[0]) for name, column in columns.items()}
        """The expression for a number of the row at hand, by column."""

    def begin(self, w: Writer) -> None:
        """Before the first row: the bytes in w, and the index k."""
        if self._stored:
            columns = [numbers(column.tolist(), width(column)) for column in self._stored.values()]
            data = b"".join(map(b"".join, zip(*columns, strict=True)))
            w.lines(f"w = {bytes_literal(data)}", "k = 0")

    def take(self, w: Writer) -> None:
        """The numbers of the next row."""
        at = 0
        for name, column in self._stored.items():
            w.line(f"{name} = {number(at, width(column))}")
            at += width(column)
        if self._stored:
            w.line(f"k += {at}")


def common(column: IntArray) -> int | None:
    """The value that all have, if they do."""
    return int(column[0]) if (column == column[0]).all() else None


def width(column: IntArray) -> int:
    """Bytes that every one of them fits, with its sign."""
    low, high = int(np.min(column)), int(np.max(column))
    return max((value if value >= 0 else ~value).bit_length() // 8 + 1 for value in (low, high))


def numbers(values: Iterable[int], size: int) -> list[bytes]:
    """Little-endian, the sign bit inverted: ``number`` then needs no more than its highest byte minus 128."""
    lift = 1 << 8 * size - 1
    return [(value + lift).to_bytes(size, "little") for value in values]


def number(at: int, size: int) -> str:
    """The expression for a number of ``size`` bytes in w, ``at`` bytes after k: all of it small ints."""
    places = [f"w[k + {at + n}]" if at + n else "w[k]" for n in range(size)]
    parts = [place if n == 0 else f"{place} << {8 * n}" for n, place in enumerate(places[:-1])]
    highest = f"{places[-1]} - 128"
    return " | ".join([*parts, highest if size == 1 else f"{highest} << {8 * (size - 1)}"])
