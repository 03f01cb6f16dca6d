"""The functions that chapters 4 and 9 turn into integers, as reals: a straight part, and a curve over u = |z|."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

Real = Callable[[float], float]


@dataclass(frozen=True)
class Curve:
    """SPEC 4.3: ``half(u)`` for u >= 0, mirrored evenly, or through a point to ``center - half(u)``."""

    half: Real
    derivative: Real
    through_point: bool
    center: int = 0


@dataclass(frozen=True)
class Function:
    """SPEC 4.2, 4.3: the slope left of zero of the straight part, or None without one; the curve, or None."""

    slope: Fraction | None
    curve: Curve | None = None


def logsig(u: float) -> float:
    """1 / (1 + exp(-u)) for u >= 0."""
    return 1 / (1 + math.exp(-u))


def logsig_derivative(u: float) -> float:
    """exp(-u) / (1 + exp(-u))^2 for u >= 0."""
    return math.exp(-u) / (1 + math.exp(-u)) ** 2


def tanh_derivative(u: float) -> float:
    """1 - tanh(u)^2."""
    return 1 / math.cosh(u) ** 2


def tail(u: float) -> float:
    """What softplus is above max(z, 0)."""
    return math.log1p(math.exp(-u))


def tail_derivative(u: float) -> float:
    """d/du of ``tail``."""
    return -math.exp(-u) / (1 + math.exp(-u))


LOGSIG = Function(None, Curve(logsig, logsig_derivative, True, 1))
TANH = Function(None, Curve(math.tanh, tanh_derivative, True))
SOFTPLUS = Function(Fraction(0), Curve(tail, tail_derivative, False))


def device_slope(slope: float) -> Fraction:
    """SPEC 4.2: c / 2^q, the nearest to a float slope with the smallest q that is within 2 % of it, at most 12."""
    for q in range(13):
        nearest = Fraction(round(Fraction(slope) * 2**q), 2**q)
        if abs(nearest - Fraction(slope)) <= Fraction(slope) / 50:
            break
    return nearest


def named(name: str, slope: float) -> Function:
    """The function of that name; ``slope`` is the left slope of leaky_relu."""
    straight = {"identity": Fraction(1), "relu": Fraction(0), "leaky_relu": device_slope(slope)}
    return (
        Function(straight[name]) if name in straight else {"logsig": LOGSIG, "tanh": TANH, "softplus": SOFTPLUS}[name]
    )


def decay(u: float) -> float:
    """exp(-u), for softmax."""
    return math.exp(-u)
