"""Few cases that still try every pair of choices."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np


def covering(factors: Sequence[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    """Cases in which every value of a factor meets every value of every other factor."""
    missing = {
        (a, x, b, y)
        for a, b in itertools.combinations(range(len(factors)), 2)
        for x in factors[a]
        for y in factors[b]
    }
    generator = np.random.default_rng(0)
    while missing:
        tries = [tuple(f[generator.integers(len(f))] for f in factors) for _ in range(50)]
        covers = [{(a, c[a], b, c[b]) for a, b in itertools.combinations(range(len(c)), 2)} & missing for c in tries]
        best = max(range(len(tries)), key=lambda n: len(covers[n]))
        if covers[best]:
            missing -= covers[best]
            yield tries[best]
