"""Machine code on a Cortex-M0+: the integers of the reference, the same cycles for every input, within budget."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnhw import activations
from nnhw.network import Input, Layer, Network
from nnhw.targets import get_script_target
from nnhw.targets.rp2040_core import Core
from nnhw_codegen import emit_thumb, precision, quantize, reference, thumb_baked, thumb_stream
from nnhw_codegen.expr import MEANING, Expr, Table, Z, evaluate, linearize, look, maximum, minimum
from nnhw_codegen.program import Dense, build
from nnhw_codegen.text import Origin
from nnhw_codegen.thumb_assembler import Assembler
from nnhw_codegen.thumb_layer import EVEN, Task

pytest.importorskip("rp2040py", reason="rp2040-core: rp2040py is not installed")

FORMS = ("baked", "table")
EXTREME_TICKS = (-(2**29) + 1, 2**29 - 1)


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
        layers.append(Layer(weights, rng.normal(0, 0.5, units), None if last else activations.get(activation)))
    inputs = tuple(
        Input(f"x{i}", 5.0, 2.0, float(rng.choice([0.1, 0.01, 1.0])), float(rng.choice([0.0, -3.0, 2.0])), 10.0)
        for i in range(sizes[0])
    )
    return Network(layers, inputs, tuple(f"class {n}" for n in range(max(2, sizes[-1]))))


def quantized(net, name):
    """Quantized with few calibration rows: the formats hardly matter here."""
    return quantize.quantize(net, precision.get(name), quantize.spread_rows(net)[:30])


def assert_exact(model, form, ticks, padding=0):
    """Every tick row gives the reference's outputs and answer, in one number of cycles; returns (codes, ticks) cycles."""
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


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
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
    assert_exact(model, form, tick_rows(model, 150))


def test_lanes_are_used_only_below_two_to_the_fifteenth():
    model = budget_model((4, 8, 3), "acc16")
    first = build(model).layers[0]
    assert thumb_stream.has_lanes(first)
    assert int(np.maximum(first.high, -first.low).max()) < 2**15
    assert not thumb_stream.has_lanes(build(budget_model((4, 8, 3), "w16a16")).layers[0])


def lane_layer(weights, bias, shift, low=-32767, high=32767):
    count = len(weights)
    no = np.zeros(count, dtype=np.bool_)
    steps, result = (), linearize(Z)[1]
    bounds = np.full(count, low), np.full(count, high)
    return Dense(np.array(weights), np.array(bias), np.array(shift), 0, no, no, steps, result, 1, *bounds)


def run_layer(emit, layer, row):
    """The outputs of one layer on its own."""
    code, data = Assembler("code"), Assembler("data")
    code("push {r4-r7, lr}", *(f"mov r{n}, r{n + 4}" for n in range(4, 8)), "push {r4-r7}")
    code("sub sp, #4", "push {r0-r3}")
    emit(Task(code, data, layer, 0, EVEN, {}, "layer"))
    code("add sp, #20", "pop {r4-r7}", *(f"mov r{n + 4}, r{n}" for n in range(4, 8)), "pop {r4-r7, pc}")
    code.extend(data)
    core = Core()
    at = core.load(code.assemble()[0])
    source, target = core.data(np.array(row, dtype="<i4").tobytes()), core.data(bytes(4 * layer.units))
    core.call(at, source, 0, target, 0)
    return np.frombuffer(core.read(target, 4 * layer.units), dtype="<i4").tolist()


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_two_lanes_are_exact_up_to_the_bounds(data):
    fan_in, units = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 13))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    x = rng.integers(-127, 256, fan_in)
    weights = rng.integers(-127, 128, (units, fan_in))
    weights[rng.random((units, fan_in)) < data.draw(st.sampled_from([0.0, 0.6, 1.0]))] = 0
    sums = (weights * x).sum(axis=1)
    # The bias takes every sum to an end of its range, and some to the other end than their neighbor's.
    want = rng.choice([-32767, -32766, -1, 0, 1, 32767], units)
    shift = rng.integers(0, 31, units)
    layer = lane_layer(weights, want - sums, shift)
    for loop in (False, True):
        found = run_layer(lambda task, loop=loop: thumb_stream.layer(task, loop), layer, x)
        assert found == (want >> shift).tolist()


def leaf_expressions():
    small = st.integers(-40, 40)
    return st.just(Z) | st.builds(lambda a: Z + a, small)


