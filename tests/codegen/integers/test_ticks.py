"""Ticks (SPEC 3.1, 3.2): the reference against exact fractions, and the grid that it promises."""

import math
from fractions import Fraction

import numpy as np
import pytest

from nnhw_codegen.integers.qmodel import QInput
from nnhw_codegen.integers.ticks import TICK_LIMIT, float32_bits, from_bits, from_values, reciprocal

STEPS = (
    1.0,
    0.1,
    0.01,
    0.001,
    1e-6,
    0.05,
    0.25,
    0.3,
    0.7,
    1 / 3,
    1e6,
    2.0**-14,
    3.3 / 4096,
    3.3 / 65535,
    1e-30,
    1e30,
)


def exact(bits, step):
    """SPEC 3.1 in fractions."""
    sign, exponent, fraction = bits >> 31, bits >> 23 & 255, bits & 0x7FFFFF
    if exponent in (0, 255):
        return 0 if exponent == 0 else -TICK_LIMIT if sign else TICK_LIMIT
    size = (fraction + 2**23) * step.factor * Fraction(2) ** (exponent - 150 - step.exponent)
    return max(-TICK_LIMIT, min(TICK_LIMIT, math.floor((-size if sign else size) + Fraction(1, 2))))


def in_small_integers(bits, step):
    """The form for bytecode that SPEC 3.1 gives, watching every intermediate."""

    def see(value):
        assert abs(value) < 1 << 30
        return value

    n, e, h, low = bits >> 31, bits >> 23 & 255, bits >> 12 & 2047 | 2048, bits & 4095
    s, g, r = step.last - e, step.high, step.low
    if not 0 <= s <= 30:
        return 0 if s > 30 else -TICK_LIMIT if n else TICK_LIMIT
    middle = see(see(see(h * r) + see(see(low * g) << 1)) + ((see(low * r) - n) >> 12)) >> 8
    size = min((see(see(see(h * g) << 5) + middle) >> s) + 1 >> 1, TICK_LIMIT)
    return -size if n else size


@pytest.mark.parametrize("step", STEPS)
def test_reference_and_small_integers_are_the_exact_fractions(step):
    generator, found = np.random.default_rng(3), reciprocal(step)
    near = np.clip(
        found.last - generator.integers(-2, 34, 1500), 0, 254
    )  # where the shift is neither too large nor too small
    exponents = np.concatenate([np.arange(256), near])
    fractions = generator.choice([0, 1, 0x7FFFFF, 0x400000, *generator.integers(0, 1 << 23, 60)], len(exponents))
    fractions[exponents == 255] = 0
    bits = generator.integers(0, 2, len(exponents)) << 31 | exponents << 23 | fractions
    wanted = [exact(b, found) for b in bits.tolist()]
    assert from_bits(bits, found).tolist() == wanted
    assert [in_small_integers(b, found) for b in bits.tolist()] == wanted


@pytest.mark.parametrize("step", STEPS)
def test_the_grid_up_to_2_22_ticks_is_exact(step):
    ticks = np.unique(np.concatenate([np.arange(1 << 12), np.random.default_rng(4).integers(0, 1 << 22, 20_000)]))
    for sign in (1, -1):
        assert (from_values(sign * ticks[:, None] * step, (step,))[:, 0] == sign * ticks).all()


@pytest.mark.parametrize("step", STEPS)
def test_the_grid_up_to_2_21_ticks_withstands_a_parser_that_is_off_by_a_unit(step):
    ticks = np.random.default_rng(5).integers(1, (1 << 21) + 1, 20_000)
    bits = float32_bits(ticks * step)
    for off in (-1, 1):
        assert (from_bits(bits + off, reciprocal(step)) == ticks).all()


@pytest.mark.parametrize("step", STEPS)
def test_the_reciprocal_is_the_nearest_of_26_bits(step):
    found = reciprocal(step)
    assert 1 << 25 <= found.factor < 1 << 26
    error = abs(Fraction(found.factor) / Fraction(2) ** found.exponent * Fraction(repr(step)) - 1)
    assert error <= Fraction(1, 1 << 26)


def test_a_step_that_no_float32_reaches_is_refused():
    with pytest.raises(ValueError, match=r"step of 1e\+40 is out of range"):
        QInput("x", 1e40, 0, 1, 1, 0, 0).reciprocal  # noqa: B018 - it is the access that raises


def test_not_a_number_is_refused():
    with pytest.raises(ValueError, match="NaN"):
        from_values(np.array([[1.0, math.nan]]), (1.0, 1.0))
