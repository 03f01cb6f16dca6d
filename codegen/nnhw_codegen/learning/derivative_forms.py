"""Integer forms that training needs beside those of inference: derivatives, and the exponential of softmax (SPEC 9.4).

The derivative of any record splits like the record itself: a step from the left to the right slope of the straight
part, and the curve's derivative, which is a table over |z| mirrored the other way round.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from nnhw_codegen.errors import InputError
from nnhw_codegen.integers.expr import Expr, Z, evaluate, largest, maximum, minimum
from nnhw_codegen.integers.precision import PROOF_LIMIT
from nnhw_codegen.network.activations import Activation, Array, Curve
from nnhw_codegen.quantization.activation_forms import integer_form

TABLE_LIMIT = 32767
"""Curves are always interpolated over codes of 16 bits, however narrow z is."""

ERROR_GOAL = 4.0
"""Derivatives and the exponential need less than values: their tables may be off by 4 units of 2^-12."""

SLOPE_FRAC = 14
"""Fraction bits of a derivative; one less for every doubling of its largest value above 1."""


@lru_cache(maxsize=256)
def value_form(activation: Activation, z_frac: int, output_frac: int, limit: int) -> Expr | None:
    """The activation on z within +-limit, its output within +-limit as well; None for the identity."""
    expr = integer_form(activation, z_frac, output_frac, TABLE_LIMIT)
    if expr is None:
        return None
    codes = evaluate(expr, np.arange(-limit, limit + 1))
    if np.abs(codes).max() > limit:
        expr = minimum(maximum(expr, -limit), limit)
    return _proved(expr, activation, limit)


@lru_cache(maxsize=256)
def slope_form(activation: Activation, z_frac: int, at_zero: float, limit: int) -> tuple[Expr | None, int]:
    """(derivative on z within +-limit, its fraction bits); None for the identity, whose derivative is 1."""
    if activation.is_identity:
        return None, SLOPE_FRAC
    steepest = float(np.abs(activation.derivative(np.linspace(-8.0, 8.0, 4097), 1.0)).max())
    frac = SLOPE_FRAC - max(0, int(np.ceil(np.log2(steepest))))
    parts = []
    if activation.integer_ramp is not None:
        parts.append(_step(activation.integer_ramp, at_zero if activation.has_corner else 1.0, 1 << frac))
    if activation.curve is not None:
        record = _derived(activation, activation.curve)
        curve = integer_form(record, z_frac, frac, TABLE_LIMIT, ERROR_GOAL)
        assert curve is not None
        parts.append(curve)
    expr = parts[0] if len(parts) == 1 else parts[0] + parts[1]
    return _proved(expr, activation, limit), frac


def _proved(expr: Expr, activation: Activation, limit: int) -> Expr:
    if largest(expr, -limit, limit) >= PROOF_LIMIT:
        raise InputError(f"an intermediate of {activation.name!r} can reach 2^30")
    return expr


def _step(left: Fraction, at_zero: float, one: int) -> Expr:
    """``left`` below zero, 1 above, at zero their mean weighted by ``at_zero``; in units of 1 / one."""
    low = left.numerator * one // left.denominator
    from_right = (Z >> 15) * (one - low) + one  # z >> 15 is -1 below zero, else 0
    from_left = (0 - Z >> 15) * (low - one) + low
    if at_zero == 0.5:
        return from_right + from_left >> 1
    return from_right if at_zero else from_left


@lru_cache(maxsize=64)
def _derived(activation: Activation, curve: Curve) -> Activation:
    """A record whose value is the derivative of the activation's curve."""
    straight = 0.0 if activation.ramp is None else 1.0

    def half(u: Array) -> Array:
        return np.asarray(activation.derivative(u, 1.0) - straight)

    mirrored = Curve(half, "even" if curve.mirror == "point" else "point", reach=curve.reach)
    return Activation(f"derivative of {activation.name}", half, activation.derivative, curve=mirrored)


def _exponential(u: Array) -> Array:
    return np.asarray(np.exp(-np.abs(u)))


_EXPONENTIAL = Activation("exp", _exponential, lambda z, at_zero: _exponential(z), curve=Curve(_exponential, "even"))

EXP_FRAC = 15


def exponential_form(frac: int) -> Expr:
    """exp(-u) in 15 fraction bits for codes u of ``frac`` within 0..32767 (SPEC 9.6)."""
    expr = integer_form(_EXPONENTIAL, frac, EXP_FRAC, TABLE_LIMIT, ERROR_GOAL)
    assert expr is not None
    return _proved(expr, _EXPONENTIAL, TABLE_LIMIT)


@lru_cache(maxsize=256)
def codes_of(expr: Expr, limit: int) -> NDArray[np.int32]:
    """The values of ``expr`` (int32) for z = 0..limit, then for -limit-1..-1: negative z index from the end.

    The entry of -limit-1, which no z has, repeats that of -limit.
    """
    z = np.concatenate([np.arange(limit + 1), [-limit], np.arange(-limit, 0)])
    return evaluate(expr, z).astype(np.int32)
