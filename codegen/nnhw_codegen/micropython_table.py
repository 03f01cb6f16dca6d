"""The form of the portable emitter for large nets: loops over bytes that hold all that differs between rows.

Made for little heap. The bytes stand in the functions that read them, as every name at the top level takes heap; a row
of numbers follows the other in the order of reading, so that one index walks through all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from nnhw_codegen.fixed import IntArray
from nnhw_codegen.micropython_steps import Steps, finish, functions, select
from nnhw_codegen.program import Dense, Program
from nnhw_codegen.text import Writer, bytes_literal

LOGITS = ("logits_from_codes(x, y)", "Input codes x to outputs y, all integers.")
TICKS = ("logits_from_ticks(t, y)", "Ticks t (integers below 2^29 in magnitude) to outputs y, all integers.")


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
    w: Writer, program: Program, layer: Dense, names: Mapping[Steps, str], source: str, inputs: str, target: str
) -> None:
    bias_width, weight_width = _width(layer.bias), program.weight_bits // 8
    w.lines(f"r0 = {_number(0, bias_width)}", f"k += {bias_width}")
    with w.block(f"for i in {inputs}:"):
        w.lines(f"r0 += ({_number(0, weight_width)}) * {source}", f"k += {weight_width}")
    shift = _common(layer.shift)
    if shift is None:
        w.lines("r0 >>= w[k]", "k += 1")
    elif shift:
        w.line(f"r0 >>= {shift}")
    clips = bool(layer.clips_low.any()), bool(layer.clips_high.any())
    finish(w, program, layer, names, clips, target)


def _layer_bytes(program: Program) -> Iterator[bytes]:
    """Per neuron its bias, its weights, and its shift where shifts differ."""
    for layer in program.layers:
        shifts = [] if _common(layer.shift) is not None else layer.shift.tolist()
        for j, bias in enumerate(layer.bias.tolist()):
            yield from _numbers([bias], _width(layer.bias))
            yield from _numbers(layer.weights[j].tolist(), program.weight_bits // 8)
            yield bytes(shifts[j : j + 1])


def _doorway(w: Writer, program: Program) -> None:
    """SPEC 3.3: what all inputs share stands in the code, what differs in the bytes."""
    rows = [(entry.low, entry.span, entry.gain, entry.offset, entry.shift) for entry in program.inputs]
    low, span, gain, offset, shift = np.array(rows).T
    half = (1 << shift) >> 1
    centered = bool((offset == half - (span >> 1) * gain).all())
    if centered:  # SPEC 3.5: what is left of the offset is its rounding constant
        offset = half
    columns = {"low": low, "span": span, "gain": gain, "offset": offset, "shift": shift}
    stored = {name: column for name, column in columns.items() if _common(column) is None}
    with w.function(*TICKS):
        if stored:
            numbers = zip(*[_numbers(column.tolist(), _width(column)) for column in stored.values()], strict=True)
            w.lines(f"w = {bytes_literal(b''.join(map(b''.join, numbers)))}", "k = 0")
        with w.block(f"for i in range({len(program.inputs)}):"):
            at = 0
            for name, column in stored.items():
                w.line(f"{name} = {_number(at, _width(column))}")
                at += _width(column)
            if stored:
                w.line(f"k += {at}")
            text = {name: name if name in stored else str(column[0]) for name, column in columns.items()}
            w.line("r0 = t[i]" + _unless_zero(" - ", text["low"]))
            select(w, "max", "r0", "r0", "0")
            select(w, "min", "r0", "r0", text["span"])
            if centered:
                w.line(f"r0 -= {text['span']} >> 1")
            offset, shift = _unless_zero(" + ", text["offset"]), _unless_zero(" >> ", text["shift"])
            w.line(f"_t[i] = r0 * {text['gain']}{offset}{shift}")
        w.line("logits_from_codes(_t, y)")


def _unless_zero(operation: str, operand: str) -> str:
    return "" if operand == "0" else operation + operand


def _common(numbers: IntArray) -> int | None:
    """The value that all have, if they do."""
    return int(numbers[0]) if (numbers == numbers[0]).all() else None


def _width(numbers: IntArray) -> int:
    """Bytes that every one of them fits, with its sign."""
    low, high = int(numbers.min()), int(numbers.max())
    return max((value if value >= 0 else ~value).bit_length() // 8 + 1 for value in (low, high))


def _numbers(numbers: Iterable[int], width: int) -> list[bytes]:
    """Little-endian, the sign bit inverted: ``_number`` then needs no more than its highest byte minus 128."""
    lift = 1 << 8 * width - 1
    return [(number + lift).to_bytes(width, "little") for number in numbers]


def _number(at: int, width: int) -> str:
    """The expression for a number of ``width`` bytes in w, ``at`` bytes after k: all of it small ints."""
    places = [f"w[k + {at + n}]" if at + n else "w[k]" for n in range(width)]
    parts = [place if n == 0 else f"{place} << {8 * n}" for n, place in enumerate(places[:-1])]
    highest = f"{places[-1]} - 128"
    return " | ".join([*parts, highest if width == 1 else f"{highest} << {8 * (width - 1)}"])
