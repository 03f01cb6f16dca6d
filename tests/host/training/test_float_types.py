"""float16 held in float32 against NumPy's own float16, bit for bit."""

import numpy as np
import pytest

from nnhw.training.float_types import Half, Native, arithmetic

ALL = np.arange(65536, dtype=np.uint16).view(np.float16)
FINITE = ALL[np.isfinite(ALL)]


def settled(values):
    result = np.array(values, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        Half().settle(result)
    return result


def same(found, expected):
    """Equal as float16, NaN where NaN; -0 and 0 are the same."""
    np.testing.assert_array_equal(found, expected.astype(np.float32))


def test_every_float16_stays_what_it_is():
    same(settled(ALL), ALL)


def test_numbers_between_two_float16_round_to_the_nearer_and_ties_to_even():
    ordered = np.sort(FINITE.astype(np.float32))
    ties = ((ordered[:-1].astype(np.float64) + ordered[1:]) / 2).astype(np.float32)
    for values in (ties, np.nextafter(ties, np.float32(np.inf)), np.nextafter(ties, np.float32(-np.inf))):
        same(settled(values), values.astype(np.float16))


def test_what_passes_the_largest_float16_becomes_infinite():
    limit = np.float32(65520)  # the tie between 65504 and the 65536 that float16 does not have
    below = np.nextafter(limit, np.float32(0))
    expected = [65504, np.inf, np.inf, np.inf, -np.inf, np.inf]
    np.testing.assert_array_equal(settled([below, limit, 65536, 2.0**114, -(2.0**90), np.inf]), expected)
    assert np.isnan(settled([np.nan])).all()


@pytest.mark.parametrize("operation", [np.multiply, np.add, np.subtract, np.divide])
def test_operations_give_the_bits_of_numpys_float16(operation):
    generator = np.random.default_rng(3)
    a, b = generator.choice(FINITE, (2, 200_000))
    with np.errstate(all="ignore"):
        expected = operation(a, b)
        same(settled(operation(a.astype(np.float32), b.astype(np.float32))), expected)


@pytest.mark.parametrize("axis", [0, 1])
def test_sums_are_taken_term_by_term(axis):
    terms = np.random.default_rng(4).normal(size=(7, 9, 50)).astype(np.float16)
    expected = np.zeros(terms.sum(axis=axis).shape, np.float16)
    for term in np.moveaxis(terms, axis, 0):
        expected = expected + term
    half, out = arithmetic(np.float16), np.empty(expected.shape, np.float32)
    half.total(half.hold(terms), axis, out)
    same(out, expected)


def test_inputs_are_held_as_the_nearest_numbers_of_the_type():
    values = np.random.default_rng(5).normal(size=100)
    same(arithmetic(np.float16).hold(values), values.astype(np.float16))
    for dtype in (np.float32, np.float64):
        native = arithmetic(dtype)
        assert type(native) is Native
        np.testing.assert_array_equal(native.hold(values), values.astype(dtype))
