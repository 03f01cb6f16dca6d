"""Models that learn on boards, random rows for them, and what the reference engine makes of them."""

from __future__ import annotations

import ast
import itertools
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from support.networks import network, of_several_scales

from nnhw.targets import ScriptTarget
from nnhw_codegen.files import nnt
from nnhw_codegen.learning.profile import SCHEMES, T8, T16, TRAINED
from nnhw_codegen.learning.trainable import Trainable, trainable
from nnhw_codegen.network import activations
from nnhw_codegen.network.activations import Activation, Curve
from nnrun.learn_core import Core

NETS = ((4, 8, 3), (4, 4, 4, 4, 3), (2, 1))
HIDDEN = activations.names()
AT_ZERO = (0, 0.5, 1)
HEAP = {"wasm": 64 << 20}
"""By target; the wasm build loses live objects when it collects garbage, so its heap has to be one that never fills."""
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
STEEP = Activation(
    "steep", lambda z: 3.0 * z, lambda z, at_zero: 0.0 * z + 3.0, curve=Curve(lambda u: 3.0 * u, "point")
)
"""A made-up activation whose derivative is above 1: only behind such a one is a delta saturated twice (SPEC 9.7)."""
FACTORS = (NETS, HIDDEN, AT_ZERO, SCHEMES, tuple(PROFILES), OUTPUTS, RATES, TRAINED)


def learner(case: tuple[Any, ...]) -> Trainable:
    """A random network with one value of each of FACTORS; the hidden layers' may be the name of STEEP too."""
    sizes, hidden, at_zero, scheme, bits, (output, loss), (multiplier, shift), trained = case
    if output in ("softmax", "multilabel") and sizes[-1] == 1:
        output = "logsig"
    classifies = output in ("softmax", "logsig", "multilabel")
    start = network(
        sizes, STEEP if hidden == STEEP.name else hidden, classifies=classifies, multilabel=output == "multilabel"
    )
    if output != "multilabel":
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


def generated_cases(cases: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Cases with what generated machine code trains: weights of 16 bits that keep a remainder each."""
    return list(dict.fromkeys((*case[:3], "residual", 16, *case[5:]) for case in cases))


def count(usual: int) -> int:
    """Steps of a case: as many as usual, or 1,000."""
    return 1000 if LONG else usual


@dataclass(frozen=True, eq=False)
class Lesson:
    """Steps for a model: rates (steps, 2), each multiplier and shift, ticks (steps, inputs), target codes (steps, units),
    and the files before and after them.
    """

    rates: np.ndarray
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
    rates = np.tile((model.learner.multiplier, model.learner.rate_shift), (steps, 1))
    if change:
        rates[steps // 2 :] = 3, model.learner.rate_shift + 1
    return taught(model, ticks, targets, rates)


def taught(model: Trainable, ticks: np.ndarray, targets: np.ndarray, rates: np.ndarray | None = None) -> Lesson:
    """Steps with these ticks and target codes, at these rates or at the model's own."""
    learner = model.learner
    before = nnt.to_bytes(model)
    if rates is None:
        rates = np.tile((learner.multiplier, learner.rate_shift), (len(ticks), 1))
    for rate, x, wanted in zip(rates.tolist(), model.codes(ticks), targets, strict=True):
        if rate != [learner.multiplier, learner.rate_shift]:
            learner.set_rate(*rate)
        learner.step(x[:, None], wanted[:, None])
    return Lesson(rates, ticks, targets, before, nnt.to_bytes(model))


def teach(core: Core, task: Lesson) -> bytes:
    """The file after a lesson, but for its checksum, by nnrun in this process; as _SCRIPT does it on a board."""
    program = core.program
    for rate, ticks, targets in zip(task.rates.tolist(), task.ticks.tolist(), task.targets.tolist(), strict=True):
        if rate != list(core.data[program.state : program.state + 2]):
            program.change_rate(*rate)
        core.enter(ticks)
        for j, target in enumerate(targets):
            program.room[program.targets + j] = target
        core.step()
    core.flip()
    return bytes(core.data[:-4])


Emit = Callable[[bytes, str], bytes]
"""Makes the module with generated code for a .nnt file; the text is its banner."""

_SCRIPT = """
from nnrun.learn_core import Core
from nnrun.learn_store import read
def generated(name):
    run = __import__(name + "_learn").run
    return lambda data: Core(data, run)
def teach(Core, name, inputs):
    core = Core(read(name + ".nnt"))
    program = core.program
    data = core.data
    with open(name + ".txt") as rows:
        for row in rows:
            values = [int(v) for v in row.split()]
            if values[0] != data[program.state] or values[1] != data[program.state + 1]:
                program.change_rate(values[0], values[1])
            core.enter(values[2 : 2 + inputs])
            for j in range(program.units):
                program.room[program.targets + j] = values[2 + inputs + j]
            core.step()
    core.flip()
    for k in range(program.state, len(data) - 4, 24):
        print(bytes(data[k : min(k + 24, len(data) - 4)]))
"""
"""``teach`` prints the state, weights, biases and remainders, after the rows of a lesson."""


def taught_by_nnrun(
    target: ScriptTarget, tasks: Sequence[Lesson], modules: Mapping[str, bytes], emit: Emit | None = None
) -> list[tuple[bytes, bytes]]:
    """(found, expected) state of each lesson on a target, trained by these modules of nnrun or by generated code."""
    content, script = dict(modules), _SCRIPT
    for number, task in enumerate(tasks):
        name = f"m{number}"
        rows = np.concatenate([task.rates, task.ticks, task.targets], axis=1).tolist()
        content[f"{name}.nnt"] = task.before
        content[f"{name}.txt"] = b"".join(b" ".join(b"%d" % v for v in row) + b"\n" for row in rows)
        if emit:
            content[f"{name}_learn.py"] = emit(task.before, "a test")
        core = f"generated({name!r})" if emit else "Core"
        script += f"teach({core}, {name!r}, {task.ticks.shape[1]})\n"
    printed = target.run(content, script, heap=HEAP.get(target.name), timeout=3600 if LONG else 300)
    found = b"".join(map(ast.literal_eval, printed.splitlines()))
    wanted = [task.after[int.from_bytes(task.after[4:8], "little") : -4] for task in tasks]
    ends = list(itertools.accumulate(map(len, wanted)))
    return [(found[end - len(state) : end], state) for end, state in zip(ends, wanted, strict=True)]
