"""Models that learn on boards, random rows for them, and what the reference engine makes of them."""

from __future__ import annotations

import ast
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from helpers import network, of_several_scales

from nnhw import activations
from nnhw_codegen import nnt
from nnhw_codegen.learning_profile import T8, T16
from nnhw_codegen.trainable import Trainable, trainable

NETS = ((4, 8, 3), (4, 4, 4, 4, 3), (2, 1))
HIDDEN = activations.names()
AT_ZERO = (0, 0.5, 1)
SCHEMES = nnt.SCHEMES
PROFILES = {16: T16, 8: T8}
OUTPUTS = (
    ("softmax", "auto"),
    ("logsig", "auto"),
    ("logsig", "mse"),
    ("identity", "mse"),
    ("tanh", "mse"),
    ("multilabel", "auto"),
)
RATES = ((1, 5), (3, 8), (1, 2), (3, 13))
LONG = bool(os.environ.get("NNHW_LONG"))
"""1,000 steps of every case, which takes an hour: see CONTRIBUTING.md."""
FACTORS = (NETS, HIDDEN, AT_ZERO, SCHEMES, tuple(PROFILES), OUTPUTS, RATES, nnt.TRAINED)


def learner(case: tuple[Any, ...]) -> Trainable:
    """A random network with one value of each of FACTORS."""
    sizes, hidden, at_zero, scheme, bits, (output, loss), (multiplier, shift), trained = case
    if output in ("softmax", "multilabel") and sizes[-1] == 1:
        output = "logsig"
    classifies = output in ("softmax", "logsig", "multilabel")
    start = network(sizes, hidden, classifies=classifies, multilabel=output == "multilabel")
    if output == "softmax":
        start.layers[-1].activation = None
    elif output != "multilabel":
        start.layers[-1].activation = activations.get(output)
    if output == "identity":
        start = of_several_scales(start)
    profile = replace(
        PROFILES[bits],
        scheme=scheme,
        relu_at_zero=at_zero,
        loss=loss,
        rate_multiplier=multiplier,
        rate_shift=shift,
        trained=trained,
    )
    return trainable(start, profile)


def count(usual: int) -> int:
    """Steps of a case: as many as usual, or 1,000."""
    return 1000 if LONG else usual


@dataclass(frozen=True, eq=False)
class Lesson:
    """Steps for a model: ticks (steps, inputs), target codes (steps, units), and the files before and after them."""

    ticks: np.ndarray
    targets: np.ndarray
    before: bytes
    after: bytes


def lesson(model: Trainable, steps: int, seed: int = 1, change: bool = True) -> Lesson:
    """Random steps, some ticks beyond the doorway's range; with change, halfway the rate becomes 3 * 2^-(k + 1)."""
    generator = np.random.default_rng(seed)
    low, span = (np.array([getattr(entry, name) for entry in model.doorway]) for name in ("low", "span"))
    ticks = generator.integers(low - span // 10, low + span + span // 10 + 1, (steps, len(low)))
    units = model.learner.plan.layers[-1].units
    if model.multilabel:
        targets = model.target_codes(generator.integers(0, 2, (steps, units)))
    elif model.classes:
        targets = model.target_codes(generator.integers(0, max(2, units), steps))
    else:
        targets = generator.integers(-8192, 8192, (steps, units)).astype(np.int32)
    return taught(model, ticks, targets, change)


def extremes(model: Trainable, steps: int, seed: int = 1) -> Lesson:
    """Weights and biases at or next to their limits, inputs at the ends of their ranges, targets as large as they can be."""
    generator = np.random.default_rng(seed)
    learner = model.learner
    for layer, weights, biases, remainders in zip(
        learner.plan.layers, learner.weights, learner.biases, learner.remainders, strict=True
    ):
        weights[...] = layer.weight_limit - generator.integers(0, 2, weights.shape)
        weights[...] *= generator.choice([-1, 1], weights.shape)
        biases[...] = (2**29 - 1) * generator.choice([-1, 0, 1], biases.shape)
        remainders[...] = generator.integers(0, 2 * remainders.max(), remainders.shape)
    low, span = (np.array([getattr(entry, name) for entry in model.doorway]) for name in ("low", "span"))
    ticks = low + span * generator.integers(0, 2, (steps, len(low)))
    targets = (2**29 - 1) * generator.choice([-1, 1], (steps, learner.plan.layers[-1].units))
    return taught(model, ticks, targets.astype(np.int32))


def taught(model: Trainable, ticks: np.ndarray, targets: np.ndarray, change: bool = True) -> Lesson:
    """Steps with these ticks and target codes; with change as in ``lesson``."""
    steps = len(ticks)
    before = nnt.to_bytes(model)
    codes = model.codes(ticks)
    for number, (x, wanted) in enumerate(zip(codes, targets, strict=True)):
        if change and number == steps // 2:
            model.learner.set_rate(3, model.learner.rate_shift + 1)
        model.learner.step(x[:, None], wanted[:, None])
    return Lesson(ticks, targets, before, nnt.to_bytes(model))


SCRIPT = """
def teach(Core, read, name, inputs, half):
    core = Core(read(name + ".nnt"))
    plan = core.plan
    steps = 0
    with open(name + ".txt") as rows:
        for row in rows:
            if steps == half:
                plan.change_rate(3, plan.shift + 1)
            values = [int(v) for v in row.split()]
            core.enter(values[:inputs])
            for j in range(plan.units):
                plan.room[plan.targets + j] = values[inputs + j]
            core.step()
            steps += 1
    core.flip()
    for k in range(plan.state, len(core.data) - 4, 24):
        print(bytes(core.data[k : min(k + 24, len(core.data) - 4)]))
"""
"""``teach`` prints the state, weights, biases and remainders, after the rows of a lesson."""


def files(name: str, task: Lesson) -> dict[str, bytes]:
    """What ``teach`` reads."""
    rows = np.concatenate([task.ticks, task.targets], axis=1).tolist()
    return {
        f"{name}.nnt": task.before,
        f"{name}.txt": b"".join(b" ".join(b"%d" % v for v in r) + b"\n" for r in rows),
    }


def states(text: str, tasks: Sequence[Lesson]) -> list[tuple[bytes, bytes]]:
    """(found, expected) state of each lesson, out of what ``teach`` printed for all of them."""
    found = b"".join(ast.literal_eval(line) for line in text.splitlines())
    pairs, at = [], 0
    for task in tasks:
        wanted = task.after[int.from_bytes(task.after[4:8], "little") : -4]
        pairs.append((found[at : at + len(wanted)], wanted))
        at += len(wanted)
    return pairs
