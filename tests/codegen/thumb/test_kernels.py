"""The Thumb kernels on hand-made layers: two lanes at their bounds, and activations that no network has."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnhw.targets.core.core import Core
from nnhw_codegen.integers.expr import Expr, Table, Z, evaluate, linearize, look, maximum, minimum
from nnhw_codegen.integers.program import Clips, Dense
from nnhw_codegen.thumb import baked as thumb_baked
from nnhw_codegen.thumb import stream
from nnhw_codegen.thumb.assembler import Assembler
from nnhw_codegen.thumb.frame import EVEN, Task

pytest.importorskip("rp2040py", reason="rp2040-core: rp2040py is not installed")


def lane_layer(weights, bias, shift, low=-32767, high=32767):
    count = len(weights)
    no = np.zeros(count, dtype=np.bool_)
    instructions, result = (), linearize(Z)[1]
    bounds = np.full(count, low), np.full(count, high)
    return Dense(np.array(weights), np.array(bias), np.array(shift), 0, no, no, instructions, result, 1, *bounds)


def run_layer(emit, layer, row):
    """(outputs, cycles) of one layer on its own."""
    code, data = Assembler("code"), Assembler("data")
    code("push {r4-r7, lr}", *(f"mov r{n}, r{n + 4}" for n in range(4, 8)), "push {r4-r7}")
    code("sub sp, #4", "push {r0-r3}")
    emit(Task(code, data, layer, 0, EVEN, {}, "layer"))
    code("add sp, #20", "pop {r4-r7}", *(f"mov r{n + 4}, r{n}" for n in range(4, 8)), "pop {r4-r7, pc}")
    code.extend(data)
    core = Core()
    at = core.load(code.assemble()[0])
    source, target = core.data(np.array(row, dtype="<i4").tobytes()), core.data(bytes(4 * layer.units))
    cycles = core.call(at, source, 0, target, 0).cycles
    return np.frombuffer(core.read(target, 4 * layer.units), dtype="<i4").tolist(), cycles


@settings(max_examples=20, deadline=None)
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
        found, _ = run_layer(lambda task, loop=loop: stream.layer(task, loop), layer, x)
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


@settings(max_examples=30, deadline=None)
@given(
    expr=st.recursive(leaf_expressions(), grown, max_leaves=6), clips=st.builds(Clips, st.booleans(), st.booleans())
)
def test_any_activation_instructions_are_exact(expr, clips):
    instructions, result = linearize(expr)
    registers = 1 + max([instruction.into.index for instruction in instructions], default=0)
    if registers > 6:
        return
    z = np.array([-500, -100, -99, -1, 0, 1, 37, 100, 101, 500])
    values = np.clip(z, -100 if clips.below else -1000, 100 if clips.above else 1000)
    want = np.broadcast_to(evaluate(expr, values), z.shape)
    units = len(z)
    flags = [np.full(units, clip) for clip in (clips.below, clips.above)]
    zeros = np.zeros(units, dtype=np.int64)
    layer = Dense(zeros[:, None], z, zeros, 100, *flags, instructions, result, registers, z, z)

    def emit(task):
        tables = dict.fromkeys(instruction.table for instruction in instructions if instruction.table is not None)
        labels = {table: f"table{n}" for n, table in enumerate(tables)}
        for table, name in labels.items():
            task.data.data(name, table.to_bytes())
        thumb_baked.layer(Task(task.code, task.data, layer, task.source, task.into, labels, task.name))

    assert run_layer(emit, layer, [0])[0] == want.tolist()


def test_relu_costs_two_cycles_and_leaky_relu_five():
    def cycles(expr):
        instructions, result = linearize(expr)
        registers = 1 + max([instruction.into.index for instruction in instructions], default=0)
        layer = lane_layer([[3, -5], [7, 2]], [1, 1], [0, 0])
        layer = dataclasses.replace(layer, instructions=instructions, result=result, registers=registers)
        (_, baked), (_, lanes) = (run_layer(emit, layer, [4, 9]) for emit in (thumb_baked.layer, straight_lanes))
        return np.array([baked, lanes])

    plain = cycles(Z)
    assert (cycles(maximum(Z, 0)) - plain).tolist() == [2 * 2, 2 * 2]
    assert (cycles(maximum(Z, Z >> 3)) - plain).tolist() == [2 * 5, 2 * 5]


def straight_lanes(task):
    stream.layer(task, loop=False)


def test_an_activation_with_too_many_registers_is_refused_with_the_number():
    instructions, result = linearize(Z)
    layer = lane_layer([[1]], [0], [0])
    layer = dataclasses.replace(layer, instructions=instructions, result=result, registers=7)
    with pytest.raises(ValueError, match="7 registers"):
        run_layer(thumb_baked.layer, layer, [0])
