"""SPEC 4.2 to 4.7, 9.4: activations and their derivatives in integers, derived from the functions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, partial

from second_engine.codes import code_limit, code_of, half, sat
from second_engine.functions import Function, Real, decay

REACH_BITS = 3
VALUE_GOAL, SLOPE_GOAL = 0.9, 4.0
M16 = 32767


@dataclass(frozen=True)
class Nodes:
    """SPEC 4.4, 4.7: the nodes T in ``frac`` fraction bits, less ``minimum`` units of the output; cells of 2^n."""

    n: int
    frac: int
    minimum: int
    entries: tuple[int, ...]

    def read(self, size: int, z_frac: int, output_frac: int) -> int:
        """SPEC 4.4: the curve at ``size`` = |z|, interpolated."""
        k = min(15 - REACH_BITS - z_frac, 15)
        a = min(min(size, 1 << (15 - k)) << k, M16)
        i = a >> self.n
        f = a - (i << self.n)
        s = self.n + self.frac - output_frac
        rise = self.entries[i + 1] - self.entries[i]
        return ((self.entries[i] * 2**self.n + rise * f + half(s)) >> s) + self.minimum


def shifted_nodes(curve: Real, n: int) -> list[float]:
    """SPEC 4.4: each node moved by half the mean error of the chords of its cells, an end node's by its one cell."""
    width = 2.0 ** (n - 15 + REACH_BITS)
    count = 1 << (15 - n)
    plain = [curve(i * width) for i in range(count + 1)]
    errors = [curve((i + 0.5) * width) - (plain[i] + plain[i + 1]) / 2 for i in range(count)]
    own = [errors[max(0, i - 1) : i + 1] for i in range(count + 1)]
    return [node + sum(cells) / len(cells) / 2 for node, cells in zip(plain, own, strict=True)]


def nodes(curve: Real, n: int, output_frac: int) -> Nodes:
    """SPEC 4.4, 4.7: the table with cells of 2^n."""
    reals = [Fraction(real) for real in shifted_nodes(curve, n)]
    unit = Fraction(2) ** output_frac
    minimum = min(0, math.floor(min(reals) * unit))
    reals = [real - minimum / unit for real in reals]
    frac = 15
    while max(reals) > 2 ** (15 - frac):
        frac -= 1
    return Nodes(n, frac, minimum, tuple(min(code_of(real, frac), M16) for real in reals))


@cache
def best_n(curve: Real, goal: float) -> int:
    """SPEC 4.4, 9.4: the largest n for which no output in Q3.12, over all z in Q3.12, is off by more than the goal."""
    exact = [curve(size / 4096) * 4096 for size in range(M16 + 1)]
    for n in range(11, 5, -1):
        table = nodes(curve, n, 12)
        if all(abs(table.read(size, 12, 12) - exact[size]) <= goal for size in range(M16 + 1)):
            return n
    return 5


@cache
def interpolated(curve: Real, goal: float, output_frac: int) -> Nodes:
    """SPEC 4.4: the table of a curve for one format of the output."""
    return nodes(curve, best_n(curve, goal), output_frac)


def direct(curve: Real, limit: int, z_frac: int, output_frac: int) -> tuple[int, ...]:
    """SPEC 4.5: one entry for each |z| that is saturated to ``limit``."""
    return tuple(sat(code_of(curve(u * 2.0**-z_frac), output_frac), limit) for u in range(limit + 1))


def straight(slope: Fraction, z: int) -> int:
    """SPEC 4.2: slope c / 2^q left of zero."""
    q = slope.denominator.bit_length() - 1
    return max(z, (z * slope.numerator) >> q)


def mirrored(h: int, z: int, center: int) -> int:
    """SPEC 4.3: through a point; every z from -32768 to 32767 has z >> 15 in {0, -1}."""
    return h + (2 * h - center) * (z >> 15)


def value(function: Function, limit: int, z_frac: int, output_frac: int) -> Callable[[int], int]:
    """SPEC 4.2, 4.3, 4.4, 4.5: the activation over codes up to ``limit`` in magnitude."""
    curve, slope = function.curve, function.slope
    if curve is None or (slope is not None and curve.half(0) * 2.0**output_frac < 0.5):
        return lambda z: straight(slope, z)
    if limit > 255:
        table = interpolated(curve.half, VALUE_GOAL, output_frac)
        look = partial(table.read, z_frac=z_frac, output_frac=output_frac)
    else:
        look = direct(curve.half, limit, z_frac, output_frac).__getitem__

    def apply(z: int) -> int:
        h = look(abs(z))
        if curve.through_point:
            h = mirrored(h, z, curve.center << output_frac)
        return h if slope is None else sat(straight(slope, z) + h, limit)

    return apply


def slope_frac(function: Function) -> int:
    """SPEC 9.4: S, 14 less one for each doubling of the largest derivative above 1."""
    largest, straight_part = 1.0, 0 if function.slope is None else 1
    if function.curve is not None:
        largest = max(abs(straight_part + function.curve.derivative(i / 256)) for i in range(2049))
    frac = 14
    while largest > 2 ** (14 - frac):
        frac -= 1
    return frac


def slope(function: Function, twice_at_zero: int, z_frac: int) -> Callable[[int], int]:
    """SPEC 9.4: the derivative in S fraction bits; ``twice_at_zero`` is 2 * relu_at_zero."""
    one = 1 << slope_frac(function)
    curve = function.curve

    def ramp(z: int, twice: int) -> int:
        left = int(function.slope * one)
        from_right = one + (one - left) * (z >> 15)
        from_left = left + (left - one) * ((0 - z) >> 15)
        return (from_left, (from_right + from_left) >> 1, from_right)[twice]

    if curve is None:
        return lambda z: ramp(z, twice_at_zero)
    table = interpolated(curve.derivative, SLOPE_GOAL, slope_frac(function))

    def apply(z: int) -> int:
        h = table.read(abs(z), z_frac, slope_frac(function))
        if not curve.through_point:
            h = mirrored(h, z, 0)
        return h if function.slope is None else ramp(z, 2) + h

    return apply


def exponential(u: int) -> int:
    """SPEC 9.6: exp(-u) in 15 fraction bits for u >= 0 in Q3.12."""
    return interpolated(decay, SLOPE_GOAL, 15).read(u, 12, 15)


def z_limit(function: Function, width: int) -> int:
    """SPEC 1.4, 5.2, 5.5: the M of a layer whose outputs are codes of so many bits."""
    if function.curve is not None and width > 8:
        width = 16
    never_negative = function.slope == 0 or (function.slope is None and function.curve.center == 1)
    return code_limit(width, never_negative)


def magnitude_bits(limit: int) -> int:
    """SPEC 4.6: b of codes up to ``limit``."""
    return limit.bit_length()


def formats(function: Function, limit: int, calibrated: int) -> tuple[int, int]:
    """SPEC 4.6: the largest frac of z, and that of the output, where calibration wants z in ``calibrated``."""
    covering = magnitude_bits(limit) - REACH_BITS
    if function.curve is None:
        return calibrated, calibrated
    if function.slope is None:
        return covering, magnitude_bits(limit)
    return min(calibrated, covering), min(calibrated, covering)
