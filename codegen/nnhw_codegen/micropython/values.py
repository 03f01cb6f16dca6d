"""Raw values to ticks in bytecode: small integers of the bytes of each value's float32 (SPEC 3.1).

Nothing lands on the heap. A Pico takes about 10,000 cycles an input. Under CPython, which packs no float beyond the
range of float32, such a value is an OverflowError.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnhw_codegen.integers.ticks import TICK_LIMIT, Reciprocal
from nnhw_codegen.micropython.rows import Rows
from nnhw_codegen.writer import Writer

IMPORT = "from struct import pack_into"
"""What ``emit`` needs."""

HEAD = ("ticks_from_values(values, t)", "Raw values to ticks t, in integers of each value's float32.")


def emit(w: Writer, steps: Sequence[Reciprocal]) -> None:
    """``ticks_from_values`` for inputs with these steps, and the four bytes that it needs."""
    rows = Rows({name: np.array([getattr(step, name) for step in steps]) for name in ("high", "low", "last")})
    w.line("_b = bytearray(4)")
    with w.function(*HEAD):
        expect(w, len(steps))
        w.line("b = _b")
        rows.begin(w)
        with w.block(f"for i in range({len(steps)}):"):
            rows.take(w)
            w.line("v = values[i]")
            w.line('pack_into("<f", b, 0, v)')
            w.lines("n = b[3] >> 7", f"s = {rows.text['last']} - (b[3] << 1 & 254 | b[2] >> 7)")
            with w.block("if s >= 0:"):
                w.lines("h = (b[2] | 128) << 4 | b[1] >> 4", "r0 = (b[1] & 15) << 8 | b[0]")
                w.line(f"r0 = min({magnitude(rows.text['high'], rows.text['low'])}, {TICK_LIMIT})")
            with w.block("elif v < 0 or v > 0:"):
                w.line(f"r0 = {TICK_LIMIT}")
            with w.block("else:"):
                w.line('raise ValueError("NaN")')
            w.line("t[i] = -r0 if n else r0")


def expect(w: Writer, count: int) -> None:
    """Refuse a wrong number of values."""
    with w.block(f"if len(values) != {count}:"):
        w.line(f'raise ValueError("expected {count} values, found %d" % len(values))')


def magnitude(high: str, low: str) -> str:
    """The form of SPEC 3.1 for small integers: h and r0 hold the mantissa, s the shift, n the sign."""
    if low == "0":
        return f"((h * {high} << 5) + (r0 * {high} - n >> 7) >> min(s, 30)) + 1 >> 1"
    return (
        f"((h * {high} << 5) + (h * {low} + (r0 * {high} << 1) + (r0 * {low} - n >> 12) >> 8) >> min(s, 30)) + 1 >> 1"
    )