def grown(inner):
    pair = st.tuples(inner, inner | st.sampled_from([0, 1, -1, 7, -8, 255, -256, 300, 32767, -32767]))
    return st.one_of(
        *(pair.map(lambda p, op=op: Expr(op, p)) for op in ("add", "sub", "min", "max")),
        pair.map(lambda p: maximum(minimum(p[0], 90), -90) * (p[1] if isinstance(p[1], int) else 3)),
        st.tuples(inner, st.integers(1, 31)).map(lambda p: p[0] >> p[1]),
        inner.map(lambda a: 5 - a),
        inner.map(lambda a: look(Table(tuple(range(200, 255)), 8), minimum(maximum(a, 0), 54))),
        inner.map(lambda a: look(Table(tuple(range(1000, 60000, 1000)), 16), minimum(maximum(a, 0), 50))),
    )


@settings(max_examples=40, deadline=None)
@given(expr=st.recursive(leaf_expressions(), grown, max_leaves=6), clips=st.tuples(st.booleans(), st.booleans()))
def test_any_activation_steps_are_exact(expr, clips):
    assert set(MEANING) <= {"add", "sub", "mul", "shr", "min", "max"}
    steps, result = linearize(expr)
    registers = 1 + max([step.target.index for step in steps], default=0)
    if registers > 6:
        return
    z = np.array([-500, -100, -99, -1, 0, 1, 37, 100, 101, 500])
    values = np.clip(z, -100 if clips[0] else -1000, 100 if clips[1] else 1000)
    want = np.broadcast_to(evaluate(expr, values), z.shape)
    units = len(z)
    flags = [np.full(units, clip) for clip in clips]
    zeros = np.zeros(units, dtype=np.int64)
    layer = Dense(zeros[:, None], z, zeros, 100, *flags, steps, result, registers, z, z)

    def emit(task):
        tables = dict.fromkeys(step.table for step in steps if step.table is not None)
        labels = {table: f"table{n}" for n, table in enumerate(tables)}
        for table, name in labels.items():
            task.data.data(name, table.to_bytes())
        thumb_baked.layer(Task(task.code, task.data, layer, task.source, task.target, labels, task.name))

    assert run_layer(emit, layer, [0]) == want.tolist()


def test_relu_costs_two_cycles_and_leaky_relu_five():
    def cycles(activation):
        net = network((4, 1, 1), activation)
        net.layers[0].weights[:] = 1e-3  # far from saturation
        net.layers[0].bias[:] = 0
        return assert_exact(quantized(net, "w8a16"), "baked", tick_rows_of_four())[0]

    assert cycles("relu") - cycles("identity") in (2, 2 - 4)
    assert cycles("leaky_relu") - cycles("identity") == 5


def tick_rows_of_four():
    return np.zeros((1, 4), dtype=np.int64)


@pytest.mark.parametrize(("name", "activation"), [("w8a8", "tanh"), ("acc16", "relu")])
def test_the_module_runs_on_a_micro_bit_with_the_same_outputs(name, activation):
    target = get_script_target("microbit")
    if target.why_unavailable():
        pytest.skip(f"microbit: {target.why_unavailable()}")
    model = quantized(network((4, 8, 3), activation), name)
    files = emit_thumb.emit(build(model), Origin("iris", "A test model.", "0"))
    rows = tick_rows(model, 6)
    codes = reference.codes(model, rows)
    script = "\n".join(
        [
            "import iris",
            "from array import array",
            "y = array('i', bytes(12))",
            f"for t, x in zip({rows.tolist()}, {codes.tolist()}):",
            "    iris.logits_from_ticks(array('i', t), y)",
            "    print(iris.predict_ticks(array('i', t)), list(y))",
            "    iris.logits_from_codes(array('i', x), y)",
            "    print(iris.decide(y), list(y))",
            "print(iris.label([5.0, 5.0, 5.0, 5.0]))",
        ]
    )
    lines = target.run(files, script).splitlines()
    outputs = reference.logits(model, codes)
    answers = reference.decide(model, outputs)
    want = [f"{a} {o}" for a, o in zip(answers, outputs.tolist(), strict=True) for _ in range(2)]
    row = np.full((1, 4), 5.0)
    assert lines == [*want, model.classes[reference.predict(model, row)[0]]]
