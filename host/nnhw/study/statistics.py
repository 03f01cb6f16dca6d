"""Statistics of paired differences: bootstrap intervals, an exact permutation test, Holm's correction.

Differences are whole numbers (rows answered rightly by one arm more than by the other, per seed), which lets the
permutation test count every one of its 2^n sign patterns instead of drawing some.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

RESAMPLES = 10_000
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Paired:
    """Mean difference, its 95 % bootstrap interval, and the exact p-value of no difference."""

    difference: float
    low: float
    high: float
    p: float


def paired(scores: IntArray, base: IntArray) -> Paired:
    """``scores`` (n,) against ``base`` (n,), n >= 1, seed by seed."""
    differences = scores - base
    return Paired(float(differences.mean()), *bootstrap_interval(differences, seed=0), sign_flip_p(differences))


def verdict(difference: float, corrected_p: float | None) -> str:
    """ "better" or "worse" where the corrected p-value (None: not tested) is below 5 %, else ""."""
    if corrected_p is None or corrected_p >= SIGNIFICANT:
        return ""
    return "better" if difference > 0 else "worse"


def bootstrap_interval(differences: IntArray, seed: int, share: float = 0.95) -> tuple[float, float]:
    """The percentile bootstrap interval of the mean of ``differences`` (n,), n >= 1; the same seed gives the same."""
    values, counts = np.unique(differences, return_counts=True)
    total = int(counts.sum())
    # Drawing n times with replacement is drawing how often each distinct value comes.
    drawn = np.random.default_rng(seed).multinomial(total, counts / total, size=RESAMPLES)
    means = np.sort(drawn @ values / total)
    tail = (1.0 - share) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return float(low), float(high)


def sign_flip_p(differences: IntArray) -> float:
    """The exact two-sided p-value of a mean of 0: the share of all sign patterns of ``differences`` (n,) whose sum is
    at least as far from 0 as the sum found; 1 where all are 0."""
    magnitudes = np.abs(differences[differences != 0])
    if not magnitudes.size:
        return 1.0
    magnitudes //= np.gcd.reduce(magnitudes)
    reach = int(magnitudes.sum())
    # chances[s + reach] is the chance of the sum s; each magnitude adds or subtracts itself with chance 1/2.
    chances = np.zeros(2 * reach + 1)
    chances[reach] = 1.0
    for magnitude in magnitudes.tolist():
        further = np.zeros_like(chances)
        further[magnitude:] = chances[:-magnitude]
        further[:-magnitude] += chances[magnitude:]
        chances = 0.5 * further
    signs = np.sign(differences[differences != 0])
    found = abs(int((magnitudes * signs).sum()))
    tails = chances[: reach - found + 1].sum() + chances[reach + found :].sum()
    return min(1.0, float(tails))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number by Holm's step-down method, in the order given."""
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, p_values[index] * (len(p_values) - rank)))
        corrected[index] = highest
    return corrected
