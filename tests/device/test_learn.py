"""nnrun.learn under CPython: the reference engine's integers, and the interface."""

from __future__ import annotations

import re
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.covering import covering
from support.learning.boards import FACTORS, learner, lesson, teach
from support.learning.extremes import CASES, STEEP_CASES, extremes
from support.networks import network

import nnrun.learn
from nnhw.data import datasets
from nnhw.training.train import create
from nnhw_codegen.files import nnt
from nnhw_codegen.learning import board_program
from nnhw_codegen.learning.trainable import default_profile, trainable
from nnhw_codegen.network import activations
from nnhw_codegen.network.network import Input, Layer, Network
from nnhw_codegen.thumb import learn as thumb_learn
from nnhw_codegen.viper import learn as viper_learn
from nnrun import learn_backward, learn_kernels
from nnrun.learn_core import Core
from nnrun.learn_program import Program

IRIS = datasets.load("iris")


@pytest.mark.parametrize("case", list(covering(FACTORS)), ids=str)
def test_weights_biases_and_remainders_are_the_reference_s(case):
    task = lesson(learner(case), 40)
    assert teach(Core(bytearray(task.before)), task) == task.after[:-4]


def steps(record, at_zero=1.0):
    """The board's program of a network with these hidden activations."""
    start = network((4, 5, 4, 3), record)
    model = trainable(start, replace(default_profile(start), relu_at_zero=at_zero))
    return list(Program(bytearray(nnt.to_bytes(model))).blocks)


@pytest.mark.parametrize("at_zero", [0, 0.5, 1])
def test_the_form_of_an_activation_makes_the_program_not_its_name(at_zero):
    relu, tanh = activations.get("relu"), activations.get("tanh")
    assert steps(replace(relu, name="ulre"), at_zero) == steps(relu, at_zero)
    assert steps(replace(tanh, name="relu"), at_zero) == steps(tanh, at_zero)
    # A derivative of 0 and 1 is a gate of the dense layers, without steps of its own, unless it is one half at 0. The value
    # of leaky_relu alone is a step longer in both hidden layers: 8 words.
    saved = len(steps(activations.get("leaky_relu"), at_zero)) - len(steps(relu, at_zero))
    assert (saved > 8) == (at_zero != 0.5)


@pytest.mark.parametrize("case", CASES + STEEP_CASES, ids=str)
def test_weights_biases_and_remainders_are_the_reference_s_at_the_edges(case):
    for seed in range(4):
        task = extremes(case, 16, seed)
        assert teach(Core(bytearray(task.before)), task) == task.after[:-4]


def iris():
    return trainable(create(datasets.inputs_from(IRIS), (8,), classes=IRIS.classes))


@pytest.fixture
def load(tmp_path):
    def load(model):
        nnt.save(model, tmp_path / "m.nnt")
        return nnrun.learn.load(str(tmp_path / "m.nnt"))

    return load


def line():
    """A linear model of two inputs, its rows and their values 5 * x1 + 7 * x2."""
    rows = np.random.default_rng(0).uniform(-2, 2, (200, 2)).round(2)
    inputs = tuple(Input(name, step=0.01, low=-2, high=2) for name in ("x1", "x2"))
    start = Network([Layer(np.zeros((1, 2)), np.zeros(1), activations.get("identity"))], inputs, (), ("y",))
    return trainable(start), [((a, b), 5 * a + 7 * b) for a, b in rows.tolist()]


def test_iris_is_learned_and_saved(load, tmp_path, capsys):
    net = load(iris())
    rows = list(zip(IRIS.rows.tolist(), IRIS.targets.tolist(), strict=True))
    net.fit(rows, 30)
    net.save(str(tmp_path / "m.nnt"))
    model = nnt.load(tmp_path / "m.nnt")
    answers = [net.predict(row) for row, _ in rows]
    assert answers == model.predict(IRIS.rows).tolist()
    assert np.mean(np.array(answers) == IRIS.targets) > 0.95
    assert net.label(rows[0][0]) == "setosa"
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 30
    assert all(re.fullmatch(r"loss: \d\.\d+ acc: \d\.\d\d\d", text) for text in lines)
    assert float(lines[-1].split()[1]) < 0.5 * float(lines[0].split()[1])


