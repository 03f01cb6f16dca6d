"""Viper: raw values to ticks, in integers of each value's float32 (SPEC 3.1; portable twin: micropython.values)."""

from __future__ import annotations

import numpy as np

from nnhw_codegen.integers.program import Program
from nnhw_codegen.integers.ticks import TICK_LIMIT
from nnhw_codegen.writer import Writer, bytes_literal


def _rows(program: Program) -> list[tuple[int, int, int]]:
    return [(step.high, step.low, step.last) for step in (entry.reciprocal for entry in program.inputs)]


def call(program: Program, ticks: str = "t") -> str:
    """The call that makes ``ticks`` of the floats in _f: true where one is not a number."""
    return f"_ticks(_F, 0, {ticks}{', _R' if len(set(_rows(program))) > 1 else ''})"


def emit(w: Writer, program: Program) -> None:
    """``_ticks(x, a, t, r)``: float32 words at x to ticks at t; a is any number, r are the steps where they differ."""
    rows = _rows(program)
    shared = len(set(rows)) == 1
    high, low, last = map(str, rows[0]) if shared else ("r[0]", "r[1]", "r[2]")
    short = not any(row[1] for row in rows)
    w.line("_F = addressof(_f)")
    if not shared:
        w.line(f"_r = array('H', {bytes_literal(np.array(rows, dtype='<u2').tobytes())})")
        w.line("_R = addressof(_r)")
    w.lines("", "", "@micropython.viper")
    with w.block(f"def _ticks(x: ptr32, a: int, t: ptr32{'' if shared else ', r: ptr16'}) -> int:"):
        w.line(f"i = {len(rows)}")
        with w.block("while i:"):
            w.lines("a = x[0]", "n = a >> 31 & 1", "s = a >> 23 & 255")
            with w.block("if s == 255:"), w.block("if a & 8388607:"):
                w.line("return 1")
            w.line(f"s = {last} - s")
            with w.block("if s < 0:"):
                w.line(f"a = {TICK_LIMIT}")
            with w.block("elif s > 30:"):
                w.line("a = 0")
            with w.block("else:"):
                w.lines("h = (a >> 12 & 2047) + 2048", "a = a & 4095")
                if short:
                    w.line(f"a = (a * {high} - n >> 7) + (h * {high} << 5) >> s")
                else:
                    w.line(f"a = (a * {low} - n >> 12) + h * {low} + (a * {high} << 1) >> 8")
                    w.line(f"a = (h * {high} << 5) + a >> s")
                w.line("a = a + 1 >> 1")
                with w.block(f"if a >> {TICK_LIMIT.bit_length()}:"):
                    w.line(f"a = {TICK_LIMIT}")
            with w.block("if n:"):
                w.line("a = 0 - a")
            w.lines("t[0] = a", "x = ptr32(int(x) + 4)", "t = ptr32(int(t) + 4)", "i -= 1")
            if not shared:
                w.line("r = ptr16(int(r) + 6)")
        w.line("return 0")
