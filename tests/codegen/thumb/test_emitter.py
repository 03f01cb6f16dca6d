"""Machine code on a Cortex-M0+: the integers of the reference, the same cycles for every input, within budget."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnhw.boards import mpy_cross
from nnhw.targets import get_script_target
from nnhw.targets.core.core import Core
from nnhw_codegen import emitters
from nnhw_codegen.integers import precision, reference
from nnhw_codegen.integers.program import build
from nnhw_codegen.network import activations
from nnhw_codegen.network.network import Input, Layer, Network
from nnhw_codegen.quantization import quantize
from nnhw_codegen.thumb import emitter as emit_thumb
from nnhw_codegen.thumb import stream
from nnhw_codegen.writer import Origin

pytest.importorskip("rp2040py", reason="rp2040-core: rp2040py is not installed")

FORMS = ("baked", "loops")
EXTREME_TICKS = (-(2**31), 2**31 - 1)


class Board:
    """One model's machine code with its buffers on a bare core; a guard strip surrounds every buffer."""

    def __init__(self, model, form, padding=0):
        self.blob = emit_thumb.machine_code(build(model), form)
        self.core = Core()
        if padding:
            self.core.load(bytes(padding))
        self.code = self.core.load(self.blob.code)
        self.outputs = model.sizes[-1]
        self.source = self.core.data(bytes(4 * len(model.inputs)))
        self.target = self.core.data(bytes(4 * self.outputs))
        self.work = self.core.data(b"\xa5" * (4 * self.blob.work_words))

    def run(self, row, entry="ticks"):
        """(answer, outputs, cycles)."""
        self.core.write(self.source, np.asarray(row, dtype="<i4").tobytes())
        result = self.core.call(self.code + getattr(self.blob, entry), self.source, self.target, self.work)
        outputs = np.frombuffer(self.core.read(self.target, 4 * self.outputs), dtype="<i4")
        return result.value, outputs.tolist(), result.cycles


def network(sizes, activation, seed=0, sparse=0.0, extreme=False):
    """A random network; some rows are all zero where it is sparse."""
    rng = np.random.default_rng(seed)
    layers = []
    for number, (fan_in, units) in enumerate(itertools.pairwise(sizes)):
        weights = rng.normal(0, 1.5 / np.sqrt(fan_in), (units, fan_in))
        if extreme:
            weights = np.sign(weights) * rng.choice([1e-3, 1.0, 2.0], weights.shape)
        weights[rng.random(weights.shape) < sparse] = 0
        if sparse:
            weights[rng.random(units) < 0.2] = 0
        last = number + 2 == len(sizes)
        layers.append(Layer(weights, rng.normal(0, 0.5, units), activations.get("softmax" if last else activation)))
    inputs = tuple(
        Input(f"x{i}", 5.0, 2.0, float(rng.choice([0.1, 0.01, 1.0])), float(rng.choice([0.0, -3.0, 2.0])), 10.0)
        for i in range(sizes[0])
    )
    return Network(layers, inputs, tuple(f"class {n}" for n in range(max(2, sizes[-1]))))


def quantized(net, name):
    """Quantized with few calibration rows: the formats hardly matter here."""
    return quantize.quantize(net, precision.get(name), quantize.spread_rows(net)[:30])


def assert_exact(model, form, ticks, padding=0):
    """Every row gives the reference's outputs and answer, in the same cycles; returns those from codes, from ticks."""
    board = Board(model, form, padding)
    codes = reference.codes(model, ticks)
    outputs = reference.logits(model, codes)
    answers = reference.decide(model, outputs)
    cycles = {"ticks": set(), "codes": set()}
    for entry, rows in (("ticks", ticks), ("codes", codes)):
        for row, want, answer in zip(rows, outputs.tolist(), answers, strict=True):
            value, found, count = board.run(row, entry)
            assert found == want
            assert model.decision == "values" or value == answer
            cycles[entry].add(count)
        assert len(cycles[entry]) == 1
    return min(cycles["codes"]), min(cycles["ticks"])


def tick_rows(model, count, seed=0):
    """Random ticks in and around each input's range, and the extremes."""
    rng = np.random.default_rng(seed)
    low, high = model.tick_range
    rows = rng.integers(low - 20, high + 21, (count, len(low)))
    ends = rng.choice(EXTREME_TICKS, (2, len(low)))
    return np.vstack([rows, ends, *(np.full((1, len(low)), end) for end in EXTREME_TICKS)])


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    sizes=st.lists(st.integers(1, 70), min_size=2, max_size=5).filter(
        lambda s: sum(a * b for a, b in itertools.pairwise(s)) < 1500
    ),
    activation=st.sampled_from(activations.names()),
    name=st.sampled_from(precision.names()),
    form=st.sampled_from(FORMS),
    sparse=st.sampled_from([0.0, 0.5, 0.95, 1.0]),
    extreme=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_any_network_gives_the_reference_integers(sizes, activation, name, form, sparse, extreme, seed):
    net = network(sizes, activation, seed, sparse, extreme)
    model = quantized(net, name)
    assert_exact(model, form, tick_rows(model, 2, seed), padding=seed % 4 * 4)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", precision.names())
@pytest.mark.parametrize("activation", activations.names())
def test_every_activation_and_precision_is_exact(activation, name, form):
    model = quantized(network((5, 9, 6, 4), activation), name)
    assert_exact(model, form, tick_rows(model, 3))


