"""The viper emitter against the reference: bit-exact on a 32-bit core and on the 64-bit unix port, in constant time."""

from __future__ import annotations

import json
from array import array
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.networks import plain_network

from nnhw.boards.mpy_cross import compile_mpy
from nnhw.targets import get
from nnhw.targets.core.module_on_core import ModuleOnCore
from nnhw_codegen.integers import precision, program, reference
from nnhw_codegen.network import activations
from nnhw_codegen.network.network import Input, Layer, Network
from nnhw_codegen.quantization import quantize
from nnhw_codegen.viper import baked, emitter
from nnhw_codegen.writer import Origin

ORIGIN = Origin("model", "a model", "0123")
ARCHITECTURES = ("armv6m", "armv7m", "armv7emsp", "xtensawin", "rv32imc", "x64")
FORMS = ("baked", "loops")


@st.composite
def networks(draw, largest):
    """Networks of 1 to 4 layers with sparse, zero, tiny and huge weights, for classes or values."""
    sizes = draw(st.lists(st.integers(1, largest), min_size=2, max_size=5))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    names = draw(st.lists(st.sampled_from(activations.names()), min_size=len(sizes) - 1, max_size=len(sizes) - 1))
    density = draw(st.sampled_from((0.0, 0.1, 0.5, 1.0)))
    scale = draw(st.sampled_from((0.01, 1.0, 1.0, 50.0)))
    classifies = draw(st.booleans())
    layers = []
    for (fan_in, units), name in zip(pairwise(sizes), names, strict=True):
        weights = random.normal(0, scale / np.sqrt(fan_in), (units, fan_in))
        weights *= random.random(weights.shape) < density
        weights[random.integers(units)] = random.choice((0.0, 1.0, -1.0, 0.5))
        last = len(layers) + 2 == len(sizes)
        activation = activations.get("softmax" if last and classifies else name)
        layers.append(Layer(weights, random.normal(0, scale / 2, units), activation))
    center = random.choice((-20.0, 0.0, 5.0))
    inputs = tuple(Input(f"x{i}", center, 2.0, 0.1, center - 5, center + 6) for i in range(sizes[0]))
    return Network(layers, inputs, tuple(map(str, range(max(2, sizes[-1])))) if classifies else ())


def classifier(sizes, activation="relu"):
    return plain_network(sizes, activation, seed=1)


def tick_rows(model, count, seed=0):
    """Ticks (count, inputs): the ends of the number range, the ends of the inputs' ranges, then random ones."""
    low, high = model.tick_range
    ends = [np.full_like(low, -(1 << 31)), np.full_like(low, (1 << 31) - 1), low - 1, low, high, high + 1]
    random = np.random.default_rng(seed).integers(low - 20, high + 20, (max(0, count - len(ends)), len(low)))
    return np.concatenate([np.array(ends), random])[:count]


def source(model, form):
    return emitter.source(program.build(model), ORIGIN, form).encode()


def answers(model, outputs):
    """The reference's answers in the form in which modules give them."""
    decided = reference.decide(model, outputs)
    if model.decision != "values":
        return decided.tolist()
    return [row[0] if len(row) == 1 else tuple(row) for row in decided.tolist()]


def check_on_core(model, form, count):
    """Every output equals the reference's; returns the cycles of one prediction, the same for all rows."""
    rows = tick_rows(model, count)
    codes = reference.codes(model, rows)
    outputs = reference.logits(model, codes)
    board = ModuleOnCore(source(model, form))
    t, x, y = (array("i", bytes(4 * n)) for n in (model.sizes[0], model.sizes[0], model.sizes[-1]))
    cycles = set()
    for row, code, expected, answer in zip(rows, codes, outputs, answers(model, outputs), strict=True):
        t[:], x[:] = array("i", row.tolist()), array("i", code.tolist())
        board.cycles = 0
        assert board.module.predict_ticks(t) == answer
        cycles.add(board.cycles)
        board.module.logits_from_codes(x, y)
        assert y.tolist() == expected.tolist()
        y[:] = array("i", bytes(4 * len(y)))
        board.module.logits_from_ticks(t, y)
        assert y.tolist() == expected.tolist()
    assert len(cycles) == 1
    return cycles.pop()


UNIX_SCRIPT = """
import json
from array import array
rows, codes, outputs = json.loads(open("rows.json").read())
for name in ("baked", "loops"):
    m = __import__(name)
    y = array("i", [0] * outputs)
    for row, code in zip(rows, codes):
        m.logits_from_codes(array("i", code), y)
        first = list(y)
        m.logits_from_ticks(array("i", row), y)
        print(json.dumps([first, list(y), m.predict_ticks(array("i", row))]))
"""


