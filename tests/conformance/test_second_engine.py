"""The product gives the integers of a second engine that was written from the text of SPEC.md alone."""

from __future__ import annotations

import os
from fractions import Fraction

import numpy as np
import pytest
from second_engine import (
    curves,
    decision,
    doorway,
    forms,
    functions,
    layers,
    nnb_file,
    nnt_file,
    training,
    training_plan,
)
from second_engine.codes import code_of, half
from second_engine.file_bytes import Form, Input, Table
from support.cases import second_engine as cases

from nnhw_codegen.files import nnb, nnt
from nnhw_codegen.integers import precision, reference
from nnhw_codegen.integers.qmodel import QInput, QModel
from nnhw_codegen.network.activations import Activation
from nnhw_codegen.network.network import Layer

LONG = bool(os.environ.get("NNHW_LONG"))
SOME = 1 if LONG else 8
"""Every case, or each eighth one: see CONTRIBUTING.md."""
MODELS = list(enumerate(cases.cases(cases.MODEL_FACTORS, cases.MODELS)))[::SOME]
LESSONS = list(enumerate(cases.cases(cases.LESSON_FACTORS, cases.LESSONS)))[::SOME]
ROWS = cases.ROWS if LONG else 20
NUMBERS = {"ids": lambda value: str(value) if isinstance(value, int) else ""}
each_model = pytest.mark.parametrize(("number", "case"), MODELS, **NUMBERS)
each_lesson = pytest.mark.parametrize(("number", "case"), LESSONS, **NUMBERS)


def slope_of(activation: Activation) -> float:
    return float(activation.ramp or 0)


def real(layer: Layer) -> tuple[list[list[float]], list[float]]:
    return layer.weights.tolist(), layer.bias.tolist()


def reference_input(step: float) -> QModel:
    """A model of which only the doorway is asked: one input of this step."""
    return QModel(precision.get("w16a16"), (QInput("x", step, 0, 1, 1, 0, 0),), (), ("a", "b"), ())


def same_function(form: Form, tables: tuple[Table, ...], wanted, limit: int, seed: int) -> bool:
    """Whether steps and a function give the same for both ends, around zero, and some z between."""
    some = np.random.default_rng(seed).integers(-limit, limit + 1, 200).tolist()
    ends = (-limit, 1 - limit, -2, -1, 0, 1, 2, limit - 1, limit)
    return all(forms.run(form, tables, z) == wanted(z) for z in (*ends, *some))


@each_model
def test_a_model_gives_the_same_integers(number, case):
    network, report = cases.model(case, number)
    product = report.model
    model = nnb_file.read(nnb.to_bytes(product))
    rows = cases.value_rows(network.inputs, ROWS, number)
    ticks = reference.ticks(product, rows)
    codes = reference.codes(product, ticks)
    outputs = reference.logits(product, codes)
    answers = reference.decide(product, outputs).tolist()
    for row, tick, code, output, answer in zip(
        rows.tolist(), ticks.tolist(), codes.tolist(), outputs.tolist(), answers, strict=True
    ):
        assert doorway.ticks(model.inputs, row) == tick
        assert doorway.codes(model.inputs, tick) == code
        assert layers.forward(model, code) == output
        assert decision.decide(model.decision, output, model.outputs) == answer
    for value in (-1, 0, 1):
        tie = [value] * len(outputs[0])
        answer = decision.decide(model.decision, tie, model.outputs)
        assert answer == reference.decide(product, np.array([tie]))[0].tolist()
        if model.decision == "multilabel":
            assert decision.on_board(answer) == reference.board_answers(product, np.array([tie]))[0]


@pytest.mark.parametrize("step", ["0.1", "1.0", "1e-06", "0.3", "1e-30", "7e+20", "0.00390625", "3.0000001"])
def test_ticks_of_any_float32_are_the_same(step):
    product = reference_input(float(step))
    entry = Input(0, 1, 1, 0, 0, *doorway.reciprocal(step))
    assert (entry.reciprocal, entry.exponent) == (
        product.inputs[0].reciprocal.factor,
        product.inputs[0].reciprocal.exponent,
    )
    bits = cases.float32_patterns(2000 if LONG else 200, float(step))
    values = bits.view(np.float32).astype(np.float64)
    ticks = reference.ticks(product, values[:, None])[:, 0].tolist()
    assert [doorway.tick(entry, each) for each in bits.tolist()] == ticks
    normal = [(each, tick) for each, tick in zip(bits.tolist(), ticks, strict=True) if 0 < each >> 23 & 255 < 255]
    assert [doorway.short_tick(entry, each) for each, _ in normal] == [tick for _, tick in normal]


