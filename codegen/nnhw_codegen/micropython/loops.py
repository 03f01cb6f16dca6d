"""The form of the portable emitter for large nets: loops over bytes that hold all that differs between rows.

Made for little heap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from nnhw_codegen.integers.program import Dense, Program
from nnhw_codegen.micropython.activation import Instructions, finish, functions
from nnhw_codegen.micropython.rows import Rows, common, number, numbers, width
from nnhw_codegen.writer import Writer, bytes_literal

LOGITS = ("logits_from_codes(x, y)", "Input codes x to outputs y, all integers.")
TICKS = ("logits_from_ticks(t, y)", "Ticks t (any integers) to outputs y, all integers.")


def hidden_start(program: Program) -> int:
    """Where in ``_t`` the outputs of hidden layers begin: behind the codes, and behind the outputs for ``predict``."""
    return max(len(program.inputs), program.layers[-1].units)


def work_length(program: Program) -> int:
    """The length of ``_t``."""
    return hidden_start(program) + sum(layer.units for layer in program.layers[:-1])


def emit(w: Writer, program: Program) -> None:
    """``logits_from_codes`` and ``logits_from_ticks``."""
    names = functions(w, program, least_calls=2)
    with w.function(*LOGITS):
        w.lines(f"w = {bytes_literal(b''.join(_layer_bytes(program)))}", "k = 0")
        if len(program.layers) > 1:
            w.line("h = _t")
        source, start = "x", 0
        for number, layer in enumerate(program.layers):
            last = number + 1 == len(program.layers)
            following = 0 if last else start + layer.fan_in if number else hidden_start(program)
            with w.block(f"for j in {_range(following, layer.units)}:"):
                _row(
                    w, program, layer, names, f"{source}[i]", _range(start, layer.fan_in), "y[j]" if last else "h[j]"
                )
            source, start = "h", following
    _doorway(w, program)


def _range(start: int, count: int) -> str:
    return f"range({start}, {start + count})" if start else f"range({count})"


def _row(
    w: Writer,
    program: Program,
    layer: Dense,
    names: Mapping[Instructions, str],
    source: str,
    inputs: str,
    into: str,
) -> None:
    bias_width, weight_width = width(layer.bias), program.weight_bits // 8
    w.lines(f"r0 = {number(0, bias_width)}", f"k += {bias_width}")
    with w.block(f"for i in {inputs}:"):
        w.lines(f"r0 += ({number(0, weight_width)}) * {source}", f"k += {weight_width}")
    shift = common(layer.shift)
    if shift is None:
        w.lines("r0 >>= w[k]", "k += 1")
    elif shift:
        w.line(f"r0 >>= {shift}")
    finish(w, program, layer, names, layer.any_clips, into)


def _layer_bytes(program: Program) -> Iterator[bytes]:
    """Per neuron its bias, its weights, and its shift where shifts differ."""
    for layer in program.layers:
        shifts = [] if common(layer.shift) is not None else layer.shift.tolist()
        for j, bias in enumerate(layer.bias.tolist()):
            yield from numbers([bias], width(layer.bias))
            yield from numbers(layer.weights[j].tolist(), program.weight_bits // 8)
            yield bytes(shifts[j : j + 1])


def _doorway(w: Writer, program: Program) -> None:
    """SPEC 3.3: what all inputs share stands in the code, what differs in the bytes."""
    door = [(entry.low, entry.low + entry.span, entry.gain, entry.offset, entry.shift) for entry in program.inputs]
    low, high, gain, offset, shift = np.array(door).T
    half = (1 << shift) >> 1
    centered = bool((offset == half - (high - low >> 1) * gain).all())
    if centered:  # SPEC 3.5: what is left of the offset is its rounding constant
        offset = half
    rows = Rows({"low": low, "high": high, "gain": gain, "offset": offset, "shift": shift})
    text = rows.text
    base = text["low"]
    if centered:
        both_known = "low" not in text["low"] and "high" not in text["high"]
        base = str(int(low[0] + high[0]) >> 1) if both_known else f"({text['low']} + {text['high']} >> 1)"
    with w.function(*TICKS):
        rows.begin(w)
        with w.block(f"for i in range({len(program.inputs)}):"):
            rows.take(w)
            w.line(f"r0 = min(max(t[i], {text['low']}), {text['high']}){_unless_zero(' - ', base)}")
            offset, shift = _unless_zero(" + ", text["offset"]), _unless_zero(" >> ", text["shift"])
            w.line(f"_t[i] = r0 * {text['gain']}{offset}{shift}")
        w.line("logits_from_codes(_t, y)")


def _unless_zero(operation: str, operand: str) -> str:
    return "" if operand == "0" else operation + operand
