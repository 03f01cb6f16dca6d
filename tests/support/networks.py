"""Networks and inputs that many tests share."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from nnhw_codegen.integers.fixed import IntArray
from nnhw_codegen.integers.qmodel import QModel
from nnhw_codegen.network import activations
from nnhw_codegen.network.activations import Activation
from nnhw_codegen.network.network import Input, Layer, Network

ACTIVATIONS = tuple(record.name for record in activations.RECORDS)
SIZES = ((4, 8, 3), (4, 16, 16, 3), (13, 16, 3), (2, 4, 1))


def network(
    sizes: tuple[int, ...],
    hidden: str | Activation = "relu",
    seed: int = 0,
    classifies: bool = True,
    multilabel: bool = False,
) -> Network:
    """A network with random weights and inputs of several ranges, resolutions and signs."""
    rng = np.random.default_rng([seed, *sizes])
    activation = activations.get(hidden) if isinstance(hidden, str) else hidden
    layers = [
        Layer(rng.normal(0, 1.5 / np.sqrt(fan_in), (units, fan_in)), rng.normal(0, 0.5, units), activation)
        for fan_in, units in pairwise(sizes)
    ]
    layers[-1].activation = activations.get("softmax" if classifies and sizes[-1] > 1 else "identity")
    kinds = (
        Input("length", 5.0, 2.0, 0.1, 0.0, 12.0),
        Input("count", 3.0, 4.0, 1.0, 0.0, 20.0),
        Input("adc", 30000.0, 9000.0, 1.0, 0.0, 65535.0),
        Input("angle", -0.5, 0.7, 0.001, -3.0, 2.0),
    )
    inputs = tuple(Input(f"x{i}", *[getattr(kinds[i % 4], k) for k in FIELDS]) for i in range(sizes[0]))
    count = max(2, sizes[-1]) if classifies else 0
    names = tuple(f"y{i}" for i in range(sizes[-1])) if not classifies else ()
    if multilabel:
        layers[-1].activation = activations.get("logsig")
    return Network(layers, inputs, tuple(f"class {i}" for i in range(count)), names, multilabel=multilabel)


def plain_network(
    sizes: tuple[int, ...],
    hidden: str | Activation = "relu",
    seed: int = 0,
    classes: bool = True,
    spread: float = 1.5,
    zeros: float = 0.0,
) -> Network:
    """A network with inputs in steps of 0.1 between 0 and 10, and weights of deviation ``spread`` / sqrt(fan-in).

    A share of ``zeros`` of the weights is 0, and half that share of the units has no weight at all.
    """
    rng = np.random.default_rng(seed)
    activation = activations.get(hidden) if isinstance(hidden, str) else hidden
    layers = []
    for fan_in, units in pairwise(sizes):
        weights = rng.normal(0, spread / np.sqrt(fan_in), (units, fan_in))
        if zeros:
            weights[rng.random(weights.shape) < zeros] = 0.0
            weights[rng.random(units) < zeros / 2] = 0.0
        layers.append(Layer(weights, rng.normal(0, 0.3, units), activation))
    layers[-1].activation = activations.get("softmax" if classes else "identity")
    inputs = tuple(Input(f"x{i}", 5, 2, 0.1, 0, 10) for i in range(sizes[0]))
    if classes:
        return Network(layers, inputs, tuple(f"class {i}" for i in range(max(2, sizes[-1]))))
    return Network(layers, inputs, (), tuple(f"y{i}" for i in range(sizes[-1])))


def of_several_scales(network: Network) -> Network:
    """The regression network with outputs a thousand times apart from each other, every other one far from 0."""
    last = network.layers[-1]
    factor = 1000.0 ** (np.arange(len(last.bias)) % 4 - 1)
    last.weights = last.weights * factor[:, None]
    last.bias = (last.bias + 300 * (np.arange(len(factor)) % 2)) * factor
    return network


FIELDS = ("mean", "scale", "step", "low", "high")


def tick_rows(model: QModel, count: int, seed: int = 0) -> IntArray:
    """Ticks (count + 5, inputs): the extremes (all low, all high, zeros, far outside both ways), then random rows.

    A tenth of the random ticks lies outside the declared range.
    """
    rng = np.random.default_rng(seed)
    low, high = model.tick_range
    far = np.full_like(low, (1 << 31) - 1)
    margin = (high - low) // 10 + 1
    random = rng.integers(low - margin, high + margin + 1, size=(count, len(low)))
    return np.vstack([low, high, 0 * low, far, -far, random])
