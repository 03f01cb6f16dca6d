"""SPEC chapter 3: from raw values to codes."""

from __future__ import annotations

import math
import struct
from fractions import Fraction

from second_engine.codes import code_of, half, sat
from second_engine.file_bytes import Input

FARTHEST = 2**28 - 1


def float32_bits(value: float) -> int:
    """SPEC 3.1: the four bytes of the nearest float32, as one number."""
    try:
        return struct.unpack("<I", struct.pack("<f", value))[0]
    except OverflowError:
        return float32_bits(math.copysign(math.inf, value))


def tick(entry: Input, bits: int) -> int:
    """SPEC 3.1: ticks from the bits of a float32. Raises ValueError for what is no number."""
    e, fraction = bits >> 23 & 255, bits & (2**23 - 1)
    if e == 255 and fraction:
        raise ValueError("NaN")
    if e == 0:
        return 0
    product = (2**23 + fraction) * entry.reciprocal
    if bits >> 31:
        product = -product
    if e == 255:
        return sat(product << 31, FARTHEST)
    return sat(math.floor(Fraction(product) / Fraction(2) ** (150 + entry.exponent - e) + Fraction(1, 2)), FARTHEST)


def short_tick(entry: Input, bits: int) -> int:
    """SPEC 3.1: the same in partial products that stay below 2^30, for a finite value whose e is not 0."""
    e, n, m = bits >> 23 & 255, bits >> 31, 2**23 + (bits & (2**23 - 1))
    s = 129 + entry.exponent - e
    if s > 30:
        return 0
    if s < 0:
        return -FARTHEST if n else FARTHEST
    h, low = m >> 12, m & 4095
    g, r = entry.reciprocal >> 13, entry.reciprocal & 8191
    inner = h * r + ((low * g) << 1) + ((low * r - n) >> 12)
    whole = ((h * g) << 5) + (inner >> 8)
    assert max(abs(inner), abs(whole)) < 2**30
    size = min(((whole >> s) + 1) >> 1, FARTHEST)
    return -size if n else size


def ticks(inputs: tuple[Input, ...], values: list[float]) -> list[int]:
    """SPEC 3.1, 3.2: whole steps of each value."""
    return [tick(entry, float32_bits(value)) for entry, value in zip(inputs, values, strict=True)]


def reciprocal(step: str) -> tuple[int, int]:
    """SPEC 3.1: R of 26 bits and k, from the decimal text of the step."""
    one_over, k = 1 / Fraction(step), 0
    while code_of(one_over, k) < 2**25:
        k += 1
    while code_of(one_over, k) >= 2**26:
        k -= 1
    return code_of(one_over, k), k


def code(entry: Input, ticks: int) -> int:
    """SPEC 3.3: the code of one input."""
    u = min(max(ticks, entry.low), entry.low + entry.span) - entry.low
    return (u * entry.gain + entry.offset) >> entry.shift


def codes(inputs: tuple[Input, ...], ticks: list[int]) -> list[int]:
    """SPEC 3.3: the codes of a row."""
    return [code(entry, each) for entry, each in zip(inputs, ticks, strict=True)]


def code_range(entry: Input) -> tuple[int, int]:
    """SPEC 3.4: the codes that an input can have."""
    return entry.offset >> entry.shift, (entry.span * entry.gain + entry.offset) >> entry.shift


def holds(entry: Input, limit: int) -> bool:
    """SPEC 3.3, 3.4: the proof of the doorway."""
    product = entry.span * entry.gain
    low, high = code_range(entry)
    numbers = (product, abs(entry.offset), abs(product + entry.offset))
    near = max(abs(entry.low), abs(entry.low + entry.span)) < 2**28 and min(entry.gain, entry.span) >= 0
    return near and all(n < 2**30 for n in numbers) and -limit <= low and high <= limit


def derive(low: int, high: int, scale: float, step: str, limit: int) -> Input:
    """SPEC 3.5: the doorway of an input whose declared range is [low, high] in ticks, with a standardization scale."""
    middle = (low + high) // 2
    reach = max(Fraction(high - middle), Fraction(5, 2) * Fraction(scale) / Fraction(float(step)))
    span, rate, r_and_k = high - low, Fraction(limit) / reach, reciprocal(step)
    if rate >= 1:
        gain = math.floor(rate)
        return Input(low, span, gain, -(middle - low) * gain, 0, *r_and_k)
    shift = 30
    while span * (gain := math.floor(rate * 2**shift + Fraction(1, 2))) >= 2**30 - 2**shift:
        shift -= 1

    def entry(gain: int) -> Input:
        return Input(low, span, gain, half(shift) - (middle - low) * gain, shift, *r_and_k)

    while max(map(abs, code_range(entry(gain)))) > limit:
        gain -= 1
    return entry(gain)
