"""The doorway of an input, inferred from its rows or its range: mean, scale, resolution and declared range."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor, frexp, sqrt

import numpy as np
from numpy.typing import NDArray

from nnhw_codegen.network.network import Input

Array = NDArray[np.float64]

_FINEST_DECIMALS = 6
_MOST_TICKS = 65535  # from low to high
LARGEST_TICK = 2**21
"""So far from 0 every value on the grid becomes its tick, on every board (SPEC 3.2)."""

_LEAST_SCALE = 1 / 8  # of the declared range
_LEAST_MARGIN = 4  # steps
_SAMPLE = 64  # values, tried before all are
_TOLERANCE = 1e-14  # relative; a few roundings of a float


def infer(name: str, column: Array) -> Input:
    """The Input called ``name`` for a column of raw values (n,), all finite and at most 1e30 in magnitude.

    mean and scale    mean, and the larger of standard deviation and an eighth of the declared range: a column that is
                      almost always the same would else be magnified until no format fits it and the others
    step              the coarsest of 1, 0.1, ... 1e-6 that all values are multiples of; where none is, a power of two
                      near 1/16384 of the span
    low and high      minimum and maximum, widened by a quarter of the span on either side (by four steps at least) and
                      outward to multiples of step; low does not pass 0 where no value is negative

    The step is coarsened by the smallest odd factor that makes ``(high - low) / step`` at most 65535 and low and high
    at most 2^21 steps. (Odd: multiples of the finer step then never fall half-way between two ticks, so that rounding
    them stays robust in single precision.)
    """
    minimum, maximum = float(column.min()), float(column.max())
    constant = minimum == maximum
    grid = resolution(column) or _binary_grid(column)
    while True:
        low, high = _range(minimum, maximum, grid)
        excess = max(Fraction(high - low, _MOST_TICKS), Fraction(max(-low, high), LARGEST_TICK))
        if excess <= 1:
            break
        factor = ceil(excess)
        grid *= factor + 1 - factor % 2
    return Input(
        name,
        mean=minimum if constant else float(column.mean()),
        scale=max(float(column.std()), float((high - low) * grid) * _LEAST_SCALE),
        step=float(grid),
        low=float(low * grid),
        high=float(high * grid),
    )


def of_range(name: str, low: float, high: float, mean: float | None = None, scale: float | None = None) -> Input:
    """The Input called ``name`` for values of [low, high], low < high, where no rows tell more.

    step              a power of two near 1/16384 of the span, coarser where low or high would lie beyond 2^21 steps
    low and high      moved outward to multiples of step
    mean and scale    the middle, and the standard deviation of evenly spread values, unless given; scale is at least an
                      eighth of the declared range, as in ``infer``
    """
    span = high - low
    step = 2.0 ** (frexp(max(span, max(abs(low), abs(high)) * 2.0**-7))[1] - 1 - 14)
    first, last = floor(low / step) * step, ceil(high / step) * step
    mean = (low + high) / 2 if mean is None else mean
    scale = span / sqrt(12.0) if scale is None else scale
    return Input(name, mean=mean, scale=max(scale, (last - first) * _LEAST_SCALE), step=step, low=first, high=last)


def flag(name: str, column: Array) -> Input:
    """The Input called ``name`` for a column of 0 and 1, which no board reads otherwise: step 1, from 0 to 1."""
    return Input(name, float(column.mean()), max(float(column.std()), _LEAST_SCALE), step=1.0, low=0.0, high=1.0)


def finer_grid(column: Array, step: float) -> float | None:
    """The step of a column's own values where it is too fine for numbers so large; None where ``step`` is no coarser."""
    grid = resolution(column) or _binary_grid(column)
    far = max(map(abs, _range(float(column.min()), float(column.max()), grid)))
    return float(grid) if step > float(grid) and far > LARGEST_TICK else None


def resolution(column: Array) -> Fraction | None:
    """The coarsest of 1, 0.1, ... 1e-6 that all values (n,) are multiples of; None where none is."""
    sample = column[:: max(1, len(column) // _SAMPLE)]
    for decimals in range(_FINEST_DECIMALS + 1):
        if _on_grid(sample, decimals) and _on_grid(column, decimals):
            return Fraction(1, 10**decimals)
    return None


def _on_grid(column: Array, decimals: int) -> bool:
    """Whether each value is the float nearest to ticks / 10^decimals, or next to it, as sums like 0.1 + 0.2 are."""
    scale = 10.0**decimals
    return bool((np.abs(np.rint(column * scale) / scale - column) <= _TOLERANCE * np.abs(column)).all())


def _binary_grid(column: Array) -> Fraction:
    span = float(np.ptp(column)) or abs(float(column[0]))
    return Fraction(2) ** (frexp(span)[1] - 1 - 14)


def _range(minimum: float, maximum: float, grid: Fraction) -> tuple[int, int]:
    """low and high in ticks of ``grid``."""
    first, last = _tick(minimum, grid, floor), _tick(maximum, grid, ceil)
    margin = max(Fraction(last - first, 4), Fraction(_LEAST_MARGIN))
    low, high = floor(first - margin), ceil(last + margin)
    return max(low, 0) if minimum >= 0 else low, high


def _tick(value: float, grid: Fraction, outward: Callable[[Fraction], int]) -> int:
    exact = Fraction(value) / grid
    nearest = round(exact)
    return nearest if abs(exact - nearest) <= _TOLERANCE * abs(exact) else outward(exact)
