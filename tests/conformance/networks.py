"""Random networks, quantized and emitted, for the comparisons on targets."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np

from nnhw.running.exported import Exported
from nnhw_codegen import emitters
from nnhw_codegen.integers import precision, program
from nnhw_codegen.integers.expr import Expr
from nnhw_codegen.integers.qmodel import QInput, QLayer, QModel
from nnhw_codegen.network.activations import SOFTMAX, Activation
from nnhw_codegen.network.network import Input, Layer, Network
from nnhw_codegen.quantization.quantize import quantize
from nnhw_codegen.writer import Origin

ORIGIN = Origin("m", "a test", "0")


def network(sizes: tuple[int, ...], hidden: Activation, seed: int = 0) -> Network:
    """Weights at random, inputs in tenths from 0 to 10, classes by number."""
    rng = np.random.default_rng(seed)
    layers = [
        Layer(rng.normal(0, 1.5 / fan_in**0.5, (units, fan_in)), rng.normal(0, 0.3, units), hidden)
        for fan_in, units in pairwise(sizes)
    ]
    layers[-1].activation = SOFTMAX
    inputs = tuple(Input(f"x{n}", 5.0, 2.0, 0.1, 0.0, 10.0) for n in range(sizes[0]))
    return Network(layers, inputs, tuple(map(str, range(max(2, sizes[-1])))))


@cache
def quantized(sizes: tuple[int, ...], hidden: Activation, precision_name: str) -> QModel:
    """A random network in one precision."""
    return quantize(network(sizes, hidden), precision.get(precision_name))


def emitted(model: QModel, code: str = "portable") -> Exported:
    """The module ``m`` of a quantized model."""
    files = emitters.get(code).emit(program.build(model), ORIGIN)
    return Exported("m", files, model.sizes, bool(model.classes))


def limit(precision_name: str) -> int:
    """The largest magnitude of an activation code at the widest width of a precision."""
    return int((1 << (max(precision.get(precision_name).activation_bits) - 1)) - 1)


def one_unit(activation: Expr | None, precision_name: str) -> QModel:
    """One unit with one input: the logit is the activation of the input code itself, saturated; codes are int16."""
    chosen = precision.get(precision_name)
    entry = QInput("z", 1.0, -32768, 65535, 1, -32768, 0)
    one, zero, end = np.ones((1, 1), np.int64), np.zeros(1, np.int64), np.array([32768])
    hidden = QLayer(one, zero, zero, limit(precision_name), activation, 0, zero, zero, -end, end - 1)
    last = QLayer(one, zero, zero, 0, None, 0, zero, zero, -end, end)
    return QModel(chosen, (entry,), (hidden, last), (), ("y",), offsets=(0.0,))
