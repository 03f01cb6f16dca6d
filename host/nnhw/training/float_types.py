"""The float arithmetics of a population: NumPy's float64 and float32, and float16 held in float32."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]

_EXPONENT = 0x7F800000  # the exponent's bits of a float32
_LEAST = (127 - 14) << 23  # 2^-14: below it float16's steps stay 2^-24
_TO_UNIT = (13 << 23) + (1 << 22)  # times 1.5 * 2^13, on a power of two
_TO_LIMIT = np.float32(2.0**112)  # takes 2^16, which float16 does not have, to float32's infinity


class Native:
    """A type that NumPy computes in itself, ``dtype``: nothing is left to round."""

    def __init__(self, dtype: DTypeLike) -> None:
        self.dtype = np.dtype(dtype)

    def hold(self, values: Array) -> Array:
        """The arithmetic's numbers nearest to ``values``, a contiguous array."""
        return np.ascontiguousarray(values, dtype=self.dtype)

    def settle(self, values: Array) -> None:
        """Round an operation's results to the arithmetic's numbers, in place."""

    def total(self, terms: Array, axis: int, out: Array) -> None:
        """The sum along ``axis`` into ``out``, term by term."""
        np.add.reduce(terms, axis, out=out)


class Half(Native):
    """IEEE float16, every result rounded to nearest, ties to even, subnormal numbers and infinities included.

    Values are held in float32, whose products, sums and quotients of float16 numbers round to float16 as exact ones
    do (24 bits are at least 2 * 11 + 2). NumPy's own float16 gives the same bits and takes six times as long. Results
    before rounding must be below 2^115, or not finite. A result of -0 becomes 0.
    """

    def __init__(self) -> None:
        super().__init__(np.float32)
        self._room: dict[tuple[int, ...], Array] = {}

    def hold(self, values: Array) -> Array:
        return super().hold(np.asarray(values, np.float16))

    def settle(self, values: Array) -> None:
        room = self._room.get(values.shape)
        if room is None:
            room = self._room[values.shape] = np.empty(values.shape, np.float32)
        # Adding 1.5 * 2^(e+13) to a number of exponent e pushes all that float16 does not hold out of the sum.
        bits = room.view(np.uint32)
        np.bitwise_and(values.view(np.uint32), _EXPONENT, out=bits)
        np.maximum(bits, _LEAST, out=bits)
        np.add(bits, _TO_UNIT, out=bits)
        np.add(values, room, out=values)
        np.subtract(values, room, out=values)
        np.multiply(values, _TO_LIMIT, out=values)
        np.divide(values, _TO_LIMIT, out=values)

    def total(self, terms: Array, axis: int, out: Array) -> None:
        first, *others = np.moveaxis(terms, axis, 0)
        np.copyto(out, first)
        for term in others:
            np.add(out, term, out=out)
            self.settle(out)


def arithmetic(dtype: DTypeLike) -> Native:
    """The arithmetic of a NumPy float type."""
    return Half() if np.dtype(dtype) == np.float16 else Native(dtype)
