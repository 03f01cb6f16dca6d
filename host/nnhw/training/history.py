"""The losses of training: what an epoch reached, and the record of it in model.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

_MOST_KEPT = 1000
_DIGITS = 5


@dataclass(frozen=True)
class Epoch:
    """What one epoch reached; ``number`` counts from 1.

    ``loss`` is the mean over the batches, each before its own step; ``validation_loss`` is taken after the last step,
    None without validation rows.
    """

    number: int
    epochs: int
    loss: float
    validation_loss: float | None

    @property
    def watched(self) -> float:
        """The loss that tells which epoch is the best."""
        return self.loss if self.validation_loss is None else self.validation_loss


@dataclass(frozen=True)
class History:
    """Every epoch that ran, and the number of the one whose weights the network now has."""

    epochs: tuple[Epoch, ...]
    best: int


@dataclass(frozen=True)
class Losses:
    """Losses of epochs 1, 1 + ``every``, 1 + 2 ``every`` and so on; ``validation`` is empty without validation rows."""

    every: int
    loss: tuple[float, ...]
    validation: tuple[float, ...]


def record(history: History) -> dict[str, Any]:
    """The losses as a training record keeps them: at most 1000 epochs, evenly spread, rounded to 5 digits."""
    every = -(-len(history.epochs) // _MOST_KEPT)
    kept = history.epochs[::every]
    made: dict[str, Any] = {"every": every, "loss": [_rounded(epoch.loss) for epoch in kept]}
    watched = [_rounded(epoch.validation_loss) for epoch in kept if epoch.validation_loss is not None]
    return made | ({"validation_loss": watched} if watched else {})


def _rounded(loss: float) -> float:
    return float(f"{loss:.{_DIGITS - 1}e}")


def losses(training: Mapping[str, Any]) -> Losses | None:
    """The losses in a training record; None where it has none, or something else under that key."""
    found = training.get("history")
    if not isinstance(found, dict):
        return None
    every, loss, validation = found.get("every"), found.get("loss"), found.get("validation_loss", [])
    if not (isinstance(every, int) and every > 0 and _numbers(loss) and _numbers(validation)):
        return None
    if not loss or len(validation) not in (0, len(loss)):
        return None
    return Losses(every, tuple(map(float, loss)), tuple(map(float, validation)))


def _numbers(found: object) -> bool:
    return isinstance(found, list) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value) for value in found
    )
