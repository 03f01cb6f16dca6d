"""The outputs of a regression: the last layer before it becomes integers (SPEC 5.4), and how near those come."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw_codegen.network.network import Layer

FloatArray = NDArray[np.floating[Any]]

DAMPING = 1e-6
"""Share of the trace of x'x that keeps the weights of inputs that say nothing."""

RESOLUTION = 2.0**-23
"""Of float32, in which boards tell values."""


def regressed(layer: Layer, z: FloatArray, x: FloatArray) -> Layer:
    """A linear last layer that makes up for what the layers before it lost as integers.

    Of the codes' reals x (n, fan_in) it gives the float network's outputs z (n, units) as nearly as least squares can.
    """
    ones = np.hstack([x, np.ones((len(x), 1))])
    moment = ones.T @ ones / len(x)
    moment[np.diag_indices(layer.weights.shape[1])] += DAMPING * max(float(np.trace(moment)), 1e-9)
    change = np.linalg.solve(moment, ones.T @ (z - x @ layer.weights.T - layer.bias) / len(x)).T
    return Layer(layer.weights + change[:, :-1], layer.bias + change[:, -1], layer.activation)


def offsets(layer: Layer, reach: FloatArray) -> NDArray[np.float64]:
    """What stands beside the integers of each output (SPEC 5.4), given the largest magnitude of each input (fan_in,)."""
    apart = np.abs(layer.bias) > np.abs(layer.weights) @ reach
    return np.where(apart, np.asarray(layer.bias, dtype=np.float32), 0.0).astype(np.float64)


def unlikeness(wanted: FloatArray, found: FloatArray) -> NDArray[np.float64]:
    """Mean square of the difference over the variance of ``wanted``, of each output (units,); both are (n, units).

    What the floats of a board cannot tell apart counts as that variance: an output may be a constant.
    """
    finest = np.maximum(RESOLUTION * np.abs(wanted).max(axis=0), 1e-15)
    return np.asarray(np.mean((wanted - found) ** 2, axis=0) / np.maximum(np.var(wanted, axis=0), finest**2))
