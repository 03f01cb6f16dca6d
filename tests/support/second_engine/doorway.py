"""SPEC chapter 3: from raw values to codes."""

from __future__ import annotations

import math
from fractions import Fraction

from second_engine.file_bytes import Input

FARTHEST = 2**29 - 1


def ticks(values: list[float], steps: tuple[str, ...]) -> list[int]:
    """SPEC 3.1, 3.2: whole steps of each value, halves up."""
    return [math.floor(value / float(step) + 0.5) for value, step in zip(values, steps, strict=True)]


def code(entry: Input, tick: int) -> int:
    """SPEC 3.3: the code of one input."""
    u = min(max(tick - entry.low, 0), entry.span)
    return (u * entry.gain + entry.offset) >> entry.shift


def code_range(entry: Input) -> tuple[int, int]:
    """SPEC 3.4: the codes that an input can have."""
    return entry.offset >> entry.shift, (entry.span * entry.gain + entry.offset) >> entry.shift


def holds(entry: Input, limit: int) -> bool:
    """SPEC 3.4: the proof of the doorway."""
    product = entry.span * entry.gain
    low, high = code_range(entry)
    numbers = (product, abs(entry.offset), abs(product + entry.offset))
    return all(n < 2**30 for n in numbers) and -limit <= low and high <= limit and entry.gain >= 0 and entry.span >= 0


def derive(low: int, high: int, scale: float, step: float, limit: int) -> Input:
    """SPEC 3.5: the doorway of an input whose declared range is [low, high] in ticks, with a standardization scale."""
    middle = (low + high) // 2
    reach = max(Fraction(high - middle), Fraction(5, 2) * Fraction(scale) / Fraction(step))
    span, rate = high - low, Fraction(limit) / reach
    if rate >= 1:
        gain = math.floor(rate)
        return Input(low, span, gain, -(middle - low) * gain, 0)
    shift = 30
    while span * (gain := math.floor(rate * 2**shift + Fraction(1, 2))) >= 2**30 - 2**shift:
        shift -= 1
    while max(map(abs, code_range(entry := centered(low, span, middle, gain, shift)))) > limit:
        gain -= 1
    return entry


def centered(low: int, span: int, middle: int, gain: int, shift: int) -> Input:
    """SPEC 3.5: the offset puts code 0 at the middle, with the rounding constant of 1.3."""
    return Input(low, span, gain, (1 << (shift - 1)) - (middle - low) * gain, shift)
