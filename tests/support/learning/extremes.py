"""Lessons at the edges of every integer of a training step (SPEC 9): for each value that is saturated, rounded or
compared they take it to the limit, to both sides of it, to ties and to 0, at rates that fall and rise.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from support.covering import covering
from support.learning.boards import AT_ZERO, HIDDEN, OUTPUTS, PROFILES, STEEP, Lesson, learner, taught

from nnhw_codegen.integers.expr import evaluate
from nnhw_codegen.integers.proof import Z_LIMIT
from nnhw_codegen.learning.engine import Learner
from nnhw_codegen.learning.plan import BIAS_LIMIT, GRADIENT_LIMIT
from nnhw_codegen.learning.profile import SCHEMES, TRAINED
from nnhw_codegen.learning.trainable import Trainable

NETS = ((2, 3, 2), (1, 1), (3, 5, 4, 1))
RATE = (1, 5)
CASES = tuple(covering((NETS, HIDDEN, AT_ZERO, SCHEMES, tuple(PROFILES), OUTPUTS, (RATE,), TRAINED)))
"""As for learning_boards.learner; the rate is only where a lesson starts from."""

STEEP_CASES = tuple(
    ((3, 5, 4, 1), STEEP.name, 1, "residual", bits, ("identity", "mse"), RATE, "all") for bits in PROFILES
)
"""What no file names a record for, so that only code that needs no record learns it."""

FAR = Z_LIMIT - 1
_EDGES = (0, 1, 10922, 10923, GRADIENT_LIMIT, 32767, 32768, FAR)
"""Magnitudes of a delta: 3 * 10922 is the largest gradient."""


@cache
def extremes(case: tuple[Any, ...], steps: int, seed: int = 0, named: bool = False) -> Lesson:
    """A model at its limits learns rows at theirs; with ``named`` only targets that a user can name: of classes 0 and 1."""
    generator = np.random.default_rng([seed, *map(ord, repr(case))])
    model = learner(case)
    _to_limits(model.learner, generator)
    ticks = _ticks(model, steps, generator)
    rates = _rates(model, steps, generator)
    targets = _named(model, steps, generator) if named and model.classes else _targets(model, ticks, named, generator)
    return taught(model, ticks, targets.astype(np.int32), rates)


def _to_limits(learner: Learner, generator: np.random.Generator) -> None:
    """Rows of weights at their limits, of zeros, or small; biases that put z to 0, to its limits, or are at their own."""
    for layer, weights, biases, remainders, shifts in zip(
        learner.plan.layers, learner.weights, learner.biases, learner.remainders, learner._shifts, strict=True
    ):
        signs = generator.choice([-1, 1], weights.shape)
        near = layer.weight_limit - generator.integers(0, 2, weights.shape)
        small = generator.integers(0, 3, weights.shape)
        kinds = generator.choice([0, 1, 1, 2], (layer.units, 1, 1))
        weights[...] = np.choose(kinds, [0 * near, near, small]) * signs
        unit = 1 << layer.bias_shift + layer.z_shift
        edges = [0, unit // 2 - 1, unit // 2, unit, 32767 * unit, BIAS_LIMIT - 1, BIAS_LIMIT]
        chosen = generator.choice([edge for edge in edges if edge <= BIAS_LIMIT], biases.shape)
        biases[...] = chosen * generator.choice([-1, 1], biases.shape)
        mask = (1 << shifts.fine) - 1
        remainders[...] = generator.choice([0, 1, mask >> 1, mask + 1 >> 1, mask], remainders.shape) & mask
    learner.noise[...] = generator.choice([0, 1, 65535], learner.noise.shape)


def _ticks(model: Trainable, steps: int, generator: np.random.Generator) -> np.ndarray:
    """Both ends of each input's range, their neighbors, where its code is 0, and as far off as ticks go."""
    low, high = (np.array([entry.low + part * entry.span for entry in model.doorway]) for part in (0, 1))
    zero = np.array([round(entry.mean / entry.step) for entry in model.inputs])
    edges = np.stack(
        [low, high, low - 1, low + 1, high - 1, high + 1, zero, zero, zero + 1, 0 * low - FAR, 0 * low + FAR]
    )
    return edges[generator.integers(len(edges), size=(steps, len(low))), np.arange(len(low))]


def _rates(model: Trainable, steps: int, generator: np.random.Generator) -> np.ndarray:
    """From the start's rate to the smallest, the largest, and others, two steps at each."""
    bases = [layer.update_base for layer in model.learner.plan.layers]
    most = min(20, 33 - max(bases))
    shifts = [model.learner.rate_shift, most, 0, most, 13, 2, *generator.integers(0, most + 1, steps)]
    multipliers = [model.learner.multiplier, *generator.choice([1, 3], len(shifts) - 1)]
    return np.repeat(np.stack([multipliers, shifts], axis=1), 2, axis=0)[:steps]


def _targets(model: Trainable, ticks: np.ndarray, named: bool, generator: np.random.Generator) -> np.ndarray:
    """Target codes that make a delta one of _EDGES at the start; a user's are exact in boards' floats only below 2^22."""
    z = model.learner.outputs(model.codes(ticks))[:, :, 0].astype(np.int64)
    plan = model.learner.plan
    if plan.layers[-1].value is not None:
        z = generator.choice([0, 1 << plan.profile.delta_frac], z.shape)
    edges = generator.choice([*_EDGES, 0, 0], z.shape) * generator.choice([-1, 1], z.shape)
    targets = np.clip(z - edges, -FAR, FAR)
    return np.where(np.abs(targets) < 1 << 22, targets, np.sign(targets) * FAR) if named else targets


def _named(model: Trainable, steps: int, generator: np.random.Generator) -> np.ndarray:
    if model.multilabel:
        return model.target_codes(generator.integers(0, 2, (steps, len(model.classes))))
    return model.target_codes(generator.integers(0, len(model.classes), steps))


def shared_halves(case: tuple[Any, ...], count: int = 4) -> list[Lesson]:
    """Steps of a softmax whose quotient of 9.6 has no remainder where the reciprocal of machine code is one too small.

    So a division that corrects what is left of it only above the sum, not at it, differs. Weights of 0 let the biases
    say what z is.
    """
    model = learner(case)
    plan = model.learner.plan.layers[-1]
    assert plan.value is not None
    generator = np.random.default_rng(3)
    apart = np.concatenate([np.zeros((1 << 20, 1), np.int64), generator.integers(0, 16384, (1 << 20, 2))], axis=1)
    powers = evaluate(plan.value, apart)
    total = powers.sum(axis=1, keepdims=True)
    quotients, left = np.divmod((powers << plan.z_frac) + (total >> 1), total)
    short = ((1 << 29) // total * powers >> 29 - plan.z_frac) < quotients
    rows = np.flatnonzero(((left == 0) & short).any(axis=1))[:count]
    assert len(rows) == count
    return [_step_at(case, -apart[row]) for row in rows]


def _step_at(case: tuple[Any, ...], z: np.ndarray) -> Lesson:
    """One step from this z of the last of a single layer."""
    model = learner(case)
    layer = model.learner.plan.layers[-1]
    model.learner.weights[-1][...] = 0
    model.learner.biases[-1][...] = (z << layer.bias_shift + layer.z_shift)[:, None]
    ticks = np.array([[entry.low for entry in model.doorway]])
    assert (model.learner.outputs(model.codes(ticks))[0, :, 0] == z).all()
    return taught(model, ticks, model.target_codes(np.array([1])).astype(np.int32))
