"""Faults of a table, gathered so that a user sees all of them at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nnhw.errors import DataError

MOST_OF_A_KIND = 4
"""So many faults of a column with the same remedy are told one by one; the others are counted."""


@dataclass(frozen=True)
class Fault:
    """What was found where, and the ``remedy``: the option that helps or what to change in the file.

    ``column`` names the column of a cell.
    """

    found: str
    remedy: str
    column: str = ""

    def __str__(self) -> str:
        return f"{self.found}; {self.remedy}" if self.remedy else self.found


def in_cell(line: int, column: str, told: str, remedy: str) -> Fault:
    """The fault of one cell."""
    return Fault(f"line {line}, column {column!r}: {told}", remedy, column)


def lines(faults: Iterable[Fault]) -> list[str]:
    """A line for each fault, in the order given; of many in a column the first, and how many there are."""
    told: list[str] = []
    seen: dict[tuple[str, str], int] = {}
    for fault in faults:
        kind = (fault.column, fault.remedy)
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= MOST_OF_A_KIND:
            told.append(str(fault))
    for (column, remedy), count in seen.items():
        if count > MOST_OF_A_KIND:
            place = f" in column {column!r}" if column else ""
            told.append(f"and {count - MOST_OF_A_KIND:,} more like these{place}; {remedy}")
    return told


def refuse(name: str, faults: Iterable[Fault]) -> None:
    """Raise DataError that tells all ``faults`` of the table called ``name``, if there are any."""
    told = lines(faults)
    if len(told) == 1:
        raise DataError(f"{name}: {told[0]}")
    if told:
        raise DataError(f"{name}: cannot be used as it is:" + "".join(f"\n  {line}" for line in told))
