"""SPEC 4.2 to 4.7, 9.4: activations and their derivatives in integers, derived from the functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from second_engine.codes import code_of, half, sat
from second_engine.functions import Function, Real

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
        k = 15 - REACH_BITS - z_frac
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
    reals = shifted_nodes(curve, n)
    minimum = min(0, (code_of(min(reals), 30)) >> (30 - output_frac))
    reals = [real - minimum / 2**output_frac for real in reals]
    frac = 15
    while max(code_of(real, frac) for real in reals) > 65535:
        frac -= 1
    return Nodes(n, frac, minimum, tuple(max(0, code_of(real, frac)) for real in reals))


@lru_cache(maxsize=None)
def best_n(curve: Real, goal: float) -> int:
    """SPEC 4.4, 9.4: the largest n for which no output in Q3.12, over all z in Q3.12, is off by more than the goal."""
    exact = [curve(size / 4096) * 4096 for size in range(M16 + 1)]
    for n in range(14, 0, -1):
        table = nodes(curve, n, 12)
        if all(abs(table.read(size, 12, 12) - exact[size]) <= goal for size in range(M16 + 1)):
            return n
    raise AssertionError("no table reaches the goal")


@lru_cache(maxsize=None)
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
    if curve is None:
        return lambda z: straight(slope, z)
    if limit > 255:
        table = interpolated(curve.half, VALUE_GOAL, output_frac)
        look = lambda size: table.read(size, z_frac, output_frac)  # noqa: E731 - two readers of one shape
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
    largest = 1.0 if function.curve is None else max(abs(function.curve.derivative(i / 4096)) for i in range(M16 + 1))
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
