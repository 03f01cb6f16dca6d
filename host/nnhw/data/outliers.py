"""Values so far from all others of their column that they take its resolution away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LEAST_ROWS = 20
_SHARE = 100  # one value in so many may be an outlier at either end
_REACH = 3.0  # spans of the others
_LEAST_FACTOR = 3.0


@dataclass(frozen=True, eq=False)
class Outliers:
    """``rows`` of the outliers; ``low`` and ``high`` of all other values; by what ``factor`` they stretch the range."""

    rows: NDArray[np.int64]
    low: float
    high: float
    factor: float


def find(values: NDArray[np.float64]) -> Outliers | None:
    """The outliers among ``values`` (n,), NaN left out; None where there are none, and below 20 rows.

    They are at most one in a hundred at either end, and beyond the others by more than three times the span of these, so
    that they take a factor of three in resolution or more.
    """
    present = values[~np.isnan(values)]
    if len(present) < _LEAST_ROWS:
        return None
    count = max(1, len(present) // _SHARE)
    ordered = np.partition(present, [count, len(present) - 1 - count])
    low, high = ordered[count], ordered[-1 - count]
    reach = _REACH * (high - low)
    if not reach:
        return None
    with np.errstate(invalid="ignore"):
        outside = (values < low - reach) | (values > high + reach)
    if not outside.any():
        return None
    others = values[~outside & ~np.isnan(values)]
    factor = float(np.ptp(present) / np.ptp(others))
    if factor < _LEAST_FACTOR:
        return None
    return Outliers(np.flatnonzero(outside), float(others.min()), float(others.max()), factor)
