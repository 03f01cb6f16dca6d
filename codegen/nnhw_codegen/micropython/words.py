"""``encode(row)`` of an exported module: words and missing values -> the numbers that ``predict`` takes.

The integers know nothing of it. A module whose inputs are all numbers has none.
"""

from __future__ import annotations

from collections.abc import Sequence

from nnhw_codegen.network.network import Column
from nnhw_codegen.writer import Writer


def source(columns: Sequence[Column]) -> str:
    """The text to append to a module: one cell for each of ``columns``, None where it is missing -> a list of numbers.

    It raises ValueError for a word that is not known, for NaN, and for a missing value that nothing stands for.
    """
    w = Writer()
    words = any(column.categories for column in columns)
    fills = any(column.fill is not None or column.flag for column in columns)
    flags = any(column.flag for column in columns)
    with w.function("encode(row)", "A row's cells, words and None for a missing one too, to values for predict."):
        with w.block("columns = ("):
            for c in columns:
                parts = [repr(c.name), *([repr(c.categories)] if words else []), *([repr(c.fill)] if fills else [])]
                w.line(f"({', '.join([*parts, *([repr(c.flag)] if flags else [])])}{',' * (len(parts) == 1)}),")
        w.line(")")
        with w.block("if len(row) != len(columns):"):
            w.line('raise ValueError("expected %d cells, found %d" % (len(columns), len(row)))')
        w.line("values = []")
        names = ["name", *(["words"] if words else []), *(["fill"] if fills else []), *(["flag"] if flags else [])]
        with w.block(f"for v, ({', '.join(names)}{',' * (len(names) == 1)}) in zip(row, columns):"):
            _cell(w, words, fills, flags)
        w.line("return values")
    return w.text()


def _cell(w: Writer, words: bool, fills: bool, flags: bool) -> None:
    w.line("gone = v is None")
    allowed = [*(["fill is None"] if fills else []), *(["not flag"] if flags else [])]
    with w.block(f"if {' and '.join(['gone', *allowed])}:"):
        w.line('raise ValueError("%s is missing" % name)')
    if fills:
        with w.block("if gone:"):
            w.line("v = fill")
    if words:
        with w.block("if words:"):
            with w.block(f"if {'not gone and ' * fills}v not in words:"):
                w.line('raise ValueError("%s: %r is none of %r" % (name, v, words))')
            w.line("values += [int(v == word) for word in words]")
        with w.block("else:"):
            _number(w)
    else:
        _number(w)
    if flags:
        with w.block("if flag:"):
            w.line("values.append(int(gone))")


def _number(w: Writer) -> None:
    with w.block("if v != v:"):
        w.line('raise ValueError("%s is NaN; pass None where it is missing" % name)')
    w.line("values.append(v)")
