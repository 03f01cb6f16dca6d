"""Raw values to ticks, in integers of the value's float32 (SPEC 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnhw_codegen.errors import InputError
from nnhw_codegen.integers.fixed import IntArray, saturate

TICK_LIMIT = (1 << 28) - 1
"""Ticks saturate here."""

_BITS = 26
_LOW_BITS = 13
_FINEST, _COARSEST = Fraction(1, 1 << 100), Fraction(1 << 100)


@dataclass(frozen=True)
class Reciprocal:
    """1 / step as ``factor`` / 2^``exponent``, with a factor of 26 significant bits: R and k of SPEC 3.1."""

    factor: int
    exponent: int

    @property
    def high(self) -> int:
        """The upper 13 bits of the factor."""
        return self.factor >> _LOW_BITS

    @property
    def low(self) -> int:
        """The lower 13 bits of the factor: 0 where the step is a power of two or 10^-5 to 1."""
        return self.factor & ((1 << _LOW_BITS) - 1)

    @property
    def last(self) -> int:
        """The exponent of a float32 whose product is shifted by 20 bits, and one more to round it: 0 to 30 below it."""
        return self.exponent + 129


@lru_cache(maxsize=1024)
def reciprocal(step: float) -> Reciprocal:
    """The reciprocal of a step, from its shortest decimal text; raises ValueError where a float32 cannot hold it."""
    exact = Fraction(repr(float(step)))
    if not _FINEST <= exact <= _COARSEST:
        raise InputError(f"a step of {step:g} is out of range: from {float(_FINEST):.1e} to {float(_COARSEST):.1e}")
    exponent = _BITS - 1
    while Fraction(2) ** exponent / exact < 1 << (_BITS - 1):
        exponent += 1
    while Fraction(2) ** exponent / exact >= 1 << _BITS:
        exponent -= 1
    factor = int(Fraction(2) ** exponent / exact + Fraction(1, 2))
    if factor == 1 << _BITS:
        factor, exponent = factor >> 1, exponent - 1
    return Reciprocal(factor, exponent)


def float32_bits(values: ArrayLike) -> IntArray:
    """The bits of reals rounded to float32, to nearest even; beyond its range they are those of infinity."""
    with np.errstate(over="ignore"):
        return np.asarray(np.asarray(values, dtype=np.float64).astype(np.float32).view(np.uint32), dtype=np.int64)


def from_bits(bits: IntArray, step: Reciprocal) -> IntArray:
    """Bits of float32 numbers -> ticks of ``step``. Raises ValueError for one that is not a number."""
    exponent, fraction = bits >> 23 & 255, bits & 0x7FFFFF
    if np.any((exponent == 255) & (fraction != 0)):
        raise InputError("not a number (NaN) has no tick: measure again")
    shift = step.last + 21 - exponent
    product = (fraction | 1 << 23) * step.factor - (bits >> 31)  # less one: half up, also below zero
    # Up to 20 bits the ticks pass their limit, from 51 on they are 0.
    by = np.clip(shift, 21, 51)
    size = np.where(shift < 21, TICK_LIMIT, (product + (1 << by - 1)) >> by)
    return np.asarray(np.where(bits >> 31, -1, 1) * saturate(size, TICK_LIMIT))


def from_values(rows: NDArray[np.floating[Any]], steps: tuple[float, ...]) -> IntArray:
    """Raw values (n, inputs) -> ticks (n, inputs). Raises ValueError for a value that is not a number (NaN)."""
    bits = float32_bits(rows)
    return np.stack([from_bits(bits[:, i], reciprocal(step)) for i, step in enumerate(steps)], axis=1)