def test_after_saving_the_net_goes_on_as_if_nothing_had_been(load, tmp_path):
    task = lesson(iris(), 40)
    core = Core(bytearray(task.before))
    nnrun.learn.Net.save(core, str(tmp_path / "m.nnt"))
    assert (tmp_path / "m.nnt").read_bytes() == task.before
    assert teach(core, task) == task.after[:-4]


def test_5_and_7_are_learned(load, capsys):
    model, rows = line()
    net = load(model)
    net.fit(rows, 10)
    (slopes,), (bias,) = net.weights()
    assert np.abs(np.array([*slopes, bias]) - [5, 7, 0]).max() <= 0.001
    assert abs(net.predict((1.5, -0.5)) - 4.0) < 0.01
    assert (net.decision, net.outputs, net.inputs, net.classes) == ("values", ("y",), ("x1", "x2"), ())
    assert re.fullmatch(r"loss: [\d.e-]+", capsys.readouterr().out.splitlines()[-1])
    with pytest.raises(ValueError, match="values, not classes"):
        net.label((0, 0))


def test_weights_are_those_of_the_network(load):
    model = trainable(create(datasets.inputs_from(IRIS), (5,), classes=IRIS.classes))
    net = load(model)
    for number, layer in enumerate(model.to_network().layers):
        weights, biases = net.weights(number)
        assert (weights, biases) == (layer.weights.tolist(), layer.bias.tolist())


def test_several_values_come_as_a_tuple(load):
    inputs = (Input("x", step=0.01, low=-2, high=2),)
    tanh = activations.get("tanh")
    start = Network([Layer(np.array([[0.5], [-1.0]]), np.array([0.1, 0.0]), tanh)], inputs, (), ("a", "b"))
    model = trainable(start)
    net = load(model)
    assert net.predict((1.25,)) == tuple(model.predict(np.array([[1.25]]))[0].tolist())
    net.learn((1.25,), (0.5, 0.5))
    with pytest.raises(ValueError, match="expected 2 target values, found 1"):
        net.learn((1.25,), 0.5)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net: net.predict((1, 2, 3)), "expected 4 values, found 3"),
        (lambda net: net.learn((1, 2, 3, 4, 5), 0), "expected 4 values, found 5"),
        (lambda net: net.learn((1, 2, 3, 4), 3), "class 3: there are 3"),
        (lambda net: net.learn((1, 2, 3, 4), -1), "class -1: there are 3"),
        (lambda net: net.rate(2, 5), r"rate 2 \* 2\^-5: expected 1 or 3, and 0 to 20"),
        (lambda net: net.rate(1, 21), "expected 1 or 3, and 0 to 20"),
    ],
)
def test_bad_arguments_are_named(load, call, message):
    with pytest.raises(ValueError, match=message):
        call(load(iris()))


def test_a_rate_that_could_overflow_is_refused_as_on_the_host(load):
    case = ((4, 8, 3), "relu", 1, "residual", 8, ("softmax", "auto"), (1, 5), "all")
    model = learner(case)
    net = load(model)
    for shift in range(21):
        refused = []
        for rate in (model.learner.set_rate, net.rate):
            try:
                rate(1, shift)
            except ValueError:
                refused.append(True)
        assert len(refused) in (0, 2), shift


def test_inference_does_not_load_what_learns():
    folder = str(Path(nnrun.__file__).parents[1])
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import nnrun; print([m for m in sys.modules if 'learn' in m])"
    )
    found = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_no_vector_reaches_31_bits_from_extreme_states():
    class Small(list):
        def __setitem__(self, at, value):
            assert -(2**30) < value < 2**30
            super().__setitem__(at, value)

    generator = np.random.default_rng(0)
    for case in list(covering(FACTORS))[::4]:
        task = lesson(learner(case), 2)
        data = bytearray(task.before)
        core = Core(data)
        for (at, count), (units, _) in zip(core.program.weights, core.program.shapes, strict=True):
            size = data[20] >> 3
            data[at : at + size * count] = bytes(generator.choice([1, 255], size * count).tolist())
            biases = at + (size * count + 3 & ~3)
            data[biases : biases + 4 * units] = (2**29 - 1).to_bytes(4, "little") * units
        core.program.room = Small(core.program.room)
        teach(core, task)


