"""The integers of random networks, for the tests that compare engines."""

from __future__ import annotations

import numpy as np
from support.networks import plain_network

from nnhw_codegen.integers import precision, reference
from nnhw_codegen.quantization import quantize


def quantized(sizes, activation, precision_name, classes=True):
    """The quantized model of ``plain_network``."""
    return quantize.quantize(plain_network(sizes, activation, classes=classes), precision.get(precision_name))


def tick_rows(inputs, count, seed=1):
    """Ticks (count + 4, inputs): random ones, some beyond the doorway, then all low, all high, zeros and far out."""
    rng = np.random.default_rng(seed)
    extremes = np.outer([0, 100, -5, (1 << 31) - 1], np.ones(inputs, dtype=np.int64))
    extremes[3, ::2] *= -1
    return np.concatenate([rng.integers(-30, 150, (count, inputs)), extremes])


def expected(model, ticks):
    """The reference's logits of tick rows."""
    return reference.logits(model, reference.codes(model, ticks))
