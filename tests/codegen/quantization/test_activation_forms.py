"""The integer form of activations: errors, sizes, and forms that no shipped activation has."""

import dataclasses

import numpy as np
import pytest
from support.activation_errors import largest_error
from support.networks import ACTIVATIONS

from nnhw_codegen.integers.expr import Expr, evaluate, largest, linearize
from nnhw_codegen.network import activations
from nnhw_codegen.network.activations import Activation, Curve
from nnhw_codegen.quantization.activation_forms import formats, integer_form, table_bytes

WIDE = 32767


@pytest.mark.parametrize(
    ("name", "error", "size"), [("logsig", 0.9, 130), ("softplus", 0.9, 258), ("tanh", 0.9, 514)]
)
def test_a_table_is_small_and_within_nine_tenths_of_a_unit(name, error, size):
    record = activations.get(name)
    assert largest_error(record, 12, 12, WIDE) <= error
    assert table_bytes(integer_form(record, 12, 12, WIDE)) <= size


@pytest.mark.parametrize("limit", [255, 127, 63, 31])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_direct_table_rounds_correctly(name, limit):
    record = activations.get(name)
    z_frac, output_frac = formats(record, limit.bit_length() - 3, limit)
    # 1.0 itself is one unit past the limit, and a leaky side is floored: less than one unit each.
    assert largest_error(record, z_frac, output_frac, limit) < 1.0


@pytest.mark.parametrize("name", ["logsig", "tanh", "softplus"])
def test_an_interpolated_curve_never_falls(name):
    codes = evaluate(integer_form(activations.get(name), 12, 12, WIDE), np.arange(-WIDE, WIDE + 1))
    assert np.diff(codes).min() >= 0


def test_logsig_is_exactly_symmetric():
    z = np.arange(1, WIDE + 1)
    expr = integer_form(activations.get("logsig"), 12, 12, WIDE)
    assert set(evaluate(expr, z) + evaluate(expr, -z)) == {4096}


@pytest.mark.parametrize("frac", [12, 11, 7, 3, 0, -4, -20])
@pytest.mark.parametrize("name", ["logsig", "softplus", "tanh"])
def test_coarse_formats_of_z_stay_exact(name, frac):
    record = activations.get(name)
    output_frac = frac if record.ramp is not None else 15
    worst = largest_error(record, frac, output_frac, WIDE)
    # A bounded curve holds its value at the reach: logsig(8) is 11 units of 2^-15 below 1.
    assert worst <= (1.0 if record.ramp is not None else 11.1)
    expr = integer_form(record, frac, output_frac, WIDE)
    assert expr is not None
    assert largest(expr, -WIDE, WIDE) < 1 << 30


def swish_tail(u):
    return -u / (1.0 + np.exp(u))


def swish(z):
    return z / (1.0 + np.exp(-z))


TAIL = Curve(swish_tail, "even", reach=16.0)
SWISH = Activation("swish", swish, activations.get("logsig").derivative, activations.get("relu").ramp, TAIL)


def test_a_curve_with_negative_values_is_stored_without_sign():
    assert largest_error(SWISH, 11, 11, WIDE) <= 0.9
    assert largest_error(SWISH, 4, 4, 255) <= 0.6


def test_a_reach_of_sixteen_takes_one_bit_of_z():
    assert formats(SWISH, 20, WIDE) == (11, 11)
    wider = dataclasses.replace(SWISH, curve=Curve(swish_tail, "even", reach=8.0))
    assert formats(wider, 20, WIDE) == (12, 12)


def test_instructions_reuse_registers_and_give_the_same_value():
    expr = integer_form(activations.get("softplus"), 10, 10, WIDE)
    instructions, result = linearize(expr)
    z = np.arange(-WIDE, WIDE + 1, 97)
    registers = {0: z}

    def operand(value):
        return value if isinstance(value, int) else registers[value.index]

    for instruction in instructions:
        a, b = operand(instruction.a), operand(instruction.b)
        registers[instruction.into.index] = {
            "add": lambda a, b: a + b,
            "sub": lambda a, b: a - b,
            "mul": lambda a, b: a * b,
            "shr": lambda a, b: a >> b,
            "min": np.minimum,
            "max": np.maximum,
            "look": lambda a, b, instruction=instruction: (
                np.array(instruction.table.values)[a] if instruction.table else None
            ),
        }[instruction.op](a, b)
    assert (registers[result.index] == evaluate(expr, z)).all()
    assert len(registers) <= 6


def test_a_form_that_does_not_depend_on_z_has_a_value_for_each() -> None:
    assert evaluate(Expr("add", (3, 4)), np.arange(6).reshape(2, 3)).tolist() == [[7] * 3] * 2
