"""SPEC chapter 1: formats, rounding, saturation."""

from __future__ import annotations

import math
from fractions import Fraction

FINEST = 40


def real_of(code: int, frac: int) -> float:
    """SPEC 1.1: the real that a code stands for."""
    return float(Fraction(code) / Fraction(2) ** frac)


def code_of(real: float, frac: int) -> int:
    """SPEC 1.2: the code of a real, halves up, without any rounding but that one."""
    return math.floor(Fraction(real) * Fraction(2) ** frac + Fraction(1, 2))


def half(shift: int) -> int:
    """SPEC 1.3, 9.5: what is added before a right shift so that it rounds half up."""
    return 1 << (shift - 1) if shift > 0 else 0


def sat(value: int, limit: int) -> int:
    """SPEC 1.4: saturation, the same on both sides."""
    return max(-limit, min(limit, value))


def code_limit(bits: int, never_negative: bool) -> int:
    """SPEC 1.4: M of codes of so many bits; ``never_negative`` says that the output of the activation needs no sign."""
    return (1 << bits) - 1 if never_negative and bits <= 8 else (1 << (bits - 1)) - 1


def finest_frac(largest: float, limit: int) -> int:
    """SPEC 1.5: floor(log2(M / R)), without a logarithm."""
    if largest == 0:
        return FINEST
    ratio = Fraction(limit) / Fraction(largest)
    frac = 0
    while Fraction(2) ** (frac + 1) <= ratio:
        frac += 1
    while Fraction(2) ** frac > ratio:
        frac -= 1
    return min(frac, FINEST)
