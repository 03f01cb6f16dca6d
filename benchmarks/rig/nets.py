"""The networks that several benchmarks train."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nnhw.data import datasets
from nnhw.data.dataset import Dataset


@dataclass(frozen=True)
class Net:
    """``hidden`` units on the rows of a data set called ``data``; ``options`` are those of training that are not usual."""

    data: str
    hidden: tuple[int, ...]
    options: dict[str, Any] = field(default_factory=dict)

    def rows(self) -> Dataset:
        """Its data set."""
        return datasets.load(self.data)


SMALL = {
    "Iris 4-8-3": Net("iris", (8,)),
    "Iris 4-16-16-3": Net("iris", (16, 16)),
    "digits 64-32-10": Net("digits", (32,), {"epochs": 15, "batch": 16, "rate": 0.005}),
}
"""Those whose cycles are counted."""

ALL = {
    **SMALL,
    "Wine 13-16-3": Net("wine", (16,)),
    "breast cancer 30-16-2": Net("breast_cancer", (16,), {"epochs": 40}),
}
