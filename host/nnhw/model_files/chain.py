"""The intermediate form of all formats: a pending affine map over the last layer, and the layers that are finished.

Dense layers, biases, scalers, batch normalization, PCA and constants only change the pending map; an activation closes a
layer. So everything linear is folded, in any order, without a case of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nnhw_codegen.network import activations
from nnhw_codegen.network.network import Layer

Array = NDArray[np.float64]
KnownTask = Literal["classification", "regression"]

LARGEST = 1e30
_MOST_UNITS = 65536
_MOST_WEIGHTS = 2**26
ACTIVATIONS = "relu, leaky_relu, logsig, softplus, tanh, identity, and softmax at the end"


class Refusal(Exception):
    """What cannot be converted: its place, what was found, and what is supported. The file's name comes before it."""


@dataclass(frozen=True, eq=False)
class Imported:
    """What a file tells of a network; raw values enter the first layer.

    ``names`` are those of the inputs, ``classes`` those of the classes, empty where the file has none. ``task`` is what
    the file tells or hints at. ``lowest`` and ``highest`` (inputs,) are the ranges that the file tells. ``factor`` and
    ``offset`` (inputs,) are what the file does to a value before its first dense layer.
    """

    layers: tuple[Layer, ...]
    names: tuple[str, ...]
    classes: tuple[str, ...]
    task: KnownTask | None
    lowest: Array | None
    highest: Array | None
    factor: Array
    offset: Array
    folded: tuple[str, ...]
    dropped: tuple[str, ...]
    notes: tuple[str, ...]


