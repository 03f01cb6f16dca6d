"""Inputs that a test of a quantized model should see: seeded random ones, and the ends of every range."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw_codegen.integers import reference
from nnhw_codegen.integers.fixed import IntArray
from nnhw_codegen.integers.qmodel import QModel

FAR = (1 << 31) - 1
"""The farthest tick that an array of 32-bit integers holds; every entry saturates it (SPEC 3.3)."""

_EXTREMES = 24
_LIMITS = np.array([np.inf, -np.inf, -0.0, 1e-45, -1e-40, 2.0**-126, 3.4028235e38, -3.4028235e38])
"""Infinities, the negative zero, subnormals, the smallest and the largest float32."""


def extreme_ticks(model: QModel) -> IntArray:
    """Ticks (n, inputs): all lowest, all highest, zeros, one outside, far outside, and corners of the input range."""
    low, high = model.tick_range
    zero = np.zeros_like(low)
    return _with_corners([low, high, zero, low - 1, high + 1, zero - FAR, zero + FAR], low, high)


def extreme_codes(model: QModel) -> IntArray:
    """Codes (n, inputs): all lowest, all highest, the nearest to zero, and corners of the code range."""
    low, high = model.code_range
    return _with_corners([low, high, np.clip(0, low, high)], low, high)


def _with_corners(rows: list[IntArray], low: IntArray, high: IntArray) -> IntArray:
    pick = np.random.default_rng(1).integers(0, 2, size=(_EXTREMES - len(rows), len(low)))
    return np.concatenate([np.array(rows), np.where(pick == 1, high, low)])


def random_ticks(model: QModel, count: int, seed: int = 0) -> IntArray:
    """Ticks (count, inputs), evenly spread over each input's range and a twentieth of it beyond either end."""
    low, high = model.tick_range
    margin = (high - low) // 20 + 1
    return np.random.default_rng([seed, 1]).integers(low - margin, high + margin + 1, size=(count, len(low)))


def random_codes(model: QModel, count: int, seed: int = 0) -> IntArray:
    """Codes (count, inputs), evenly spread over each input's range."""
    low, high = model.code_range
    return np.random.default_rng([seed, 2]).integers(low, high + 1, size=(count, len(low)))


def values_of(model: QModel, ticks: IntArray) -> NDArray[np.float64]:
    """Raw values (n, inputs) on the grid of ``ticks``."""
    return np.asarray(ticks * np.array([entry.step for entry in model.inputs]))


def extreme_values(model: QModel) -> NDArray[np.float64]:
    """Raw values of ``extreme_ticks``, but for the last rows: there each input has each of the limits of float32 once."""
    rows = values_of(model, extreme_ticks(model))
    for shift in range(len(_LIMITS)):
        rows[-1 - shift] = np.resize(np.roll(_LIMITS, shift), rows.shape[1])
    return rows


def random_values(model: QModel, count: int, seed: int = 0) -> NDArray[np.float64]:
    """Raw values (count, inputs) over each input's range and beyond: on the grid, and as often between two ticks.

    Each fourth row lies in the middle of two ticks, as near as a float32 does: there it shows how code rounds.
    """
    ticks = random_ticks(model, count, seed)
    between = np.random.default_rng([seed, 3]).uniform(-0.5, 0.5, ticks.shape)
    between[::2] = 0
    between[3::4] = 0.5
    return np.asarray((ticks + between) * np.array([entry.step for entry in model.inputs]))


def golden(model: QModel, rows: NDArray[np.floating[Any]] | None, seed: int = 0) -> list[dict[str, Any]]:
    """A few dozen vectors {ticks, codes, logits, answer}: the extremes, 16 random, and up to 16 of ``rows`` (raw)."""
    ticks = [extreme_ticks(model), random_ticks(model, 16, seed)]
    if rows is not None:
        ticks.append(reference.ticks(model, rows[:: max(1, len(rows) // 16)][:16]))
    all_ticks = np.concatenate(ticks)
    codes = reference.codes(model, all_ticks)
    logits = reference.logits(model, codes)
    columns = (all_ticks, codes, logits, reference.board_answers(model, logits))
    keys = ("ticks", "codes", "logits", "answer")
    return [dict(zip(keys, row, strict=True)) for row in zip(*(c.tolist() for c in columns), strict=True)]
