"""What a user says about a table: which columns and rows to take, and what to do with missing values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from nnhw.errors import DataError

Missing = Literal["refuse", "drop", "mean", "flag"]


@dataclass(frozen=True)
class DataOptions:
    """How to read a table. Raises DataError for options that exclude each other.

    header    whether the first row names the columns; None finds out
    drop      columns to leave out
    columns   the inputs, these alone and whatever they look like; (): all columns but the answer
    group     column of groups (persons, devices, days): rows of one group are never both trained on and held out
    order     "time" where rows are in the order of time: the last ones are held out. "": at random
    clip      limit values that lie far outside all others of their column, so that these keep their resolution
    missing   "refuse" names missing values; "drop" leaves out their rows; "mean" fills in the mean, in words the most
              frequent one; "flag" does so in numbers and adds an input that is 1 where a value is missing
    skip_bad  leave out rows that cannot be read
    """

    header: bool | None = None
    drop: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    group: str | None = None
    order: Literal["", "time"] = ""
    clip: bool = False
    missing: Missing = "refuse"
    skip_bad: bool = False

    def __post_init__(self) -> None:
        if self.group is not None and self.order:
            raise DataError("--group and --order time exclude each other: both say which rows are held out")

    def record(self) -> dict[str, Any]:
        """The options that differ from the defaults, as the training record of a model keeps them."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        changed = {name: value for name, value in given.items() if value != getattr(DataOptions(), name)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in changed.items()}

    def words(self) -> list[str]:
        """The words of a command that give these options."""
        told: list[str] = []
        for name, value in self.record().items():
            option = f"--{name.replace('_', '-')}"
            if isinstance(value, bool):
                told.append(option if value else f"--no-{name}")
            else:
                for word in value if isinstance(value, list) else [value]:
                    told += [option, word]
        return told


def from_record(record: Any) -> DataOptions:
    """The options that ``DataOptions.record`` told. Raises DataError for a record of something else."""
    if not isinstance(record, Mapping):
        return DataOptions()
    given: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in record.items()}
    try:
        return DataOptions(**given)
    except TypeError:
        raise DataError(f"training record: unknown options of the data: {', '.join(given)}") from None
