"""Hundreds of float networks of one shape, trained together as stacked arrays.

Every array has the networks along its last axis, so that one NumPy call serves all of them:

    weights   (units, inputs + 1, networks), the bias in the last column
    z         (units, networks)

Networks are the product of arms (activation, derivative at zero, rate) and seeds (initial weights, rows, order of
the rows), arms first: network = arm * seeds + seed. The arms of a seed start from the same weights and see the same
rows in the same order, so that they can be compared in pairs. No network depends on another: a network gets the same
bits in any company. (Not quite so alone: a single column NumPy sums in another order.) Every product and every sum is
rounded to the weights' type, sums term by term; in float16 an activation is rounded once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

from nnhw.training.float_types import Native, arithmetic
from nnhw_codegen.errors import InputError
from nnhw_codegen.network import activations
from nnhw_codegen.network.activations import Activation

Array = NDArray[Any]
IntArray = NDArray[np.int64]
Output = Literal["logsig", "softmax"]

_LOGSIG = activations.get("logsig").value


@dataclass(frozen=True)
class Arm:
    """One way to train: the hidden activation, its derivative where z is exactly 0, and the learning rate."""

    name: str
    activation: Activation
    at_zero: float = 0.0
    rate: float = 2.0**-5


class Population:
    """Networks that learn by SGD on cross-entropy, behind logsig outputs or softmax.

    ``weights`` holds the initial weights per layer, (seeds, units, inputs + 1), bias last; every arm starts from a
    copy, as ``dtype``. A single output unit (logsig only) tells two classes. Raises ValueError for a single softmax
    unit.
    """

    def __init__(
        self, arms: Sequence[Arm], weights: Sequence[Array], dtype: DTypeLike = np.float64, output: Output = "logsig"
    ) -> None:
        if output == "softmax" and weights[-1].shape[1] == 1:
            raise InputError("softmax over a single unit is always 1; use logsig, or one unit per class")
        self.arms, self.seeds = tuple(arms), len(weights[0])
        self._arithmetic = arithmetic(dtype)
        hold, dtype, count = self._arithmetic.hold, self._arithmetic.dtype, len(arms) * self.seeds
        self.weights = [hold(np.tile(np.moveaxis(layer, 0, -1), len(arms))) for layer in weights]
        self._rates = hold(np.repeat([arm.rate for arm in arms], self.seeds))
        self._softmax = output == "softmax"
        self._inputs = [np.ones((layer.shape[1], count), dtype) for layer in self.weights]
        self.z = [np.empty((len(layer), count), dtype) for layer in self.weights]
        self._slopes = [np.empty_like(z) for z in self.z[:-1]]
        self._deltas = [np.empty_like(z) for z in self.z]
        self._products = [np.empty_like(layer) for layer in self.weights]
        self._sums: list[Array] | None = None
        self._targets = np.empty_like(self.z[-1])
        self._zeros = [np.zeros(z.shape, np.int64) for z in self.z[:-1]]
        self._hidden = [
            _activate(arms, self.seeds, self._arithmetic, z, out[:-1], slope)
            for z, out, slope in zip(self.z[:-1], self._inputs[1:], self._slopes, strict=True)
        ]

    @property
    def zeros(self) -> IntArray:
        """How many hidden z of each network (arms, seeds) were exactly 0 while it trained."""
        total = np.zeros(len(self.arms) * self.seeds, np.int64)
        for layer in self._zeros:
            total += layer.sum(axis=0)
        return total.reshape(len(self.arms), self.seeds)

    def forward(self, x: Array) -> Array:
        """One row per seed, x (inputs, seeds) -> the last layer's z (units, networks), valid until the next call.

        ``x`` must hold numbers of the weights' type.
        """
        settle, total = self._arithmetic.settle, self._arithmetic.total
        self._inputs[0][:-1].reshape(len(x), len(self.arms), self.seeds)[...] = x[:, None, :]
        for index, (layer, product, seen, z) in enumerate(
            zip(self.weights, self._products, self._inputs, self.z, strict=True)
        ):
            np.multiply(layer, seen, product)
            settle(product)
            total(product, 1, z)
            if index < len(self._hidden):
                for activate in self._hidden[index]:
                    activate()
        return self.z[-1]

    def _delta(self, targets: Array) -> None:
        z, delta, settle = self.z[-1], self._deltas[-1], self._arithmetic.settle
        self._targets.reshape(len(z), len(self.arms), self.seeds)[...] = targets[:, None, :]
        if self._softmax:
            np.subtract(z, z.max(axis=0), delta)
            settle(delta)
            np.exp(delta, delta)
            settle(delta)
            whole = np.empty_like(delta[0])
            self._arithmetic.total(delta, 0, whole)
            np.divide(delta, whole, delta)
        else:
            delta[...] = _LOGSIG(z)
        settle(delta)
        np.subtract(delta, self._targets, delta)
        settle(delta)

    def step(self, rows: Array | Sequence[Array], targets: Array | Sequence[Array]) -> None:
        """One SGD step on a batch: per row x (inputs, seeds) and target (units, seeds); the mean gradient counts.

        Rows and targets must hold numbers of the weights' type.
        """
        settle, total = self._arithmetic.settle, self._arithmetic.total
        sums = self._batch_sums() if len(rows) > 1 else self.weights
        rates = self._rates / self._rates.dtype.type(len(rows))
        settle(rates)
        for x, target in zip(rows, targets, strict=True):
            self.forward(x)
            for zeros, z in zip(self._zeros, self.z, strict=False):
                zeros += z == 0
            self._delta(target)
            for index in reversed(range(len(self.weights))):
                product, delta = self._products[index], self._deltas[index]
                if index:
                    back = product[:, :-1]
                    np.multiply(self.weights[index][:, :-1], delta[:, None, :], back)
                    settle(back)
                    below = self._deltas[index - 1]
                    total(back, 0, below)
                    np.multiply(below, self._slopes[index - 1], below)
                    settle(below)
                np.multiply(delta, rates, delta)
                settle(delta)
                np.multiply(delta[:, None, :], self._inputs[index], product)
                settle(product)
                np.subtract(sums[index], product, sums[index])
                settle(sums[index])
        if sums is not self.weights:
            for layer, change in zip(self.weights, sums, strict=True):
                np.add(layer, change, layer)
                settle(layer)

    def _batch_sums(self) -> list[Array]:
        if self._sums is None:
            self._sums = [np.empty_like(layer) for layer in self.weights]
        for change in self._sums:
            change.fill(0)
        return self._sums

    def fit(
        self, rows: Array, targets: Array, orders: Sequence[np.random.Generator], epochs: int, batch: int = 1
    ) -> None:
        """Train for ``epochs`` passes over rows (seeds, n, inputs) and targets (seeds, n, units).

        ``orders`` draws each seed's order of the rows, anew in every epoch.
        """
        hold = self._arithmetic.hold
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for _ in range(epochs):
                order = np.stack([generator.permutation(rows.shape[1]) for generator in orders])[:, :, None]
                x, t = (hold(np.take_along_axis(part, order, 1).transpose(1, 2, 0)) for part in (rows, targets))
                for start in range(0, len(x), batch):
                    self.step(x[start : start + batch], t[start : start + batch])

    def test(self, rows: Array) -> tuple[IntArray, IntArray]:
        """Rows (seeds, n, inputs) -> the class each network tells, (n, arms, seeds), and how many of its hidden units
        have z <= 0 on all of these rows, (arms, seeds)."""
        shape = (len(self.arms), self.seeds)
        answers = np.empty((rows.shape[1], *shape), np.int64)
        asleep = [np.ones(z.shape, np.bool_) for z in self.z[:-1]]
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for number, x in enumerate(self._arithmetic.hold(rows.transpose(1, 2, 0))):
                z = self.forward(x)
                told = (z[0] > 0) if len(z) == 1 else z.argmax(axis=0)
                answers[number] = told.reshape(shape)
                for flags, hidden in zip(asleep, self.z, strict=False):
                    flags &= ~(hidden > 0)
        dead = np.zeros(shape, np.int64)
        for flags in asleep:
            dead += flags.sum(axis=0).reshape(shape)
        return answers, dead

    def finite(self) -> NDArray[np.bool_]:
        """Whether all weights of each network are finite, (arms, seeds)."""
        result = np.ones(len(self.arms) * self.seeds, np.bool_)
        for layer in self.weights:
            result &= np.isfinite(layer).all(axis=(0, 1))
        return result.reshape(len(self.arms), self.seeds)

    def network_weights(self, arm: int, seed: int) -> list[Array]:
        """The weights of one network per layer, (units, inputs + 1), bias last."""
        return [layer[:, :, arm * self.seeds + seed].copy() for layer in self.weights]


def _activate(
    arms: Sequence[Arm], seeds: int, numbers: Native, z: Array, out: Array, slope: Array
) -> list[Callable[[], None]]:
    """Functions that together read z and write the activation into ``out`` and its derivative into ``slope``."""
    result, start = [], 0
    for straight, run in groupby(arms, lambda arm: arm.activation.curve is None and arm.activation.ramp is not None):
        # Straight activations side by side are one call with a corner and a slope per network.
        members = list(run)
        for group in [members] if straight else [[arm] for arm in members]:
            part = slice(start, start + len(group) * seeds)
            views = z[:, part], out[:, part], slope[:, part]
            result.append(_ramps(group, seeds, numbers, *views) if straight else _curve(group[0], numbers, *views))
            start = part.stop
    return result


def _ramps(
    arms: Sequence[Arm], seeds: int, numbers: Native, z: Array, out: Array, slope: Array
) -> Callable[[], None]:
    left = np.repeat(np.array([float(arm.activation.ramp or 0) for arm in arms], dtype=z.dtype), seeds)
    corner = np.repeat(np.array([arm.at_zero for arm in arms], dtype=z.dtype), seeds)
    rise = 1 - left
    leaks = bool(left.any())

    def ramps() -> None:
        np.heaviside(z, corner, slope)
        if leaks:
            np.multiply(slope, rise, slope)
            np.add(slope, left, slope)
        np.multiply(z, slope, out)
        numbers.settle(out)

    return ramps


def _curve(arm: Arm, numbers: Native, z: Array, out: Array, slope: Array) -> Callable[[], None]:
    activation, at_zero = arm.activation, arm.at_zero

    def curve() -> None:
        out[...] = activation.value(z)
        slope[...] = activation.derivative(z, at_zero)
        numbers.settle(out)
        numbers.settle(slope)

    return curve