class Chain:
    """Built by a reader, one operation of the file after the other; every method raises Refusal with the ``place``.

    ``shape`` is that of one row at this point, without the batch.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        size = prod(shape)
        if not 1 <= size <= _MOST_UNITS:
            raise Refusal(f"the input has {size} values; supported: 1 to {_MOST_UNITS}")
        self.shape = shape
        self.layers: list[Layer] = []
        self.folded: list[str] = []
        self.dropped: list[str] = []
        self.notes: list[str] = []
        self._restart(size)
        self._first = (self._factor, self._offset)

    def _restart(self, size: int) -> None:
        """Let the pending map be the identity of ``size`` values; without a matrix it is ``factor * x + offset``."""
        self._matrix: Array | None = None
        self._factor = np.ones(size)
        self._offset = np.zeros(size)
        self._changed = False

    @property
    def size(self) -> int:
        """Values of a row at this point."""
        return len(self._offset)

    @property
    def scaling(self) -> tuple[Array, Array] | None:
        """(factor, offset) of each raw value up to this point; None where values have been mixed."""
        return (self._factor, self._offset) if self._matrix is None and not self.layers else None

    def dense(self, place: str, weights: NDArray[Any], bias: NDArray[Any] | float = 0.0) -> None:
        """Apply ``weights @ x + bias``; weights have shape (units, inputs), bias (units,) or ()."""
        self._must_be_flat(place)
        matrix, added = _numbers(place, weights), _numbers(place, np.asarray(bias))
        if matrix.ndim != 2 or matrix.shape[1] != self.size:
            raise Refusal(f"{place}: weights of shape {matrix.shape} do not fit the {self.size} values before it")
        units = len(matrix)
        if added.size not in (1, units) or units < 1:
            raise Refusal(f"{place}: a bias of shape {added.shape} does not fit {units} units")
        if (
            units > _MOST_UNITS
            or units * (self._matrix if self._matrix is not None else matrix).shape[1] > _MOST_WEIGHTS
        ):
            raise Refusal(f"{place}: {units} units make too large a layer for a microcontroller")
        if self._matrix is None:
            if not self.layers:
                self._first = (self._factor, self._offset)
            folded = matrix * self._factor
        else:
            folded = matrix @ self._matrix
        self._offset = matrix @ self._offset + np.broadcast_to(added.reshape(-1), (units,))
        self._matrix, self._changed = folded, True
        self.shape = (units,)

    def scale(self, place: str, factor: NDArray[Any] | float, offset: NDArray[Any] | float = 0.0) -> None:
        """Apply ``factor * x + offset``, value by value."""
        k, c = (self._per_value(place, _numbers(place, np.asarray(value))) for value in (factor, offset))
        self._must_go_on(place)
        if self._matrix is None:
            self._factor = self._factor * k
        else:
            self._matrix = self._matrix * k[:, None]
        self._offset = self._offset * k + c
        self._changed = True

    def _per_value(self, place: str, values: Array) -> Array:
        """``values`` for each value of a row; a constant is one number, or has the row's own shape."""
        own = values.shape
        while own and own[0] == 1:
            own = own[1:]
        row = self.shape
        while row and row[0] == 1:
            row = row[1:]
        if values.size != 1 and own != row:
            raise Refusal(f"{place}: numbers of shape {values.shape} do not fit values of shape {self.shape}")
        return np.broadcast_to(values.reshape(-1), (self.size,))

    def activate(self, place: str, name: str, slope: float | None = None) -> None:
        """Close a layer with an activation of ``network.activations``; ``slope`` is the left slope of leaky_relu."""
        self._must_close(place)
        if slope is not None and not 0.0 <= slope <= 1.0:
            raise Refusal(f"{place}: a left slope of {slope:g}; supported: 0 to 1")
        self._close(activations.get("relu" if slope == 0.0 else name, slope or None))

    def softmax(self, place: str, is_logarithm: bool = False) -> None:
        """End the network with softmax; with its logarithm, whose classes are the same, too."""
        self._must_close(place)
        if is_logarithm:
            self.notes.append(f"{place}: log_softmax is taken for softmax: the classes are the same")
        self._close(activations.SOFTMAX)

    def reshape(self, place: str, shape: tuple[int, ...]) -> None:
        """Give rows another shape, in row-major order."""
        if prod(shape) != self.size:
            raise Refusal(f"{place}: {self.size} values per row cannot take the shape {shape}")
        self.shape = shape

    def _must_go_on(self, place: str) -> None:
        if self.layers and self.layers[-1].activation.across_units:
            raise Refusal(f"{place}: stands behind softmax; a network ends with it")

    def _must_be_flat(self, place: str) -> None:
        self._must_go_on(place)
        if len(self.shape) != 1:
            raise Refusal(f"{place}: works on rows of shape {self.shape}; supported: flat ones")

    def _must_close(self, place: str) -> None:
        self._must_be_flat(place)
        if self._matrix is None:
            raise Refusal(f"{place}: an activation without a dense layer before it")

    def _close(self, activation: activations.Activation) -> None:
        assert self._matrix is not None
        self.layers.append(Layer(self._matrix, self._offset, activation))
        self._restart(self.size)

    def finish(
        self,
        *,
        names: tuple[str, ...] = (),
        classes: tuple[str, ...] = (),
        task: KnownTask | None = None,
        ranges: tuple[Array, Array] | None = None,
    ) -> Imported:
        """The whole network. Raises Refusal where there is no dense layer, or folding left the range of numbers."""
        if self._matrix is None and self.layers and self._changed:
            if self.size**2 > _MOST_WEIGHTS:
                raise Refusal(f"the last scaling has {self.size} values, too many for a microcontroller")
            self._matrix = np.diag(self._factor)
        if self._matrix is not None:
            self._close(activations.get("identity"))
        if not self.layers:
            raise Refusal("holds no dense layer; supported: networks of dense layers")
        for number, layer in enumerate(self.layers, 1):
            for values in (layer.weights, layer.bias):
                if not (np.abs(values) <= LARGEST).all():
                    raise Refusal(
                        f"layer {number}: weights leave the range of numbers when scalings are folded into it"
                    )
        if names and len(names) != self.layers[0].weights.shape[1]:
            names = ()
        lowest, highest = ranges or (None, None)
        factor, offset = self._first
        told = (tuple(self.folded), tuple(self.dropped), tuple(self.notes))
        return Imported(tuple(self.layers), names, classes, task, lowest, highest, factor, offset, *told)


def _numbers(place: str, values: NDArray[Any]) -> Array:
    if values.dtype.kind not in "fiu":
        raise Refusal(f"{place}: values of type {values.dtype}; expected numbers")
    numbers = values.astype(np.float64)
    wrong = np.argwhere(~(np.abs(numbers) <= LARGEST))
    if len(wrong):
        at = "".join(f"[{index}]" for index in wrong[0])
        found = numbers[tuple(wrong[0])]
        raise Refusal(f"{place}: weight {at} is {found:g}; expected finite numbers up to {LARGEST:g}")
    return numbers
