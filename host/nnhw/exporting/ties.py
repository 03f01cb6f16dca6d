"""Inputs on which the decision of a model is a draw (SPEC 6): a search, as random rows hardly meet one."""

from __future__ import annotations

import numpy as np

from nnhw_codegen.integers import reference
from nnhw_codegen.integers.fixed import IntArray
from nnhw_codegen.integers.qmodel import QModel

_ROUNDS = 24
_ROWS = 4096
_PRODUCTS = 1_000_000_000
"""What a search may multiply, in all rounds: about a second."""


def tied_ticks(model: QModel, most: int, seed: int = 0) -> IntArray:
    """Ticks (n, inputs), up to ``most`` rows, within the range of each input: some of each draw that was met.

    A draw is two largest logits alike, of each pair of classes, or for answers of yes or no a logit of 0. None for a
    model of values; a model may also have no draw, or none that is found.
    """
    low, high = model.tick_range
    if model.decision == "values":
        return np.empty((0, len(low)), dtype=np.int64)
    generator = np.random.default_rng([seed, 4])
    weights = sum(layer.weights.size for layer in model.layers)
    count = int(np.clip(_PRODUCTS // (_ROUNDS * weights), 64, _ROWS))
    rows = generator.integers(low, high + 1, (count, len(low)))
    met: dict[int, list[IntArray]] = {}
    for reach in range(2, 2 + _ROUNDS):
        margins, draws = _margins(model, rows)
        for n in np.flatnonzero(margins == 0).tolist():
            met.setdefault(int(draws[n]), []).append(rows[n])
        parents = rows[_rank(margins, draws) < max(1, count // 4 // len(np.unique(draws)))]
        far = np.maximum((high - low) >> reach, 1)
        moves = generator.integers(-far, far + 1, (count, len(low))) * generator.integers(0, 2, (count, len(low)))
        rows = np.clip(parents[generator.integers(len(parents), size=count)] + moves, low, high)
    turns = [rows[turn] for turn in range(most) for rows in met.values() if turn < len(rows)]
    return np.array(turns[:most], dtype=np.int64).reshape(-1, len(low))


def _margins(model: QModel, rows: IntArray) -> tuple[IntArray, IntArray]:
    """How far each row (n,) is from a draw, and from which one (n,)."""
    logits = reference.logits(model, reference.codes(model, rows))
    units = logits.shape[1]
    if model.decision != "argmax":
        draws = np.abs(logits).argmin(axis=1)
        return np.abs(logits).min(axis=1), draws
    first, second = np.argsort(-logits, axis=1, kind="stable")[:, :2].T
    margins = np.take_along_axis(logits, first[:, None], 1) - np.take_along_axis(logits, second[:, None], 1)
    return margins[:, 0], np.minimum(first, second) * units + np.maximum(first, second)


def _rank(margins: IntArray, draws: IntArray) -> IntArray:
    """The place of each row (n,) among those of its draw, the nearest first."""
    order = np.lexsort((margins, draws))
    _, starts = np.unique(draws[order], return_index=True)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order)) - np.repeat(starts, np.diff([*starts, len(order)]))
    return rank