def check_on_unix(model, count):
    rows = tick_rows(model, count)
    codes = reference.codes(model, rows)
    outputs = reference.logits(model, codes)
    files = {f"{form}.py": source(model, form) for form in FORMS}
    files["rows.json"] = json.dumps([rows.tolist(), codes.tolist(), model.sizes[-1]]).encode()
    with get("unix").session(files, heap=1 << 26) as session:
        found = [json.loads(line) for line in session.run(UNIX_SCRIPT).splitlines()]
    assert [line[:2] for line in found] == 2 * [[logits, logits] for logits in outputs.tolist()]
    # MicroPython's float printing may be off by a unit in the last place.
    assert np.array([line[2] for line in found]) == pytest.approx(np.array(2 * answers(model, outputs)), rel=1e-14)


@settings(max_examples=12, deadline=None)
@given(networks(20), st.sampled_from(precision.PRECISIONS), st.sampled_from(FORMS))
def test_random_networks_are_exact_on_the_core(network, wanted, form):
    check_on_core(quantize.quantize(network, wanted), form, 6)


def test_two_neurons_in_a_word_without_any_weight_are_exact():
    plain = classifier((9, 4))
    plain.layers[0].weights[1:] = 0.0
    plain.layers[0].bias[:] = (0.1, -0.5, 0.2, -0.9)
    check_on_core(quantize.quantize(plain, precision.get("acc16")), "baked", 6)


@settings(max_examples=12, deadline=None)
@given(networks(40), st.sampled_from(precision.PRECISIONS))
def test_random_networks_are_exact_on_the_64_bit_port(network, wanted):
    check_on_unix(quantize.quantize(network, wanted), 20)


@pytest.mark.parametrize("wanted", precision.PRECISIONS, ids=lambda p: p.name)
@pytest.mark.parametrize("name", activations.names())
def test_every_activation_is_exact(name, wanted):
    model = quantize.quantize(classifier((5, 9, 4, 3), name), wanted)
    for form in FORMS:
        check_on_core(model, form, 12)
    check_on_unix(model, 100)


@pytest.mark.parametrize("sizes", [(40, 20, 33, 2), (3, 66, 2)])
def test_a_net_split_into_several_functions_is_exact(monkeypatch, sizes):
    monkeypatch.setattr(baked, "PART_WEIGHTS", 150)
    for name in ("relu", "tanh"):
        model = quantize.quantize(classifier(sizes, name), precision.get("w8a16"))
        assert source(model, "baked").count(b"@micropython.viper") > 1
        check_on_core(model, "baked", 6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_the_time_does_not_depend_on_the_input(name, form):
    check_on_core(quantize.quantize(classifier((4, 8, 3), name), precision.get("w8a16")), form, 200)


# The budget, in cycles from codes to the class index; the doorway is measured apart.
@pytest.mark.parametrize(
    ("sizes", "wanted", "budget"),
    [
        ((4, 8, 3), "w8a8", 900),
        ((4, 8, 3), "w8a16", 900),
        ((4, 16, 16, 3), "w8a16", 4000),
        ((64, 32, 10), "w8a16", 23000),
    ],
)
def test_cycles_stay_within_the_budget(sizes, wanted, budget):
    model = quantize.quantize(classifier(sizes), precision.get(wanted))
    board = ModuleOnCore(source(model, "auto"))
    board.module.logits_from_codes(array("i", bytes(4 * sizes[0])), array("i", bytes(4 * sizes[-1])))
    assert board.calls == 1
    assert board.cycles <= budget


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(
    ("sizes", "name", "wanted", "form"),
    [
        ((64, 32, 10), "relu", "w16a16", "baked"),
        ((70, 40, 9), "tanh", "w16a16", "loops"),
        ((4, 8, 3), "tanh", "w8a8", "baked"),
    ],
)
def test_every_architecture_compiles(architecture, sizes, name, wanted, form):
    model = quantize.quantize(classifier(sizes, name), precision.get(wanted))
    assert compile_mpy(source(model, form), "model.py", architecture)


def test_large_nets_become_loops():
    model = quantize.quantize(classifier((70, 60, 10)), precision.get("w8a8"))
    assert b"while i:" in source(model, "auto")


def test_predict_and_label_take_raw_values():
    model = quantize.quantize(classifier((4, 8, 3)), precision.get("w8a16"))
    rows = np.random.default_rng(3).integers(0, 101, (20, 4)) / 10
    script = f"import m\nfor row in {rows.tolist()!r}:\n    print(m.predict(row), m.label(row))\n"
    with get("unix").session({"m.py": source(model, "auto")}) as session:
        found = session.run(script).splitlines()
    assert found == [f"{k} {model.classes[k]}" for k in reference.predict(model, rows)]
