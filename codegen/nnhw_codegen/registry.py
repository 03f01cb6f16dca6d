"""Records by name: one way to find them, and one way to say that there is none."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Protocol, TypeVar

from nnhw_codegen.errors import InputError, NnhwError


class Named(Protocol):
    """What has a name to find it by."""

    @property
    def name(self) -> str: ...


Record = TypeVar("Record", bound=Named)


def find(records: Iterable[Record], name: str, what: str, error: type[NnhwError] = InputError) -> Record:
    """The record called ``name``. Raises ``error`` where there is none, with the nearest name and all of them.

    ``what`` says what a record is, as "board".
    """
    by_name = {record.name: record for record in records}
    if name in by_name:
        return by_name[name]
    raise error(unknown(by_name, name, what))


def unknown(names: Iterable[str], name: str, what: str) -> str:
    """The sentence about a name that is none of ``names``."""
    names = tuple(names)
    near = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"there is no {what} {name!r}: {hint}The {what}s are: {', '.join(names)}."


def listed(names: Iterable[str]) -> str:
    """Names in a sentence: "a, b and c"."""
    return " and ".join(", ".join(names).rsplit(", ", 1))
