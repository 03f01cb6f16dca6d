"""What was understood of a table, as text of 80 columns and as JSON."""

from __future__ import annotations

import textwrap
from collections import Counter
from typing import Any

from nnhw.data import faults, leaks
from nnhw.data.columns import ColumnFacts, likely_answer
from nnhw.data.prepare import Prepared

_WIDTH = 80
_MOST_COLUMNS = 40  # listed as text
_NAME = 20
_RANGE = 25


def as_json(prepared: Prepared) -> dict[str, Any]:
    """Everything that was understood, for a program."""
    table = prepared.table
    roles = _roles(prepared)
    return {
        "file": table.name,
        "rows": len(table.lines),
        "rows_used": int(prepared.rows.sum()),
        "read_as": {**table.source, "header": table.header},
        "left_out_lines": list(table.skipped),
        "columns": [_column(column, roles[column.name]) for column in prepared.facts],
        "inputs": [name for column in prepared.columns for name in column.input_names],
        "classes": _class_counts(prepared),
        "notes": list(prepared.notes),
        "refused": faults.lines(prepared.faults),
    }


def as_text(prepared: Prepared) -> list[str]:
    """Lines of at most 80 characters, but for words of the file that are longer."""
    table = prepared.table
    count = len(table.names)
    lines = _paragraph("table", f"{table.name}: {len(table.lines):,} rows of {count:,} column{'s' * (count != 1)}")
    header = "names in the first row" if table.header else "no header"
    lines += _paragraph("read as", f"{', '.join(_words(table.source))}; {header}")
    lines += ["", f"{'column':<{_NAME}} {'kind':<18} {'range or words':<{_RANGE}} {'step':>6} {'missing':>7}"]
    roles = _roles(prepared)
    lines += [_line(column, roles[column.name]) for column in prepared.facts[:_MOST_COLUMNS]]
    if count > _MOST_COLUMNS:
        lines.append(f"... and {count - _MOST_COLUMNS:,} more; --json tells all")
    lines.append("")
    if prepared.choice.answers:
        inputs = [name for column in prepared.columns for name in column.input_names]
        lines += _paragraph("inputs", f"{len(inputs):,}: {_some(inputs)}")
        classes = _class_counts(prepared)
        told = ", ".join(f"{name} ({rows})" for name, rows in list(classes.items())[:20])
        outputs = ", ".join(column.name for column in prepared.choice.answers)
        kind = "yes or no" if prepared.answers.yes_no else "values"
        lines += _paragraph("answer", f"{len(classes)} classes: {told}" if classes else f"{kind}: {outputs}")
    for note in prepared.notes:
        lines += _paragraph("note", note)
    for told in faults.lines(prepared.faults):
        lines += _paragraph("refused", told)
    return lines


def likely(prepared: Prepared) -> str | None:
    """What a user most likely wants to learn, as --target takes it: the last one-hot columns, or one column."""
    one_hot = leaks.one_hot_groups(prepared.facts)
    if one_hot and one_hot[-1][-1] == prepared.facts[-1].name:
        return ",".join(one_hot[-1])
    return likely_answer(prepared.facts)


def _paragraph(label: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=f"{label:<10}", subsequent_indent=" " * 10, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def _words(source: dict[str, str]) -> list[str]:
    """'UTF-8, semicolon, decimal comma', in words for a person."""
    told = dict(source)
    if "decimals" in told:
        told["decimals"] = f"decimal {told['decimals']}"
    if "separator" in told:
        told["separator"] = f"cells apart by {told['separator']}"
    return list(told.values())


def _roles(prepared: Prepared) -> dict[str, str]:
    """Column name -> input, answer, answer?, group, or left out."""
    choice = prepared.choice
    roles = {column.name: "input" for column in choice.inputs}
    roles |= {column.name: "answer" for column in choice.answers}
    if choice.group is not None:
        roles[choice.group.name] = "group"
    if not choice.answers:
        roles |= dict.fromkeys((likely(prepared) or "").split(","), "answer?")
    return {column.name: roles.get(column.name, "left out") for column in prepared.facts}


def _column(column: ColumnFacts, role: str) -> dict[str, Any]:
    return {
        "name": column.name,
        "kind": column.kind,
        "role": role,
        "low": column.low,
        "high": column.high,
        "resolution": None if column.resolution is None else float(column.resolution),
        "step": column.step,
        "categories": list(column.categories) if column.kind in ("category", "constant") else [],
        "missing": column.missing_share,
        "suspicions": list(column.suspicions),
    }


def _line(column: ColumnFacts, role: str) -> str:
    if column.low is not None and column.high is not None:
        told = f"{column.low:g} to {column.high:g}"
    elif column.categories and column.kind in ("category", "constant"):
        told = f"{len(column.categories)}: {', '.join(column.categories)}"
    else:
        told = f"{len(column.categories):,} different" if column.categories else ""
    kind = column.kind if role == "input" else f"{column.kind}, {role}"
    step = "" if column.step is None or column.kind != "number" else f"{column.step:.3g}"
    missing = f"{100 * column.missing_share:.1f} %" if column.missing.any() else ""
    line = f"{_cut(column.name, _NAME)} {_cut(kind, 18)} {_cut(told, _RANGE)} {step:>6} {missing:>7}"
    return line.rstrip()


def _cut(text: str, width: int) -> str:
    printable = "".join(character if character.isprintable() else "?" for character in text)
    return f"{printable:<{width}}" if len(printable) <= width else printable[: width - 3] + "..."


def _some(names: list[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def _class_counts(prepared: Prepared) -> dict[str, int]:
    labels = (label for label, taken in zip(prepared.answers.labels, prepared.rows, strict=False) if taken)
    return dict(sorted(Counter(labels).items()))
