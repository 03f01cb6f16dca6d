"""Viper loops: the weights are bytes, about 15 cycles each; the size of the code does not depend on their number."""

from __future__ import annotations

import numpy as np

from nnhw_codegen.integers.program import Dense, Program
from nnhw_codegen.viper import statements
from nnhw_codegen.writer import Writer, bytes_literal

_UNROLL = 16

_LIFT = statements.Sign(1 << 30)

_ENDS = 1 << 28

_ROW = 2  # words of a neuron in the constants: its lifted bias and its shift


def constants(w: Writer, program: Program) -> None:
    """``_W``, the weights plus 2^(bits - 1), row by row, and ``_B``, what else the loops read."""
    offset = 1 << (program.weight_bits - 1)
    weights = np.concatenate([layer.weights.ravel() for layer in program.layers]) + offset
    data = bytes_literal(weights.astype(f"<u{program.weight_bits // 8}").tobytes())
    w.line(f"_W = {data}" if program.weight_bits == 8 else f"_W = _aligned({data})")
    rows = [np.stack([layer.bias + _LIFT.lift, layer.shift], axis=1).ravel() for layer in program.layers]
    # SPEC 3.3: the ends of the range and the offset are lifted to be positive.
    words = np.concatenate([*rows, np.array(_doors(program)).ravel()]).astype("<u4").tobytes()
    w.line(f"_B = array('I', {bytes_literal(words)})")
    w.line("_AW, _AB = addressof(_W), addressof(_B)")


def _doors(program: Program) -> list[tuple[int, int, int, int, int]]:
    """The constants of each input's doorway, of all at once where they are the same."""
    doors = [(_ENDS + i.low, _ENDS + i.low + i.span, i.gain, i.offset + _LIFT.lift, i.shift) for i in program.inputs]
    return doors[:1] if len(set(doors)) == 1 else doors


def emit(w: Writer, program: Program) -> None:
    """``_forward(w, a, x, t, h, y, v, tables)``: the class index; a is 1 for ticks in t, 0 for codes in x."""
    pointer = f"ptr{program.weight_bits}"
    parameters = f"w: {pointer}, a: int, x: ptr32, t: ptr32, h: ptr32, y: ptr32, v: ptr32"
    w.lines("", "", "@micropython.viper")
    with w.block(f"def _forward({parameters}{statements.table_parameters(program)}) -> int:"):
        with w.block("if a:"):
            _doorway(w, program)
        statements.assign(w, "c", _LIFT.lift)
        statements.assign(w, "m", _LIFT.mask)
        for number, layer in enumerate(program.layers):
            last = number + 1 == len(program.layers)
            if last:
                statements.decision_start(w, program)
            w.line("j = 0")
            with w.block(f"while j < {layer.units}:"):
                _row(w, program, layer, "y" if last else "h")
                if last:
                    statements.decision_step(w, program, "j")
                w.lines(f"v = ptr32(int(v) + {4 * _ROW})", "j += 1")
            if not last:
                w.lines("x = h", f"h = ptr32(int(h) + {4 * layer.units})")
        statements.decision_end(w, program)


def _doorway(w: Writer, program: Program) -> None:
    rows = sum(layer.units for layer in program.layers)
    statements.tick_sign(w)
    w.lines(f"d = ptr32(int(v) + {4 * _ROW * rows})", "i = 0")
    with w.block(f"while i < {len(program.inputs)}:"):
        # A tick less an end of the range may pass 2^31. Half of it, less half of the end, may not, nor change the sign.
        w.lines(f"b = {statements.TICK.format('t[i]')}", f"n = (b >> 1) + {_ENDS >> 1}", f"b = b + {_ENDS}")
        w.line("a = (n - (d[1] + 1 >> 1) >> 31 & (b - d[1])) + d[1]")
        w.line("a = ((n - (d[0] + 1 >> 1) >> 31) + 1) * (a - d[0])")
        w.line(f"x[i] = a * d[2] + d[3]{statements.plus(-_LIFT.lift)} >> d[4]")
        if len(_doors(program)) > 1:
            w.line("d = ptr32(int(d) + 20)")
        w.line("i += 1")


def _row(w: Writer, program: Program, layer: Dense, into: str) -> None:
    """One neuron: w and p walk along its weights and inputs."""
    w.lines("a = v[0]", "p = x")
    turns, rest = divmod(layer.fan_in, _UNROLL)
    if turns:
        w.line(f"i = {turns}")
        with w.block("while i:"):
            _terms(w, program, _UNROLL)
            w.lines(f"p = ptr32(int(p) + {4 * _UNROLL})", "i -= 1")
    if rest:
        _terms(w, program, rest)
    statements.finish(w, "((a & m) - c >> v[1])", 0, layer.any_clips, layer.limit)
    statements.activation(w, layer, program.tables)
    w.line(f"{into}[j] = a")


def _terms(w: Writer, program: Program, count: int) -> None:
    for i in range(count):
        w.line(f"a = (w[{i}] - {1 << (program.weight_bits - 1)}) * p[{i}] + a")
    w.line(f"w = ptr{program.weight_bits}(int(w) + {count * program.weight_bits // 8})")