RANGES = [(1, 0, 10), (1, -90, 37), (1, -300, -46), (0.01, 2, 9), (0.001, -9, 8)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", precision.names())
@pytest.mark.parametrize(("step", "low", "high"), RANGES)
def test_every_end_of_short_and_long_ranges_gives_its_code(step, low, high, name, form):
    net = network((5, 3), "relu")
    inputs = tuple(Input(f"x{n}", (low + high) / 2, 2.0, step, low, high - n) for n in range(5))
    model = quantized(Network(net.layers, inputs, net.classes), name)
    first, last = model.tick_range
    ends = np.array([first - 1, first, first + 1, (first + last) // 2, last - 1, last, last + 1])
    assert_exact(model, form, np.vstack([ends, tick_rows(model, 5)]))


def test_values_are_left_in_the_outputs():
    net = network((3, 5, 2), "tanh")
    net = Network(net.layers, net.inputs, (), ("left", "right"))
    model = quantized(net, "w8a16")
    assert model.decision == "values"
    assert_exact(model, "baked", tick_rows(model, 3))


@pytest.mark.parametrize("outputs", [16, 17, 40])
def test_the_first_of_equal_outputs_wins(outputs):
    net = network((4, outputs), "relu")
    net.layers[0].weights[:] = np.tile(net.layers[0].weights[:1], (outputs, 1))
    net.layers[0].bias[:] = 0.25
    model = quantized(net, "w8a8")
    board = Board(model, "baked")
    for row in tick_rows(model, 3):
        answer, found, _ = board.run(row)
        assert answer == 0
        assert len(set(found)) == 1


@functools.cache
def budget_model(sizes, name):
    return quantized(network(sizes, "relu", seed=1), name)


BUDGETS = [
    ((4, 8, 3), "w8a8", 420),
    ((4, 8, 3), "acc16", 340),
    ((4, 16, 16, 3), "w8a8", 1600),
    ((4, 16, 16, 3), "acc16", 1250),
    ((64, 32, 10), "w8a8", 8500),
    ((64, 32, 10), "acc16", 5300),
]


@pytest.mark.parametrize(("sizes", "name", "budget"), BUDGETS)
def test_codes_to_class_index_stay_within_the_budget(sizes, name, budget):
    model = budget_model(sizes, name)
    assert assert_exact(model, "auto", tick_rows(model, 1))[0] <= budget


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", precision.names())
def test_every_input_takes_the_same_time(name, form):
    model = quantized(network((4, 8, 3), "tanh"), name)
    assert_exact(model, form, tick_rows(model, 60))


def test_lanes_are_used_only_below_two_to_the_fifteenth():
    model = budget_model((4, 8, 3), "acc16")
    first = build(model).layers[0]
    assert stream.has_lanes(first)
    assert int(np.maximum(first.high, -first.low).max()) < 2**15
    assert not stream.has_lanes(build(budget_model((4, 8, 3), "w16a16")).layers[0])


@pytest.mark.parametrize("arch", ["armv6m", "armv7m", "armv7emsp"])
def test_the_module_compiles_for_every_cortex_m(arch):
    if mpy_cross.why_unavailable():
        pytest.skip(f"mpy-cross: {mpy_cross.why_unavailable()}")
    (content,) = emit_thumb.emit(
        build(budget_model((4, 8, 3), "acc16")), Origin("iris", "A test model.", "0")
    ).values()
    assert mpy_cross.compile_mpy(content, "iris.py", arch)[:1] == b"M"


@pytest.mark.parametrize(
    ("name", "activation", "sizes"),
    [("w8a8", "tanh", (4, 5, 3)), ("acc16", "relu", (4, 8, 3)), ("w16a16", "relu", (4, 3, 3))],
)
def test_the_module_runs_on_a_micro_bit_with_the_same_outputs(name, activation, sizes):
    target = get_script_target("microbit")
    if target.why_unavailable():
        pytest.skip(f"microbit: {target.why_unavailable()}")
    model = quantized(network(sizes, activation), name)
    emitter = emitters.get("thumb")
    assert emitter.requires == "asm_thumb"
    files = emitter.emit(build(model), Origin("iris", "A test model.", "0"))
    rows = tick_rows(model, 6)
    codes = reference.codes(model, rows)
    outputs = reference.logits(model, codes)
    answers = reference.decide(model, outputs)
    want = [f"{a} {o}" for a, o in zip(answers, outputs.tolist(), strict=True)]
    want.append(model.classes[reference.predict(model, np.full((1, 4), 5.0))[0]])
    with target.session(files) as session:
        for source, logits, answer in (
            (rows, "logits_from_ticks", "predict_ticks(t)"),
            (codes, "logits_from_codes", "decide(y)"),
        ):
            script = [
                "from array import array",
                "import iris",
                "y = array('i', bytes(12))",
                f"r = array('i', {source.astype('<i4').tobytes()!r})",
                "for k in range(0, len(r), 4):",
                "    t = r[k : k + 4]",
                f"    iris.{logits}(t, y)",
                f"    print(iris.{answer}, list(y))",
                "print(iris.label([5.0, 5.0, 5.0, 5.0]))",
            ]
            assert session.run("\n".join(script)).splitlines() == want
