"""Generated training code on the bare core: the reference engine's integers, and what a step costs."""

from __future__ import annotations

from array import array
from dataclasses import replace

import numpy as np
import pytest
from conftest import usable_target
from covering import covering
from learning_boards import FACTORS, learner, lesson

from nnhw import datasets
from nnhw.targets.mpy import compile_mpy, why_unavailable
from nnhw.targets.viper import ViperModule
from nnhw.train import create
from nnhw_codegen import emit_learn_viper
from nnhw_codegen.learning_profile import T16
from nnhw_codegen.trainable import trainable
from nnrun.learn_core import Core

CASES = list(dict.fromkeys((*case[:3], "residual", 16, *case[5:]) for case in covering(FACTORS)))


def steps_on_core(task):
    """The file after a lesson by generated code, but for its checksum, and the cycles of each step."""
    if why_unavailable():
        pytest.skip(why_unavailable())
    core = usable_target("rp2040-core").core()
    module = ViperModule(core, compile_mpy(emit_learn_viper.source(task.before, "a test"), "m.py", "armv6m"))
    places, cycles = [], []

    def run(room, handle, program):
        buffers = (room, net.data, program)
        if not places:
            places.extend(core.data(bytes(b), align=16) for b in buffers)
        for place, buffer in zip(places, buffers, strict=True):
            core.write(place, bytes(buffer))
        cycles.append(module.call("run", *places).cycles)
        room[:] = array("i", core.read(places[0], 4 * len(room)))
        net.data[:] = core.read(places[1], len(net.data))

    net = Core(bytearray(task.before), run)
    for number, (ticks, targets) in enumerate(zip(task.ticks.tolist(), task.targets.tolist(), strict=True)):
        if number == len(task.ticks) // 2:
            net.plan.change_rate(3, net.plan.shift + 1)
        net.enter(ticks)
        net.plan.room[net.plan.targets : net.plan.targets + len(targets)] = array("i", targets)
        net.step()
    net.flip()
    return bytes(net.data[:-4]), cycles


@pytest.mark.parametrize("case", CASES[::2], ids=str)
def test_weights_biases_and_remainders_are_the_reference_s(case):
    task = lesson(learner(case), 8)
    assert steps_on_core(task)[0] == task.after[:-4]


@pytest.mark.parametrize(
    ("name", "layers", "most", "steps"), [("iris", (8,), 9_000, 20), ("digits", (32,), 200_000, 2)]
)
def test_a_step_costs_less_than(name, layers, most, steps):
    dataset = datasets.load(name)
    start = create(datasets.inputs_from(dataset), layers, classes=dataset.classes, seed=1)
    model = trainable(start, replace(T16, rate_shift=5))
    task = lesson(model, steps, change=False)
    generator = np.random.default_rng(0)
    rows = np.array([[round(v / i.step) for v, i in zip(dataset.rows[n], model.inputs, strict=True)]
                     for n in generator.integers(len(dataset.rows), size=steps)])  # fmt: skip
    task = replace(task, ticks=rows)
    assert np.mean(steps_on_core(task)[1]) < most


def test_other_models_are_refused():
    for bits, scheme in ((8, "residual"), (16, "lcg")):
        case = ((4, 8, 3), "relu", 1, scheme, bits, ("softmax", "auto"), (1, 5), "all")
        with pytest.raises(emit_learn_viper.UnsuitableError, match="16 bits"):
            emit_learn_viper.source(lesson(learner(case), 1).before, "a test")
