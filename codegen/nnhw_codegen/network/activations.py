"""Activations: one record each, in floats; the integer form on every target is derived from the record (SPEC 4).

A record splits the function into a straight part and a curve:

    f(z) = ramp(z) + curve(z)
    ramp(z)  = z for z >= 0, slope * z for z < 0        (absent: 0)
    curve(z) = table over |z|, mirrored                 (absent: 0)

To add an activation, write one record and add it to ``RECORDS``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from math import sqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nnhw_codegen.errors import InputError
from nnhw_codegen.registry import find

Array = NDArray[Any]


@dataclass(frozen=True)
class Curve:
    """The part of an activation that needs a table.

    ``half`` gives the curve for u >= 0. For z < 0 the curve is ``half(-z)`` (mirror "even") or
    ``center - half(-z)`` (mirror "point"). Beyond ``reach`` the device holds the last value.
    """

    half: Callable[[Array], Array]
    mirror: Literal["even", "point"]
    center: float = 0.0
    reach: float = 8.0


def glorot(fan_in: int, units: int) -> float:
    """Glorot and Bengio 2010, equation 12."""
    return sqrt(2.0 / (fan_in + units))


def he(fan_in: int, units: int) -> float:
    """He et al. 2015, equation 10: for functions that are about 0 left of zero and z right of it."""
    return sqrt(2.0 / fan_in)


@dataclass(frozen=True)
class Activation:
    """A non-decreasing activation function, and all that the rest knows about it.

    ``value(z)`` and ``derivative(z, at_zero)`` take and return float arrays of any one shape and are finite for
    every finite z. ``at_zero`` is the derivative to use where z == 0 and the function has a corner there.

    ramp                 slope left of zero of the straight part, 0 <= ramp <= 1; None where there is no straight part
    initial_scale        standard deviation of fresh weights before it, from fan-in and units
    initial_bias         of fresh hidden units
    has_slope            the user may choose ``ramp``; the straight part is all there is
    gives_probabilities  the derivative of the cross-entropy by z is ``value(z) - target``
    across_units         every output depends on all units of a row, the last axis; for the last layer only
    """

    name: str
    value: Callable[[Array], Array]
    derivative: Callable[[Array, float], Array]
    ramp: Fraction | None = None
    curve: Curve | None = None
    initial_scale: Callable[[int, int], float] = glorot
    initial_bias: float = 0.0
    has_slope: bool = False
    gives_probabilities: bool = False
    across_units: bool = False

    @property
    def integer_ramp(self) -> Fraction | None:
        """The slope that the integers take for ``ramp`` (SPEC 4.2): its ``dyadic``."""
        return None if self.ramp is None else dyadic(float(self.ramp))

    @property
    def is_identity(self) -> bool:
        """True where the value is z itself."""
        return self.ramp == 1 and self.curve is None

    @property
    def has_corner(self) -> bool:
        """True where the derivative at 0 is a choice (ReLU, leaky ReLU)."""
        return self.ramp is not None and self.ramp != 1 and self.curve is None


def _half_logsig(u: Array) -> Array:
    return np.asarray(1.0 / (1.0 + np.exp(-u)))


def _logsig(z: Array) -> Array:
    # 1/(1+e^-z) for z >= 0 and the equivalent e^z/(e^z+1) for z < 0: the exponent is never positive, so no overflow.
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1.0, e) / (1.0 + e)


def _logsig_derivative(z: Array, at_zero: float) -> Array:
    # e^z/(e^z+1)^2 is even in z: the form with the negative exponent keeps its relative precision far out.
    e = np.exp(-np.abs(z))
    return np.asarray(e / (1.0 + e) ** 2)


def _softplus_tail(u: Array) -> Array:
    return np.asarray(np.log1p(np.exp(-u)))


def _softplus(z: Array) -> Array:
    return np.asarray(np.maximum(z, 0.0) + _softplus_tail(np.abs(z)))


def _tanh_derivative(z: Array, at_zero: float) -> Array:
    # 1 - tanh^2 = 4 e^-2|z| / (1 + e^-2|z|)^2, without the cancellation of 1 - y*y.
    e = np.exp(-2.0 * np.abs(z))
    return np.asarray(4.0 * e / (1.0 + e) ** 2)


def _softplus_derivative(z: Array, at_zero: float) -> Array:
    return _logsig(z)


def _ramp_value(left: float, z: Array) -> Array:
    return np.asarray(np.maximum(z, z * left))


def _ramp_derivative(left: float, z: Array, at_zero: float) -> Array:
    # at_zero 0 means the slope from the left, 1 the slope from the right, 0.5 the mean of both.
    return np.where(z > 0, 1.0, np.where(z < 0, left, left + (1.0 - left) * at_zero))


def _softmax(z: Array) -> Array:
    y = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(y / y.sum(axis=-1, keepdims=True))


def _softmax_derivative(z: Array, at_zero: float) -> Array:
    # Of each output by its own z.
    y = _softmax(z)
    return y * (1.0 - y)


def _ramp(name: str, left: float, **fields: Any) -> Activation:
    return Activation(name, *_straight(left), ramp=Fraction(left), **fields)


def _straight(left: float) -> tuple[Callable[[Array], Array], Callable[[Array, float], Array]]:
    # Partial functions, unlike nested ones, can be pickled, and so can networks.
    return partial(_ramp_value, left), partial(_ramp_derivative, left)


def dyadic(slope: float, tolerance: float = 0.02) -> Fraction:
    """The nearest fraction c / 2^q, smallest q <= 12, within ``tolerance`` (relative) of ``slope``.

    Raises ValueError unless 0 <= slope <= 1 (a steeper left side would not be a leak).
    """
    if not 0.0 <= slope <= 1.0:
        raise InputError(f"slope {slope!r} is outside 0 to 1")
    for q in range(13):
        nearest = Fraction(round(slope * 2**q), 2**q)
        if abs(float(nearest) - slope) <= tolerance * slope:
            return nearest
    return Fraction(round(slope * 2**12), 2**12)


DEFAULT_SLOPE = 0.125

RECORDS: tuple[Activation, ...] = (
    _ramp("identity", 1.0),
    _ramp("relu", 0.0, initial_scale=he, initial_bias=0.1),  # keeps every unit alive on the first rows
    _ramp("leaky_relu", DEFAULT_SLOPE, initial_scale=he, has_slope=True),
    Activation(
        "logsig",
        _logsig,
        _logsig_derivative,
        curve=Curve(_half_logsig, "point", center=1.0),
        gives_probabilities=True,
    ),
    Activation(
        "softplus", _softplus, _softplus_derivative, Fraction(0), Curve(_softplus_tail, "even"), initial_scale=he
    ),
    Activation("tanh", np.tanh, _tanh_derivative, curve=Curve(np.tanh, "point")),
)
"""Those that take one unit at a time, for any layer."""

SOFTMAX = Activation("softmax", _softmax, _softmax_derivative, gives_probabilities=True, across_units=True)
"""For the last layer only. Boards need it to learn, not to decide: it keeps the order of the outputs (SPEC 6.1, 9.6)."""


def names() -> tuple[str, ...]:
    """The names of the activations of any layer."""
    return tuple(record.name for record in RECORDS)


def output_names() -> tuple[str, ...]:
    """The names of the activations of a last layer."""
    return (*names(), SOFTMAX.name)


def get(name: str, slope: float | None = None) -> Activation:
    """The record called ``name``; ``slope`` sets the left slope of one that has_slope, exactly; the integers round it.

    Raises InputError for an unknown name, or a slope given to another activation or outside 0 to 1.
    """
    record = find((*RECORDS, SOFTMAX), name, "activation")
    if slope is None:
        return record
    if not record.has_slope:
        raise InputError(f"{name!r} takes no slope, only {sloped()} does")
    if not 0.0 <= slope <= 1.0:
        raise InputError(f"slope {slope!r} is outside 0 to 1")
    value, derivative = _straight(float(slope))
    return replace(record, value=value, derivative=derivative, ramp=Fraction(float(slope)))


def sloped() -> str:
    """The names of those that has_slope, for messages."""
    return ", ".join(record.name for record in RECORDS if record.has_slope)
