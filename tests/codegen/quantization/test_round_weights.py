"""Rounding in blocks gives the codes of rounding one input after the other."""

from __future__ import annotations

import numpy as np
import pytest

from nnhw_codegen.quantization.round_weights import BLOCK, compensation, round_weights

LIMIT = 127


@pytest.mark.parametrize("fan_in", [1, 5, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK + 7])
def test_blocks_round_as_one_input_after_the_other_does(fan_in: int) -> None:
    random = np.random.default_rng(fan_in)
    spread = compensation(random.integers(0, 256, size=(200, fan_in)))
    weights, bias = random.normal(scale=60.0, size=(6, fan_in)), random.normal(scale=900.0, size=6)
    rest = np.hstack([weights[:, spread.order], bias[:, None]])
    expected = np.empty(weights.shape, dtype=np.int64)
    for i, place in enumerate(spread.order):
        expected[:, place] = np.clip(np.floor(rest[:, i] + 0.5), -LIMIT, LIMIT)
        error = (rest[:, i] - expected[:, place]) / spread.factor[i, i]
        rest[:, i + 1 :] -= error[:, None] * spread.factor[i, i + 1 :]

    codes, rounded_bias = round_weights(weights, bias, LIMIT, spread)

    assert codes.tolist() == expected.tolist()
    np.testing.assert_allclose(rounded_bias, rest[:, -1], rtol=1e-9)
    assert (codes != np.floor(weights + 0.5)).any() or fan_in == 1
