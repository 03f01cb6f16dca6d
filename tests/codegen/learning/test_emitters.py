"""Generated training code on the bare core: the reference engine's integers, and what a step costs."""

from __future__ import annotations

import numpy as np
import pytest
from support.covering import covering
from support.learning.boards import FACTORS, count, generated_cases, learner, lesson, taught
from support.learning.core import CoreRun, steps_on_core
from support.learning.extremes import extremes

from nnhw.data import datasets
from nnhw.training.train import create
from nnhw_codegen.files import nnt
from nnhw_codegen.learning import board_program
from nnhw_codegen.learning.trainable import trainable
from nnhw_codegen.thumb import learn as thumb_learn
from nnhw_codegen.viper import learn as viper_learn
from nnrun.learn_core import Core

CASES = generated_cases(covering(FACTORS))
SHAPES = ((1, 1), (13, 16, 3), (40, 5, 2), (5, 20, 12), (3, 40, 35))
IRIS = ((4, 8, 3), "relu", 1, "residual", 16, ("softmax", "auto"), (1, 5), "all")
VIPER, THUMB = viper_learn.source, thumb_learn.source
EMITTERS = pytest.mark.parametrize("source", [VIPER, THUMB], ids=["viper", "thumb"])


def same(task, source):
    return steps_on_core(task, source(task.before, "a test"))[0] == task.after[:-4]


@pytest.mark.parametrize("case", CASES[::2], ids=str)
def test_weights_biases_and_remainders_of_viper_code_are_the_reference_s(case):
    assert same(lesson(learner(case), count(8)), VIPER)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_weights_biases_and_remainders_of_thumb_code_are_the_reference_s(case):
    assert same(lesson(learner(case), count(6)), THUMB)


def test_thumb_code_is_the_reference_s_after_1000_steps_of_at_most_3500_cycles():
    task = lesson(learner(IRIS), 1000)
    state, cycles = steps_on_core(task, THUMB(task.before, "a test"))
    assert state == task.after[:-4]
    assert max(cycles) < 3_500


@EMITTERS
@pytest.mark.parametrize("sizes", SHAPES, ids=str)
def test_layers_of_any_width_learn_at_the_limits_of_all_values(source, sizes):
    for at_zero, output, rate in ((0, ("softmax", "auto"), (3, 8)), (0.5, ("identity", "mse"), (1, 2))):
        case = (sizes, "relu", at_zero, "residual", 16, output, rate, "all")
        assert same(extremes(case, 4), source)


@EMITTERS
def test_an_answer_changes_nothing(source):
    model = learner(IRIS)
    data = nnt.to_bytes(model)
    run = CoreRun(source(data, "a test"))
    core = Core(bytearray(data), run)
    before = bytes(core.data)
    ticks = lesson(model, 3).ticks
    classes = nnt.from_bytes(data).learner.decide(model.codes(ticks))[:, 0].tolist()
    for row, wanted in zip(ticks.tolist(), classes, strict=True):
        core.enter(row)
        core.forward()
        assert core.decide() == wanted
        core.forward(True)
        y = core.program.y
        assert sum(core.program.room[y : y + core.program.units]) == pytest.approx(4096, abs=3)
    assert core.data == before
    core.step()
    decided, answered, learned = run.cycles[0], run.cycles[1], run.cycles[-1]
    assert decided < answered < learned


def rows_of(name, layers, steps):
    """Real rows and classes for a fresh network."""
    dataset = datasets.load(name)
    model = trainable(create(datasets.inputs_from(dataset), layers, classes=dataset.classes, seed=1))
    chosen = np.random.default_rng(0).integers(len(dataset.rows), size=steps)
    ticks = np.rint(dataset.rows[chosen] / [entry.step for entry in model.inputs]).astype(np.int64)
    return taught(model, ticks, model.target_codes(dataset.targets[chosen]))


@pytest.mark.parametrize(
    ("source", "name", "layers", "mean", "most", "steps"),
    [
        (VIPER, "iris", (8,), 7_800, 9_000, 40),
        (THUMB, "iris", (8,), 2_800, 3_000, 40),
        (VIPER, "digits", (32,), 160_000, 180_000, 2),
        (THUMB, "digits", (32,), 55_000, 60_000, 2),
    ],
    ids=("viper-iris", "thumb-iris", "viper-digits", "thumb-digits"),
)
def test_a_step_costs_less_than(source, name, layers, mean, most, steps):
    task = rows_of(name, layers, steps)
    state, cycles = steps_on_core(task, source(task.before, "a test"))
    assert state == task.after[:-4]
    assert np.mean(cycles) < mean
    assert max(cycles) < most


@EMITTERS
def test_other_models_are_refused(source):
    for bits, scheme in ((8, "residual"), (16, "lcg")):
        case = ((4, 8, 3), "relu", 1, scheme, bits, ("softmax", "auto"), (1, 5), "all")
        with pytest.raises(board_program.UnsuitableError, match="16 bits"):
            source(lesson(learner(case), 1).before, "a test")
