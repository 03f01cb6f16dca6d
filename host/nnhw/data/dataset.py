"""Rows to learn from, and how they are split into a part to train on and a part to judge by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nnhw.errors import DataError, InputError
from nnhw_codegen.network.network import Column

Array = NDArray[np.float64]
Task = Literal["auto", "classification", "multilabel", "regression"]


@dataclass(frozen=True)
class Dataset:
    """Rows in raw units and what they should give.

    ``rows`` is float64 (n, features). For classes, ``targets`` is int64 (n,), indices into ``classes``; where each class is
    a question of its own, answered with yes or no, it is int64 (n, classes), 1 or 0; for values it is float64
    (n, outputs) and ``classes`` is empty. ``columns`` tells how the cells of a table became features, and is empty where
    each is a number. Rows of the same number in ``groups`` (n,) are never split; ``in_time`` says that rows are in the
    order of time, so that the last ones are held out. ``notes`` are what a user should know about the rows, a line each.
    """

    name: str
    features: tuple[str, ...]
    rows: Array
    targets: NDArray[Any]
    classes: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()
    groups: NDArray[np.int64] | None = None
    in_time: bool = False
    notes: tuple[str, ...] = ()

    @property
    def multilabel(self) -> bool:
        """Whether each class is a question of its own."""
        return bool(self.classes) and self.targets.ndim == 2

    def take(self, rows: NDArray[np.int64]) -> Dataset:
        """The data set of these rows only, in this order."""
        groups = None if self.groups is None else self.groups[rows]
        return replace(self, rows=self.rows[rows], targets=self.targets[rows], groups=groups)


def split(dataset: Dataset, fraction: float, seed: int = 0) -> tuple[Dataset, Dataset]:
    """(training part, held-out part); the latter has about ``fraction`` of the rows, of every class alike.

    The same seed gives the same parts. Where the data set has groups, none is in both; where it is in time, the last
    rows are held out. Raises ValueError unless 0 < fraction < 1, and what ``split_rows`` raises.
    """
    kept, held = split_rows(dataset, fraction, seed)
    return dataset.take(kept), dataset.take(held)


def split_off(dataset: Dataset, fraction: float, seed: int = 0) -> tuple[Dataset, Dataset | None]:
    """``split``, with None where nothing is held out: at a fraction of 0, or with too few rows of each class."""
    if not fraction:
        return dataset, None
    kept, held = split(dataset, fraction, seed)
    return kept, held if len(held.rows) else None


def split_rows(dataset: Dataset, fraction: float, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The row numbers of ``split``, each part in ascending order; a class never leaves the training part.

    Raises DataError where the order of time takes all rows of a class out of it.
    """
    if not 0 < fraction < 1:
        raise InputError(f"fraction is {fraction!r}; expected a share between 0 and 1")
    count = len(dataset.rows)
    if dataset.in_time:
        chosen = np.arange(count - min(round(fraction * count), max(count - 1, 0)), count)
        _expect_every_class(dataset, count - len(chosen))
    elif dataset.groups is not None:
        chosen = _whole_groups(dataset, dataset.groups, fraction, seed)
    else:
        order = np.random.default_rng([seed, 2]).permutation(count)
        if dataset.classes and not dataset.multilabel:
            parts = [order[dataset.targets[order] == index] for index in range(len(dataset.classes))]
        else:
            parts = [order]
        held = [part[: min(round(fraction * len(part)), max(len(part) - 1, 0))] for part in parts]
        chosen = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(count), chosen), chosen


def _expect_every_class(dataset: Dataset, kept: int) -> None:
    if not dataset.classes or dataset.multilabel:
        return
    trained = np.bincount(dataset.targets[:kept], minlength=len(dataset.classes))
    present = np.bincount(dataset.targets, minlength=len(dataset.classes))
    late = [name for name, seen, found in zip(dataset.classes, trained, present, strict=True) if found and not seen]
    if late:
        raise DataError(
            f"{dataset.name}: in the order of time the class {late[0]!r} occurs in the held-out rows only; "
            "hold out fewer rows (--held-out), or leave --order time out"
        )


def _whole_groups(dataset: Dataset, groups: NDArray[np.int64], fraction: float, seed: int) -> NDArray[np.int64]:
    """The rows of groups drawn at random, up to about ``fraction`` of all rows; every class stays in other groups."""
    wanted = fraction * len(groups)
    names, sizes = np.unique(groups, return_counts=True)
    if dataset.classes and not dataset.multilabel:
        counts = np.array([np.bincount(dataset.targets[groups == g], minlength=len(dataset.classes)) for g in names])
    else:
        counts = sizes[:, None]
    left, held = counts.sum(axis=0), np.zeros(len(groups), dtype=bool)
    present = left > 0
    for index in np.random.default_rng([seed, 2]).permutation(len(names)):
        taken = int(held.sum())
        closer = abs(taken + sizes[index] - wanted) < abs(taken - wanted)
        if closer and ((left - counts[index] > 0) | ~present).all():
            held |= groups == names[index]
            left = left - counts[index]
    return np.flatnonzero(held)
