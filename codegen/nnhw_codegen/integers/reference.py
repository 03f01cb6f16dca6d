"""The definition of the right answer: a quantized model executed in NumPy int64 (SPEC 3, 5, 6).

Every other engine is compared with this one, integer by integer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw_codegen.integers.expr import evaluate
from nnhw_codegen.integers.fixed import IntArray, saturate, to_real
from nnhw_codegen.integers.qmodel import QLayer, QModel
from nnhw_codegen.integers.ticks import from_values


def ticks(model: QModel, rows: NDArray[np.floating[Any]]) -> IntArray:
    """Raw values (n, inputs) -> ticks (SPEC 3.1); raises ValueError where one is not a number (NaN)."""
    return from_values(rows, tuple(entry.step for entry in model.inputs))


def codes(model: QModel, tick_rows: IntArray) -> IntArray:
    """Ticks (n, inputs), any integers -> input codes (SPEC 3.3)."""
    low, span, gain, offset, shift = np.array(
        [(i.low, i.span, i.gain, i.offset, i.shift) for i in model.inputs], dtype=np.int64
    ).T
    u = np.minimum(np.maximum(tick_rows - low, 0), span)
    return np.asarray((u * gain + offset) >> shift)


def preactivation(layer: QLayer, x: IntArray) -> IntArray:
    """Codes (n, fan_in) -> z (n, units) of one layer, before saturation (SPEC 5.2)."""
    return np.asarray((layer.bias + x @ layer.weights.T) >> layer.shift)


def layer_output(layer: QLayer, x: IntArray) -> IntArray:
    """Codes (n, fan_in) -> outputs (n, units) of one layer (SPEC 5.2)."""
    z = preactivation(layer, x)
    if layer.limit:
        z = saturate(z, layer.limit)
    return np.asarray(z if layer.activation is None else evaluate(layer.activation, z))


def logits(model: QModel, code_rows: IntArray) -> IntArray:
    """Input codes (n, inputs) -> the last layer's outputs (n, units)."""
    x = code_rows
    for layer in model.layers:
        x = layer_output(layer, x)
    return x


def reals(model: QModel, outputs: IntArray) -> NDArray[np.float64]:
    """Outputs (n, units) -> what they stand for (n, units): the values of a regression, the logits of classes (SPEC 6.3)."""
    return np.asarray(to_real(outputs, model.output_frac) + (np.array(model.offsets) if model.offsets else 0.0))


def decide(model: QModel, outputs: IntArray) -> NDArray[Any]:
    """Outputs (n, units) -> class indices (n,); reals, or 0 and 1, of each output (n, units) (SPEC 6)."""
    if model.decision == "values":
        return reals(model, outputs)
    if model.decision == "multilabel":
        return np.asarray((outputs > 0).astype(np.int64))
    if model.decision == "threshold":
        return np.asarray((outputs[:, 0] > 0).astype(np.int64))
    return np.asarray(outputs.argmax(axis=1))  # the first of equal maxima


def board_answers(model: QModel, outputs: IntArray) -> NDArray[Any]:
    """``decide`` as boards tell it: answers of yes or no as the bits of one integer (n,) (SPEC 6.4)."""
    decided = decide(model, outputs)
    return decided @ (1 << np.arange(outputs.shape[1])) if model.decision == "multilabel" else decided


def predict(model: QModel, rows: NDArray[np.floating[Any]]) -> NDArray[Any]:
    """Raw values (n, inputs) -> answers as ``decide`` gives them."""
    return decide(model, logits(model, codes(model, ticks(model, rows))))
