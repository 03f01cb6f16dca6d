"""Random networks and their integers, for the tests that compare engines."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from nnhw_codegen.integers import precision, reference
from nnhw_codegen.network import activations
from nnhw_codegen.network.network import Input, Layer, Network
from nnhw_codegen.quantization import quantize


def network(sizes, activation, seed=0, classes=True):
    """A network with random weights; inputs in steps of 0.1 between 0 and 10."""
    rng = np.random.default_rng(seed)
    pairs = list(pairwise(sizes))
    layers = [
        Layer(
            rng.normal(0, 1.5 / np.sqrt(fan_in), (units, fan_in)),
            rng.normal(0, 0.3, units),
            activations.get(activation if number + 1 < len(pairs) else "softmax" if classes else "identity"),
        )
        for number, (fan_in, units) in enumerate(pairs)
    ]
    inputs = tuple(Input(f"x{i}", 5, 2, 0.1, 0, 10) for i in range(sizes[0]))
    names = tuple(f"class {i}" for i in range(max(2, sizes[-1])))
    outputs = tuple(f"y{i}" for i in range(sizes[-1]))
    return Network(layers, inputs, names) if classes else Network(layers, inputs, (), outputs)


def quantized(sizes, activation, precision_name, classes=True):
    """The quantized model of ``network``."""
    return quantize.quantize(network(sizes, activation, classes=classes), precision.get(precision_name))


def tick_rows(inputs, count, seed=1):
    """Ticks (count + 4, inputs): random ones, some beyond the doorway, then all low, all high, zeros and far out."""
    rng = np.random.default_rng(seed)
    extremes = np.outer([0, 100, -5, (1 << 31) - 1], np.ones(inputs, dtype=np.int64))
    extremes[3, ::2] *= -1
    return np.concatenate([rng.integers(-30, 150, (count, inputs)), extremes])


def expected(model, ticks):
    """The reference's logits of tick rows."""
    return reference.logits(model, reference.codes(model, ticks))
