"""The proof that no intermediate leaves its range, for any input at all (SPEC 2)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from nnhw_codegen.errors import InputError
from nnhw_codegen.integers.expr import Expr, evaluate, largest
from nnhw_codegen.integers.fixed import IntArray
from nnhw_codegen.integers.precision import PROOF_LIMIT
from nnhw_codegen.integers.qmodel import QInput, QLayer, QModel
from nnhw_codegen.integers.ticks import TICK_LIMIT
from nnhw_codegen.network.network import MOST_ANSWERS


class ProofError(InputError):
    """A bound that a quantized model claims does not hold."""


def accumulator_bounds(weights: IntArray, bias: IntArray, low: IntArray, high: IntArray) -> tuple[IntArray, IntArray]:
    """Bounds of every partial sum, in any order of summation, per neuron (SPEC 2.2).

    ``weights`` (units, inputs), ``bias`` (units,), ``low`` and ``high`` (inputs,) the range of each input code.
    Starting from 0 and taking only the terms that push outward bounds every subset of the terms.
    """
    at_low, at_high = weights * low, weights * high
    upper = np.maximum(bias, 0) + np.maximum(np.maximum(at_low, at_high), 0).sum(axis=1)
    lower = np.minimum(bias, 0) + np.minimum(np.minimum(at_low, at_high), 0).sum(axis=1)
    return lower, upper


def output_range(
    activation: Expr | None, limit: int, shift: IntArray, low: IntArray, high: IntArray
) -> tuple[IntArray, IntArray]:
    """The range of each neuron's output, given the bounds of its accumulator (units,)."""
    z_low, z_high = low >> shift, high >> shift
    if limit:
        z_low, z_high = np.clip(z_low, -limit, limit), np.clip(z_high, -limit, limit)
    if activation is None:
        return z_low, z_high
    codes = _outputs(activation, limit)
    slices = [codes[a + limit : b + limit + 1] for a, b in zip(z_low, z_high, strict=True)]
    return np.array([s.min() for s in slices]), np.array([s.max() for s in slices])


@lru_cache(maxsize=16)
def _outputs(activation: Expr, limit: int) -> IntArray:
    """The output for every code from -limit to limit."""
    return evaluate(activation, np.arange(-limit, limit + 1))


Z_LIMIT = PROOF_LIMIT // 2
"""z stays below this, so that z -+ limit and the difference of two logits are small integers too (SPEC 2.3)."""


def overflowing(limit: int, low: IntArray, high: IntArray) -> IntArray:
    """Indices of the neurons whose partial sums may reach ``limit``."""
    return np.flatnonzero(np.maximum(high, -low) >= limit)


def z_too_wide(shift: IntArray, low: IntArray, high: IntArray) -> NDArray[np.bool_]:
    """True for the neurons whose z may reach Z_LIMIT."""
    return np.asarray(np.maximum(high >> shift, -(low >> shift)) >= Z_LIMIT)


def _check_doorway(entry: QInput) -> None:
    product = entry.span * entry.gain
    if entry.gain < 0 or entry.span < 0 or not 0 <= entry.shift < 31:
        raise ProofError(f"input {entry.name!r}: negative gain, negative span or impossible shift")
    if max(abs(entry.low), abs(entry.low + entry.span)) > TICK_LIMIT:
        raise ProofError(f"input {entry.name!r}: its range reaches 2^28 ticks")
    if max(product, abs(entry.offset), abs(product + entry.offset)) >= PROOF_LIMIT:
        raise ProofError(f"input {entry.name!r}: an intermediate of the doorway can reach 2^30")


def _check_layer(index: int, layer: QLayer, accumulator_limit: int, low: IntArray, high: IntArray) -> None:
    place = f"layer {index}"
    if np.any((layer.shift < 0) | (layer.shift > 30)):
        raise ProofError(f"{place}: shifts must be 0 to 30, found {layer.shift.min()} to {layer.shift.max()}")
    if np.any(low != layer.low) or np.any(high != layer.high):
        neuron = int(np.flatnonzero((low != layer.low) | (high != layer.high))[0])
        raise ProofError(
            f"{place}, neuron {neuron}: stored bound {layer.low[neuron]}..{layer.high[neuron]}, "
            f"recomputed {low[neuron]}..{high[neuron]}; export the model again"
        )
    if z_too_wide(layer.shift, low, high).any():
        raise ProofError(f"{place}: a pre-activation can reach 2^29")
    bad = overflowing(accumulator_limit, low, high)
    if bad.size:
        n = int(bad[0])
        raise ProofError(
            f"{place}, neuron {n}: a partial sum can reach {low[n]}..{high[n]}, limit {accumulator_limit}"
        )
    if layer.activation is not None and largest(layer.activation, -layer.limit, layer.limit) >= PROOF_LIMIT:
        raise ProofError(f"{place}: an intermediate of the activation can reach 2^30")


def check(model: QModel) -> None:
    """Recompute every bound of ``model`` from its integers; raises ProofError where one does not hold."""
    if model.decision == "multilabel" and model.layers[-1].units > MOST_ANSWERS:
        raise ProofError(f"{model.layers[-1].units} answers of yes or no; at most {MOST_ANSWERS} fit an integer")
    for entry in model.inputs:
        _check_doorway(entry)
    low, high = model.code_range
    for index, layer in enumerate(model.layers):
        bounds = accumulator_bounds(layer.weights, layer.bias, low, high)
        _check_layer(index, layer, model.precision.accumulator_limit, *bounds)
        low, high = output_range(layer.activation, layer.limit, layer.shift, *bounds)