@each_model
def test_a_model_is_what_the_clauses_derive(number, case):
    network, report = cases.model(case, number)
    model = nnb_file.read(nnb.to_bytes(report.model))
    assert layers.proved(model)
    assert layers.formats_hold(model)
    assert layers.recomputed(model) == list(zip(model.lows, model.highs, strict=True))
    limit = (1 << (report.widths[0] - 1)) - 1
    for entry, found in zip(network.inputs, model.inputs, strict=True):
        assert doorway.holds(found, limit)
        low, high = (round(Fraction(end) / Fraction(entry.step)) for end in (entry.low, entry.high))
        assert doorway.derive(low, high, entry.scale, repr(entry.step), limit) == found
    widths = (*report.widths[1:], report.widths[-1])
    for layer, room, width in zip(network.layers, model.layers, widths, strict=True):
        if room.limit:
            function = functions.named(layer.activation.name, slope_of(layer.activation))
            assert room.limit == curves.z_limit(function, width)
            wanted = curves.value(function, room.limit, room.z_frac, room.output_frac)
            assert same_function(room.form, model.tables, wanted, room.limit, number)
            z_frac, output_frac = curves.formats(function, room.limit, room.z_frac)
            assert room.z_frac <= z_frac
            assert room.output_frac == output_frac


@each_lesson
def test_a_lesson_leaves_the_same_integers(number, case):
    lesson = cases.lesson(case, number)
    product = lesson.model
    model, state = nnt_file.read(nnt.to_bytes(product))
    trainer = training.Trainer(model, state)
    codes, targets = product.input_codes(lesson.rows), product.target_codes(lesson.targets)
    for step, (row, target) in enumerate(zip(lesson.rows.tolist(), lesson.targets.tolist(), strict=True)):
        if step == len(codes) // 2:
            product.learner.set_rate(*lesson.later_rate)
            trainer.set_rate(*lesson.later_rate)
        found = doorway.codes(model.inputs, doorway.ticks(model.inputs, row))
        wanted = (
            training.value_targets(model, target)
            if model.decision == "values"
            else training.class_targets(model, target)
        )
        assert found == codes[step].tolist()
        assert wanted == targets[step].tolist()
        product.learner.step(codes[step][:, None], targets[step][:, None])
        trainer.step(found, wanted)
    assert nnt_file.read(nnt.to_bytes(product))[1] == trainer.state
    answers = product.predict(lesson.rows[:10]).tolist()
    assert [training.answer(trainer, row) for row in codes[:10].tolist()] == answers


@each_lesson
def test_a_lesson_starts_as_its_network(number, case):
    start = cases.lesson((*case[:-1], "plain"), number, steps=5)
    model, state = nnt_file.read(nnt.to_bytes(start.model))
    assert (model.fd, model.fa, state.n) == (12, 10, 1)
    assert model.outputs == training_plan.outputs(model, *real(start.network.layers[-1]))
    for index, (room, found) in enumerate(zip(model.layers, state.layers, strict=True)):
        weights, biases = real(start.network.layers[index])
        if index + 1 == len(model.layers) and model.outputs:
            units = [2.0 ** (kind.frac - model.fd) for kind in model.outputs]
            weights = [[w * unit for w in row] for row, unit in zip(weights, units, strict=True)]
            biases = [(b - kind.offset) * unit for b, kind, unit in zip(biases, model.outputs, units, strict=True)]
        fw = training_plan.weight_frac(model.weight_bits, max(abs(w) for row in weights for w in row))
        assert room.shifts.fw == fw
        assert found.weights == tuple(tuple(code_of(w, fw) for w in row) for row in weights)
        assert found.biases == tuple(code_of(b, 24) for b in biases)
        s = room.shifts.update + state.k
        assert set(found.remainders) <= {half(s - max(0, s - 16))}


@each_lesson
def test_a_lesson_is_what_the_clauses_derive(number, case):
    product = cases.lesson(case, number, steps=5).model
    model, _ = nnt_file.read(nnt.to_bytes(product))
    assert tuple(layer.shifts for layer in model.layers) == training_plan.derive(model)
    assert list(model.inputs) == [training_plan.derive_input(model, n) for n in range(len(model.inputs))]
    for index, (layer, name, left) in enumerate(zip(model.layers, model.activations, model.left_slopes, strict=True)):
        z_frac = model.fa if index + 1 < len(model.layers) else model.fd
        if name == "softmax":
            assert same_function(layer.value, model.tables, lambda z: curves.exponential(abs(z)), 32767, number)
            continue
        function = functions.named(name, left)
        assert same_function(layer.value, model.tables, curves.value(function, 32767, z_frac, z_frac), 32767, number)
        if layer.slope.instructions:
            wanted = curves.slope(function, model.twice_relu_at_zero, z_frac)
            assert same_function(layer.slope, model.tables, wanted, 32767, number)
