"""Which columns of a table are inputs and answers, which are left out, and which cannot be used."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nnhw.data import leaks
from nnhw.data.columns import MOST_WORDS, ColumnFacts
from nnhw.data.data_options import DataOptions
from nnhw.data.faults import Fault
from nnhw.data.tables.table import Table

_TOLD = 12  # column names in a message

_REASON = {
    "index": "numbers or names of the rows",
    "date": "dates or times",
    "empty": "no values",
    "constant": "the same word in every row",
}


@dataclass(frozen=True)
class Choice:
    """The columns to learn from and to learn, and that of groups; ``left_out`` is (name, reason) of the others.

    ``one_hot``: the answers are the classes of one.
    """

    inputs: tuple[ColumnFacts, ...]
    answers: tuple[ColumnFacts, ...]
    group: ColumnFacts | None
    one_hot: bool
    left_out: tuple[tuple[str, str], ...]
    faults: tuple[Fault, ...]


def names_in(words: Iterable[str], names: Sequence[str]) -> tuple[str, ...]:
    """The column names in ``words``, each of which is one of ``names`` or several with commas between them."""
    return tuple(
        name.strip() for word in words for name in ((word,) if word in names else word.split(",")) if name.strip()
    )


def choose(table: Table, facts: Sequence[ColumnFacts], answers: Sequence[str], options: DataOptions) -> Choice:
    """Sort the columns of ``table``, which are ``facts``; ``answers`` name those to learn."""
    known = {column.name: column for column in facts}
    drop, columns = names_in(options.drop, table.names), names_in(options.columns, table.names)
    wanted = (("--target", answers), ("--drop", drop), ("--columns", columns))
    faults = [_unknown(table, name, option) for option, names in wanted for name in names if name not in known]
    if options.group is not None and options.group not in known:
        faults.append(_unknown(table, options.group, "--group"))
    for option, names in wanted[1:]:
        both = [name for name in names if name in answers]
        if both:
            faults.append(Fault(f"column {both[0]!r} is the answer", f"leave it out of {option}"))
    chosen = [known[name] for name in dict.fromkeys(answers) if name in known]
    spoken_for = {*answers, *drop} | ({options.group} if options.group is not None else set())
    if columns:
        inputs = [known[name] for name in dict.fromkeys(columns) if name in known and name not in answers]
        left_out = []
        faults += [_unusable(column) for column in inputs if column.values is None and not _is_categories(column)]
    else:
        rest = [column for column in facts if column.name not in spoken_for]
        left_out = [(column.name, _REASON[column.kind]) for column in rest if _is_left_out(column)]
        inputs = [column for column in rest if not _is_left_out(column)]
        if not inputs:
            # What counts the rows may be the only thing that was measured, as x in a line.
            inputs = [c for c in rest if c.kind == "index" and c.values is not None and not c.names_rows]
            left_out = [(name, reason) for name, reason in left_out if name not in [c.name for c in inputs]]
        faults += [_unusable(column) for column in inputs if column.kind == "text"]
        faults += leaks.find(inputs, chosen)
    if not inputs and not faults:
        told = (
            ", ".join(repr(name) for name in answers) + " is the only column" + " that can be used" * bool(left_out)
        )
        remedy = "add at least one column of inputs, or name some with --columns"
        faults.append(Fault(told if answers else "no column can be used as an input", remedy))
    group = known.get(options.group) if options.group is not None else None
    return Choice(tuple(inputs), tuple(chosen), group, leaks.is_one_hot(chosen), tuple(left_out), tuple(faults))


def _is_left_out(column: ColumnFacts) -> bool:
    return column.kind in ("index", "date", "empty") or (column.kind == "constant" and column.values is None)


def _is_categories(column: ColumnFacts) -> bool:
    return column.kind in ("category", "constant") or 0 < len(column.categories) <= MOST_WORDS


def _unusable(column: ColumnFacts) -> Fault:
    if column.kind == "date":
        return Fault(f"column {column.name!r} holds dates or times", f"--drop {column.name}, or make numbers of them")
    if column.kind == "empty":
        return Fault(f"column {column.name!r} is empty", f"--drop {column.name}")
    return Fault(
        f"column {column.name!r} holds {len(column.categories):,} different words; inputs are numbers, or up to "
        f"{MOST_WORDS} words",
        f"--drop {column.name}, or make fewer words of them",
    )


def _unknown(table: Table, name: str, option: str) -> Fault:
    what = f"no column {name!r} to learn" if option == "--target" else f"{option}: no column {name!r}"
    told = ", ".join(table.names[:_TOLD]) + (
        f" and {len(table.names) - _TOLD:,} more" if len(table.names) > _TOLD else ""
    )
    close = difflib.get_close_matches(name, table.names, 1, 0.75)
    remedy = f"columns: {told}" + (f"; did you mean {close[0]!r}?" if close else "")
    if not table.header:
        remedy += "; the first line was read as data, --header takes names from it"
    return Fault(what, remedy)
