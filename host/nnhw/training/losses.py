"""Losses: the value of a batch and its derivative with respect to the last layer's z.

Every loss is summed over the outputs and averaged over the rows. All arrays here have the units first, (units, rows);
targets are floats: one-hot or 0/1 for classes, plain values for regression.

    cross_entropy after softmax   -sum(t * ln(softmax(z)))                 delta = softmax(z) - t
    cross_entropy after logsig    -sum(t * ln(y) + (1 - t) * ln(1 - y))    delta = y - t
    mse                           sum((y - t)^2) / 2                       delta = (y - t) * f'(z)
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nnhw.training.options import LOSSES
from nnhw_codegen.errors import InputError
from nnhw_codegen.network.activations import Activation, get

Array = NDArray[np.float64]


class Loss(Protocol):
    """One loss for batches of a fixed number of rows."""

    def delta(self, z: Array, targets: Array, out: Array) -> None:
        """Write the derivative of ``value`` with respect to z into ``out``."""

    def value(self, z: Array, targets: Array) -> float:
        """The loss of z against the targets, for any number of rows."""


def make(name: str, activation: Activation, rows: int, units: int, relu_at_zero: float = 1.0) -> Loss:
    """The loss called ``name`` behind the last layer's ``activation``, with buffers for ``rows`` rows.

    Raises ValueError for an unknown name, and for cross-entropy behind anything but softmax or logsig, whose
    outputs are not probabilities.
    """
    if name not in LOSSES:
        raise InputError(f"unknown loss {name!r}; known: {', '.join(LOSSES)}")
    if activation.across_units:
        softmax = _Softmax(rows, units)
        return _SoftmaxCrossEntropy(softmax) if name == "cross_entropy" else _SoftmaxSquaredError(softmax)
    if name == "mse":
        return _SquaredError(activation, rows, relu_at_zero)
    if not activation.gives_probabilities:
        raise InputError(
            f"cross_entropy needs probabilities, but the last layer is {activation.name!r}; "
            "make it softmax or logsig, or use the loss 'mse'"
        )
    return _LogsigCrossEntropy(activation, rows)


class _Softmax:
    def __init__(self, rows: int, units: int) -> None:
        self.share = 1.0 / rows
        self._ones = np.ones((1, units))
        self._line = np.empty((1, rows))

    def write(self, z: Array, out: Array) -> None:
        line = self._line
        np.maximum.reduce(z, 0, out=line, keepdims=True)
        np.subtract(z, line, out)
        np.exp(out, out)
        self._ones.dot(out, line)
        np.divide(out, line, out)


class _SoftmaxCrossEntropy:
    def __init__(self, softmax: _Softmax) -> None:
        self._softmax = softmax

    def delta(self, z: Array, targets: Array, out: Array) -> None:
        self._softmax.write(z, out)
        np.subtract(out, targets, out)
        np.multiply(out, self._softmax.share, out)

    def value(self, z: Array, targets: Array) -> float:
        shifted = z - z.max(axis=0)
        return float((np.log(np.exp(shifted).sum(axis=0)) - (targets * shifted).sum(axis=0)).mean())


class _LogsigCrossEntropy:
    def __init__(self, activation: Activation, rows: int) -> None:
        self._logsig = activation.value
        self._softplus = get("softplus").value
        self._share = 1.0 / rows

    def delta(self, z: Array, targets: Array, out: Array) -> None:
        np.subtract(self._logsig(z), targets, out)
        np.multiply(out, self._share, out)

    def value(self, z: Array, targets: Array) -> float:
        return float((self._softplus(z) - targets * z).sum(axis=0).mean())


class _SquaredError:
    def __init__(self, activation: Activation, rows: int, relu_at_zero: float) -> None:
        self._activation = activation
        self._share = 1.0 / rows
        self._at_zero = relu_at_zero

    def delta(self, z: Array, targets: Array, out: Array) -> None:
        np.subtract(self._activation.value(z), targets, out)
        np.multiply(out, self._activation.derivative(z, self._at_zero), out)
        np.multiply(out, self._share, out)

    def value(self, z: Array, targets: Array) -> float:
        return float(((self._activation.value(z) - targets) ** 2).sum(axis=0).mean() / 2)


class _SoftmaxSquaredError:
    def __init__(self, softmax: _Softmax) -> None:
        self._softmax = softmax

    def delta(self, z: Array, targets: Array, out: Array) -> None:
        self._softmax.write(z, out)
        error = out - targets
        error -= (error * out).sum(axis=0, keepdims=True)
        np.multiply(out, error, out)
        np.multiply(out, self._softmax.share, out)

    def value(self, z: Array, targets: Array) -> float:
        y = np.exp(z - z.max(axis=0))
        y /= y.sum(axis=0)
        return float(((y - targets) ** 2).sum(axis=0).mean() / 2)
