"""The options of training, validated."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, isfinite
from numbers import Integral, Real
from typing import Literal

from nnhw_codegen.errors import InputError

LOSSES = ("cross_entropy", "mse")
OPTIMIZERS = ("adam", "sgd")
HELD_OUT = 0.2
"""The share of the rows that nnhw train keeps for the test."""

_MOST_EPOCHS, _FEWEST_EPOCHS, _ROWS_SEEN = 200, 30, 240_000


class TrainingError(InputError):
    """Training cannot start or cannot go on; the message says what to change."""


@dataclass(frozen=True)
class Options:
    """How to train. Raises TrainingError for a value outside its range.

    epochs        at most this many passes over the training rows; None: by their number, see ``epochs_for``
    batch         rows per step
    optimizer     "adam" or "sgd"
    rate          learning rate of the first epoch
    schedule      "cosine" lowers the rate to zero over the epochs, "constant" keeps it
    momentum      of sgd
    decay         of adam: the share of every weight, not of a bias, that an epoch at the first rate takes away apart from
                  the gradient: decoupled weight decay (Loshchilov and Hutter 2019), constant per epoch. 0: none;
                  networks without a hidden layer have none
    balance       weigh the rows of a class by 1 / sqrt(its share): more of the rare classes is told rightly, and fewer rows
                  in all
    loss          "auto" (cross_entropy for classes, else mse), "cross_entropy" or "mse"
    relu_at_zero  derivative of relu and leaky_relu at 0: 0 (from the left), 1 (from the right), 0.5 (their mean)
    validation    share of the rows kept back to watch; the weights of the best epoch on them win. 0: none
    patience      stop after this many epochs without a better validation loss. 0: never
    seed          of the initial weights, the validation rows and the order of the rows
    """

    epochs: int | None = None
    batch: int = 8
    optimizer: str = "adam"
    rate: float = 0.02
    schedule: Literal["cosine", "constant"] = "cosine"
    momentum: float = 0.9
    decay: float = 0.05
    balance: bool = False
    loss: str = "auto"
    relu_at_zero: float = 1.0
    validation: float = 0.0
    patience: int = 20
    seed: int = 0

    def epochs_for(self, rows: int) -> int:
        """How many epochs ``rows`` training rows get: ``epochs``, or 200 for few and about 30,000 steps for many."""
        return self.epochs or min(_MOST_EPOCHS, max(_FEWEST_EPOCHS, round(_ROWS_SEEN / rows)))

    def decay_per_rate(self, rows: int) -> float:
        """What a step takes of a weight, over its rate.

        Of the rates of an epoch the first is ``rate``, and over a cosine they are half of it in the mean; so the sum over
        all epochs is ``decay`` times their number. A step takes a tenth at most.
        """
        mean = 0.5 if self.schedule == "cosine" else 1.0
        return min(self.decay / (self.rate * mean * ceil(rows / self.batch)), 0.1 / self.rate)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "patience", "seed"):
            low = 1 if name in ("epochs", "batch") else 0
            value = getattr(self, name)
            if name == "epochs" and value is None:
                continue
            holds = isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= low
            _expect(holds, name, value, f"an integer of at least {low}")
        for name in ("rate", "momentum", "decay", "validation", "relu_at_zero"):
            value = getattr(self, name)
            _expect(isinstance(value, Real) and isfinite(value), name, value, "a finite number")
        _expect(self.rate > 0, "rate", self.rate, "a number above 0")
        _expect(0 <= self.momentum < 1, "momentum", self.momentum, "a number from 0 to below 1")
        _expect(self.decay >= 0, "decay", self.decay, "a number of at least 0")
        _expect(0 <= self.validation < 1, "validation", self.validation, "a share from 0 to below 1")
        _expect(self.relu_at_zero in (0, 0.5, 1), "relu_at_zero", self.relu_at_zero, "0, 0.5 or 1")
        for name, known in (
            ("optimizer", OPTIMIZERS),
            ("schedule", ("cosine", "constant")),
            ("loss", ("auto", *LOSSES)),
        ):
            _expect(getattr(self, name) in known, name, getattr(self, name), f"one of {', '.join(known)}")


def _expect(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise TrainingError(f"{name} is {value!r}; expected {expected}")
