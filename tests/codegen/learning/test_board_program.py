"""The typed blocks of a training step are nnrun's program and the reference's plan."""

from __future__ import annotations

import pytest
from support.covering import covering
from support.learning.boards import FACTORS, learner

from nnhw_codegen.files import nnt
from nnhw_codegen.integers.expr import linearize
from nnhw_codegen.learning import board_program
from nnhw_codegen.learning.blocks import BackBlock, CurveBlock, DenseBlock, DoorwayBlock, SlopeBlock, UpdateBlock

CASES = pytest.mark.parametrize("case", list(covering(FACTORS)), ids=str)


def blocks_of(program, kind):
    return [block for section in program.sections for block in section.blocks if isinstance(block, kind)]


@CASES
def test_layers_are_those_of_the_plan(case):
    model = learner(case)
    plan = model.learner.plan
    program = board_program.read(nnt.to_bytes(model))
    dense = blocks_of(program, DenseBlock)
    for block, layer in zip(dense, plan.layers, strict=True):
        found = (block.z.count, block.inputs.count, block.guard, block.constant, block.shift, block.limit)
        assert found == (
            layer.units, layer.fan_in, layer.guard, layer.forward_constant, layer.z_shift, layer.z_limit
        )  # fmt: skip
    learning = list(enumerate(plan.layers))[plan.lowest :][::-1]
    updates = blocks_of(program, UpdateBlock)
    for block, (number, layer) in zip(updates, [pair for pair in learning if pair[1].trains], strict=True):
        assert (block.inputs, block.weights, block.biases) == (
            dense[number].inputs, dense[number].weights, dense[number].biases
        )  # fmt: skip
        assert (block.weight_base, block.bias_base) == (layer.update_base, layer.bias_base)
        assert block.takes_codes == (number == 0)
    for block, (number, layer) in zip(blocks_of(program, BackBlock), learning[:-1], strict=True):
        assert (block.guard, block.constant, block.shift) == (
            layer.back_guard, layer.back_constant, layer.back_shift
        )  # fmt: skip
        assert block.z == dense[number - 1].z


@CASES
def test_curves_are_the_steps_of_the_plan_and_their_tables_lie_in_the_file(case):
    model = learner(case)
    plan = model.learner.plan
    data = nnt.to_bytes(model)
    program = board_program.read(data)
    forms = {linearize(expr) for layer in plan.layers for expr in (layer.value, layer.slope) if expr is not None}
    curves = blocks_of(program, CurveBlock)
    assert {(block.instructions, block.register) for block in curves} <= forms
    for block in curves:
        assert set(block.tables) == {step.table for step in block.instructions} - {None}
        for table, place in block.tables.items():
            content = table.to_bytes()
            assert data[place : place + len(content)] == content
    assert all(block.half == 1 << block.shift >> 1 for block in blocks_of(program, SlopeBlock))


@CASES
def test_the_doorway_is_the_model_s(case):
    model = learner(case)
    (block,) = blocks_of(board_program.read(nnt.to_bytes(model)), DoorwayBlock)
    for row, entry in zip(block.rows, model.doorway, strict=True):
        assert (row.low, row.span, row.gain, row.offset, row.shift) == (
            entry.low, entry.span, entry.gain, entry.offset, entry.shift
        )  # fmt: skip
