"""Number formats: how a real becomes an integer code (SPEC 1).

``frac`` is always the number of fraction bits: code = real * 2^frac. ``limit`` is the largest magnitude of a code.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

IntArray = NDArray[np.int64]

_MAX_FRAC = 40
"""Formats finer than this carry nothing: it keeps all-zero data from asking for infinitely many bits."""


def to_code(real: ArrayLike, frac: ArrayLike, limit: int | None = None) -> IntArray:
    """Reals -> integer codes, floor(real * 2^frac + 0.5), saturated to +-limit where one is given (SPEC 1.2, 1.4)."""
    scaled = np.floor(np.ldexp(np.asarray(real, dtype=np.float64), np.asarray(frac)) + 0.5)
    if limit is not None:
        scaled = np.clip(scaled, -limit, limit)
    return np.asarray(scaled, dtype=np.int64)


def to_real(code: ArrayLike, frac: ArrayLike) -> NDArray[np.float64]:
    """Integer codes -> reals, code / 2^frac."""
    return np.asarray(np.ldexp(np.asarray(code, dtype=np.float64), -np.asarray(frac)))


def best_frac(largest: float, limit: int) -> int:
    """The largest frac for which ``largest`` (a magnitude) does not exceed ``limit`` as a code (SPEC 1.5)."""
    if largest <= 0.0:
        return _MAX_FRAC
    frac = math.frexp(limit / largest)[1] - 1  # floor(log2(limit / largest)), exact
    return min(frac, _MAX_FRAC)


def saturate(code: Any, limit: int) -> Any:
    """Codes limited to -limit..limit: symmetric, so the most negative machine integer never exists (SPEC 1.4)."""
    return np.clip(code, -limit, limit)


def rounding(shift: ArrayLike) -> IntArray:
    """What to add before a right shift so that it rounds half up: 2^(shift-1), and 0 for no shift (SPEC 1.3)."""
    shift = np.asarray(shift, dtype=np.int64)
    return np.where(shift > 0, np.int64(1) << np.maximum(shift - 1, 0), 0)
