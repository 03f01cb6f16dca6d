"""Optimizers: one update in place over the flat vector of all parameters, without allocating."""

from __future__ import annotations

from math import sqrt
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nnhw.training.options import OPTIMIZERS
from nnhw_codegen.errors import InputError

Array = NDArray[np.float64]


_DECAY_MEAN, _DECAY_SQUARE, _EPSILON = 0.9, 0.999, 1e-8


class Optimizer(Protocol):
    """Moves the parameters it was made for; ``rate`` may be changed between steps."""

    rate: float

    def step(self) -> None:
        """Apply the gradient, which is overwritten."""


def make(
    name: str, values: Array, gradient: Array, rate: float, momentum: float, decay: Array | float = 0.0
) -> Optimizer:
    """The optimizer called ``name`` for flat vectors of one length; ``momentum`` matters to sgd only, ``decay`` to adam.

    Raises ValueError for an unknown name.
    """
    if name == "adam":
        return Adam(values, gradient, rate, decay)
    if name == "sgd":
        return Sgd(values, gradient, rate, momentum)
    raise InputError(f"unknown optimizer {name!r}; known: {', '.join(OPTIMIZERS)}")


class Sgd:
    """Gradient descent with momentum: ``v = momentum * v - rate * g``, ``p = p + v``."""

    def __init__(self, values: Array, gradient: Array, rate: float, momentum: float) -> None:
        self.rate = rate
        self._values = values
        self._gradient = gradient
        self._momentum = momentum
        self._velocity = np.zeros_like(values)

    def step(self) -> None:
        gradient = self._gradient
        np.multiply(gradient, self.rate, gradient)
        if self._momentum:
            velocity = self._velocity
            np.multiply(velocity, self._momentum, velocity)
            np.subtract(velocity, gradient, velocity)
            np.add(self._values, velocity, self._values)
        else:
            np.subtract(self._values, gradient, self._values)


class Adam:
    """Adam (Kingma and Ba 2015) with the usual constants 0.9, 0.999 and 1e-8, and decoupled weight decay.

    Before its own move, a step at ``rate`` takes ``rate * decay`` of every value; ``decay`` is one share for all values, or
    one for each.
    """

    def __init__(self, values: Array, gradient: Array, rate: float, decay: Array | float = 0.0) -> None:
        self.rate = rate
        self._decay = decay
        self._kept_at, self._kept = rate, 1.0 - rate * decay
        self._values = values
        self._gradient = gradient
        self._mean = np.zeros_like(values)
        self._square = np.zeros_like(values)
        self._work = np.empty_like(values)
        self._mean_left = self._square_left = 1.0

    def step(self) -> None:
        gradient, mean, square, work = self._gradient, self._mean, self._square, self._work
        self._mean_left *= _DECAY_MEAN
        self._square_left *= _DECAY_SQUARE
        unbias = sqrt(1.0 - self._square_left)
        np.subtract(gradient, mean, work)
        np.multiply(work, 1.0 - _DECAY_MEAN, work)
        np.add(mean, work, mean)
        np.multiply(gradient, gradient, gradient)
        np.subtract(gradient, square, gradient)
        np.multiply(gradient, 1.0 - _DECAY_SQUARE, gradient)
        np.add(square, gradient, square)
        np.sqrt(square, work)
        # Both bias corrections move into scalars: epsilon and the rate.
        np.add(work, _EPSILON * unbias, work)
        np.divide(mean, work, work)
        np.multiply(work, self.rate * unbias / (1.0 - self._mean_left), work)
        if self._kept_at != self.rate:
            self._kept_at, self._kept = self.rate, 1.0 - self.rate * self._decay
        np.multiply(self._values, self._kept, self._values)
        np.subtract(self._values, work, self._values)
