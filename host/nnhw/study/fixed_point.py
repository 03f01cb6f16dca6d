"""Many networks in fixed point: the integers of ``learning.engine`` behind the methods that the study calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.training.population import Arm
from nnhw_codegen.errors import InputError
from nnhw_codegen.learning import plan as learning_plan
from nnhw_codegen.learning.engine import Learner, in_order, input_codes, target_codes
from nnhw_codegen.learning.profile import FX8, FX12, T16
from nnhw_codegen.network.activations import get

Array = NDArray[Any]
IntArray = NDArray[np.int64]

PROFILES = {"fx16": T16, "fx12": FX12, "fx8": FX8}


class FixedPopulation:
    """Networks with logsig outputs that learn by fixed-point SGD, one row per step, arms as in ``Population``.

    ``weights`` are real initial weights per layer, (seeds, units, inputs + 1), bias last. Raises ValueError for a rate
    that is no power of two or that the formats cannot take, and for a shape whose sums would not fit 31 bits.
    """

    def __init__(self, arms: Sequence[Arm], weights: Sequence[Array], arithmetic: str) -> None:
        self._shape = len(arms), len(weights[0])
        sizes = [weights[0].shape[2] - 1, *(layer.shape[1] for layer in weights)]
        real_weights, real_biases = [layer[:, :, :-1] for layer in weights], [layer[:, :, -1] for layer in weights]
        self._learners = []
        for arm in arms:
            shift = -log2(arm.rate)
            if not shift.is_integer():
                raise InputError(f"the rate is {arm.rate!r}; fixed point needs a power of two")
            profile = replace(PROFILES[arithmetic], relu_at_zero=arm.at_zero, rate_shift=int(shift))
            kinds = [arm.activation] * (len(weights) - 1) + [get("logsig")]
            self._learners.append(Learner(learning_plan.make(sizes, kinds, profile), real_weights, real_biases))
        self._zeros = np.zeros(self._shape, np.int64)

    @property
    def zeros(self) -> IntArray:
        """How many hidden z of each network (arms, seeds) were exactly 0 while it trained."""
        return self._zeros

    def fit(self, rows: Array, targets: Array, orders: Sequence[np.random.Generator], epochs: int) -> None:
        """Train for ``epochs`` passes over real rows (seeds, n, inputs) and targets (seeds, n, units).

        ``orders`` draws each seed's order of the rows, anew in every epoch.
        """
        plan = self._learners[0].plan  # the formats of inputs and targets are those of all arms
        x, t = input_codes(plan, rows.transpose(1, 2, 0)), target_codes(plan, targets.transpose(1, 2, 0))
        for _ in range(epochs):
            order = np.stack([generator.permutation(len(x)) for generator in orders], axis=1)
            steps = list(zip(in_order(x, order), in_order(t, order), strict=True))
            for zeros, learner in zip(self._zeros, self._learners, strict=True):
                for row, target in steps:
                    learner.step(row, target)
                    for z in learner.z[:-1]:
                        zeros += np.count_nonzero(z == 0, axis=0)

    def test(self, rows: Array) -> tuple[IntArray, IntArray]:
        """Real rows (seeds, n, inputs) -> the class each network tells, (n, arms, seeds), and how many of its hidden
        units have z <= 0 on all of these rows, (arms, seeds)."""
        x = np.ascontiguousarray(input_codes(self._learners[0].plan, rows.transpose(1, 2, 0)))
        answers = np.empty((len(x), *self._shape), np.int64)
        dead = np.zeros(self._shape, np.int64)
        for arm, learner in enumerate(self._learners):
            asleep = [np.ones(z.shape, np.bool_) for z in learner.z[:-1]]
            for number, row in enumerate(x):
                z = learner.forward(row)
                answers[number, arm] = (z[0] > 0) if len(z) == 1 else z.argmax(axis=0)
                for flags, hidden in zip(asleep, learner.z, strict=False):
                    flags &= hidden <= 0
            for flags in asleep:
                dead[arm] += flags.sum(axis=0)
        return answers, dead

    def finite(self) -> NDArray[np.bool_]:
        """Whether all weights of each network are finite, (arms, seeds): integers always are."""
        return np.ones(self._shape, np.bool_)