def generated(model):
    """The module that export writes for a model, as far as this computer runs it."""
    line = board_program.identity(nnt.to_bytes(model))
    assert f"\n{line}\n" in viper_learn.source(nnt.to_bytes(model), "a test").decode()
    assert f"\n{line}\n" in thumb_learn.source(nnt.to_bytes(model), "a test").decode()
    module = types.ModuleType("m_learn")
    exec(line, module.__dict__)
    module.run = learn_kernels.run
    return module


def test_generated_code_of_another_model_is_refused(load, tmp_path):
    model, other = iris(), trainable(create(datasets.inputs_from(IRIS), (7,), classes=IRIS.classes))
    load(model).learn((5.1, 3.5, 1.4, 0.2), 0)
    module = generated(model)
    assert nnrun.learn.load(str(tmp_path / "m.nnt"), module)._kernel is module.run
    model.learner.step(model.input_codes(IRIS.rows[:1]).T, model.target_codes(IRIS.targets[:1]).T)
    assert generated(model).MODEL == module.MODEL, "training changes no code"
    for wrong in (generated(other), module.run):
        with pytest.raises(ValueError, match="generated code of another model: run 'nnhw export --learn' again"):
            nnrun.learn.load(str(tmp_path / "m.nnt"), wrong)


def test_distances_below_the_largest_are_saturated():
    room = [20000, -12767, -12768, 19999, 0, 0, 0, 0]
    learn_backward.below_top(room, (4, 5, 4, 0, 4), 0, b"")
    assert room[4:] == [0, 32767, 32767, 1]


@pytest.mark.parametrize(("biases", "wanted"), [((0, 0, 0), 0), ((0, 1, 1), 1), ((-1, 0, -1), 1), ((0,), 0)])
def test_of_equal_classes_the_first_is_the_answer(load, biases, wanted):
    count = len(biases)
    layer = Layer(np.zeros((count, 1)), np.array(biases, dtype=float), activations.get("logsig"))
    names = tuple(f"class {n}" for n in range(max(2, count)))
    model = trainable(Network([layer], (Input("x", step=0.01, low=-2, high=2),), names))
    assert load(model).predict((1.0,)) == model.predict(np.array([[1.0]]))[0] == wanted


def test_values_and_targets_far_out_saturate_as_on_the_host(load, tmp_path):
    model, _ = line()
    net = load(model)
    learner = model.learner
    far = [(1e30, -1e30), (float("inf"), float("-inf")), (-1e9, 1e9)]
    assert [net.predict(row) for row in far] == model.predict(np.array(far))[:, 0].tolist()
    for row, target in zip(far, (1e30, -1e30, float("inf")), strict=True):
        net.learn(row, target)
        codes, wanted = model.input_codes(np.array([row])), model.target_codes(np.array([[target]]))
        learner.step(codes.T, wanted.T)
    net.save(str(tmp_path / "m.nnt"))
    assert (tmp_path / "m.nnt").read_bytes() == nnt.to_bytes(model)


def test_each_epoch_learns_every_row_once_in_an_order_of_its_own(load):
    net = load(iris())
    seen = []
    net.learn = lambda values, target: seen.append(target)
    net.fit([((0, 0, 0, 0), n) for n in range(40)], 3)
    epochs = [seen[n : n + 40] for n in range(0, 120, 40)]
    assert all(sorted(order) == list(range(40)) for order in epochs)
    assert len({tuple(order) for order in [*epochs, range(40)]}) == 4
    assert all(sum(n == at for at, n in enumerate(order)) < 10 for order in epochs)


def test_a_report_gives_the_mean_error_and_the_share_of_right_answers(load, capsys):
    model = iris()
    net = load(model)
    rows = list(zip(IRIS.rows[::10].tolist(), IRIS.targets[::10].tolist(), strict=True))
    hits, errors = 0, []
    for values, target in rows:
        hits += net.predict(values) == target
        net.forward(True)
        codes = np.array(net.program.room[net.program.y : net.program.y + 3])
        errors.append(np.abs(codes / 4096 - np.eye(3)[target]).mean())
        net.learn(values, target)
    net.report()
    assert 0 < hits < len(rows)
    assert capsys.readouterr().out == f"loss: {np.mean(errors):.4g} acc: {hits / len(rows):.3f}\n"
    net.report()
    assert capsys.readouterr().out == ""
