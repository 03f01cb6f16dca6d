"""Rounding that looks at the data: each weight's rounding error is made up for by the weights behind it (SPEC 5.3).

The method is that of GPTQ (Frantar et al., ICLR 2023): for a linear layer the output error on calibration codes X is
quadratic in the weights, with the same matrix X'X for every neuron.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw_codegen.errors import InputError
from nnhw_codegen.integers.fixed import IntArray

FloatArray = NDArray[np.floating[Any]]

DAMPING = 0.01
"""Share of the mean diagonal that is added to X'X: weights of inputs that never moved stay where they are."""

_SQUARES, _WEIGHTS = 5, 6
"""Arrays of 8 bytes that live at once: with a cell for each pair of inputs, and with one for each weight."""

_USUAL_MEMORY = 4 << 30

BLOCK = 32
"""So many inputs are rounded before what their errors do to the inputs behind them is summed in one product."""


@dataclass(frozen=True, eq=False)
class Compensation:
    """How the error of a weight is spread: the order of the inputs, and the Cholesky factor of the inverse of X'X."""

    order: IntArray
    factor: NDArray[np.float64]


def check_sizes(sizes: Iterable[tuple[int, int]]) -> None:
    """Refuse, by InputError, layers (units, fan_in) for which this machine has too little memory, before any work."""
    memory = _memory()
    for number, (units, fan_in) in enumerate(sizes, 1):
        needed = 8 * (_SQUARES * (fan_in + 1) ** 2 + _WEIGHTS * units * fan_in)
        if needed > memory // 2:
            raise InputError(
                f"layer {number}: rounding its {units:,} x {fan_in:,} weights takes about {needed / 2**30:.1f} GB of "
                f"memory, and half of this machine's is {memory / 2**31:.1f} GB: use fewer inputs or units"
            )


def _memory() -> int:
    """Bytes of this machine's memory; where it does not tell, a usual size."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return _USUAL_MEMORY


def compensation(codes: IntArray) -> Compensation:
    """Prepare for calibration codes (n, fan_in). The bias comes last, as a constant 1: it keeps many bits."""
    fan_in = codes.shape[1]
    order = np.argsort(-(codes**2).sum(axis=0), kind="stable")
    x = np.hstack([codes[:, order], np.ones((len(codes), 1))]).astype(np.float64)
    moment = x.T @ x / len(x)
    moment[np.diag_indices(fan_in)] += DAMPING * max(float(np.trace(moment[:-1, :-1])) / fan_in, 1e-9)
    moment[-1, -1] += 1e-9
    inverse = np.linalg.inv(moment)
    return Compensation(order, np.asarray(np.linalg.cholesky((inverse + inverse.T) / 2).T, dtype=np.float64))


def round_weights(
    weights: FloatArray, bias: FloatArray, limit: int, spread: Compensation
) -> tuple[IntArray, FloatArray]:
    """Scaled weights (units, fan_in) -> codes within +-limit, and the scaled bias (units,) that takes up the rest."""
    units, fan_in = weights.shape
    rest = np.ascontiguousarray(np.hstack([weights[:, spread.order], bias[:, None]]).T, dtype=np.float64)
    codes = np.empty((fan_in, units), dtype=np.int64)
    for start in range(0, fan_in, BLOCK):
        end = min(start + BLOCK, fan_in)
        factor = spread.factor[start:end]
        errors = np.empty((end - start, units))
        block = rest[start:end]
        for i in range(end - start):
            rounded = np.clip(np.floor(block[i] + 0.5), -limit, limit)
            codes[spread.order[start + i]] = rounded
            errors[i] = (block[i] - rounded) / factor[i, start + i]
            block[i + 1 :] -= factor[i, start + i + 1 : end, None] * errors[i]
        rest[end:] -= factor[:, end:].T @ errors
    return codes.T.copy(), rest[-1]
