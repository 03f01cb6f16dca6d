"""Straight-line viper: the weights are constants of the code, 7 cycles and 12 bytes per 8-bit weight that is not 0."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nnhw_codegen.integers.program import Dense, Program
from nnhw_codegen.viper import statements
from nnhw_codegen.writer import Writer

PART_WEIGHTS = 2560
"""A function with more weights than this is split: its machine code (30 KB) needs one free block of heap."""

INLINE_INSTRUCTIONS = 4
"""Activations with more instructions than this run in a loop behind the layer's sums instead of once per neuron."""

_LANE_BITS = 16

_LANE = statements.Sign(1 << (_LANE_BITS - 1))
"""Sums below 2^15 go two to a word, at 10 cycles for two weights."""

_LANE_INPUTS = 9
"""With fewer inputs, parting the two sums costs more than their common multiplications save."""

_REACH = 32  # words that a load or store reaches from a pointer with an offset in the instruction


class _Pointer:
    """A ptr32 local that follows the index it is used with: an offset below 32 words is free, others cost 2 cycles."""

    def __init__(self, w: Writer, name: str) -> None:
        self._w = w
        self.name = name
        self.base = 0

    def move(self, base: int) -> None:
        """Let the pointer stand at word ``base``."""
        if base != self.base:
            self._w.line(f"{self.name} = ptr32(int({self.name}){statements.plus(4 * (base - self.base))})")
            self.base = base

    def at(self, index: int) -> str:
        """The element ``index``, the pointer moved where it does not reach."""
        if not 0 <= index - self.base < _REACH:
            self.move(index // _REACH * _REACH)
        return f"{self.name}[{index - self.base}]"


@dataclass(frozen=True)
class _Part:
    """Neurons ``first`` to ``last`` - 1 of layer ``number``."""

    number: int
    first: int
    last: int


def emit(w: Writer, program: Program) -> None:
    """``_forward(x, a, t, h, y, tables)``: the class index; a is 1 for ticks in t, 0 for codes in x."""
    functions = list(_split(program))
    signature = f"x: ptr32, a: int, t: ptr32, h: ptr32, y: ptr32{statements.table_parameters(program)}"
    names = ["_forward"] if len(functions) == 1 else [f"_part{n}" for n in range(len(functions))]
    for name, function in zip(names, functions, strict=True):
        w.lines("", "", "@micropython.viper")
        with w.block(f"def {name}({signature}) -> int:"):
            _function(w, program, function)
    if len(functions) > 1:
        tables = "".join(f", table{n}" for n in range(len(program.tables)))
        with w.function(f"_forward(x, a, t, h, y{tables})"):
            for name, function in zip(names, functions, strict=True):
                first = function[0]
                source = (
                    "x, a" if first.number == 0 else f"h{statements.plus(4 * start(program, first.number - 1))}, 0"
                )
                into = f"h{statements.plus(4 * start(program, first.number))}"
                result = "return " if name == names[-1] else ""
                w.line(f"{result}{name}({source}, t, {into}, y{tables})")


def start(program: Program, number: int) -> int:
    """The word of the scratch memory at which the outputs of hidden layer ``number`` start; its size, for the last."""
    return sum(layer.units for layer in program.layers[:number])


def _split(program: Program) -> Iterator[list[_Part]]:
    """Group neurons into functions of at most PART_WEIGHTS weights; the last layer, which decides, stays whole."""
    current: list[_Part] = []
    used = 0
    for number, layer in enumerate(program.layers):
        weights = (layer.weights != 0).sum(axis=1).tolist()
        first = 0
        divisible = number + 1 < len(program.layers) and len(layer.instructions) <= INLINE_INSTRUCTIONS
        for unit, size in enumerate(weights if divisible else [sum(weights)]):
            if used and used + size > PART_WEIGHTS:
                if unit > first:
                    current.append(_Part(number, first, unit))
                yield current
                current, used, first = [], 0, unit
            used += size
        current.append(_Part(number, first, layer.units))
    yield current


def _function(w: Writer, program: Program, function: list[_Part]) -> None:
    x, h = _Pointer(w, "x"), _Pointer(w, "h")
    if function[0].number == 0 and function[0].first == 0:
        with w.block("if a:"):
            _doorway(w, program)
    origin = start(program, function[0].number)  # where h stands at the start
    mask = 0
    for part in function:
        layer = program.layers[part.number]
        last = part.number + 1 == len(program.layers)
        if part is not function[0]:
            h.move(start(program, part.number - 1) - origin)
            w.line("x = h")
            x.base = 0
        paired = _fits_lanes(layer)
        nonnegative = part.number > 0 and statements.outputs_are_nonnegative(program.layers[part.number - 1])
        sign = _LANE if paired else None if nonnegative else statements.sign_of(layer)
        if sign is not None and sign.mask != mask:
            statements.assign(w, "m", sign.mask)
            mask = sign.mask
        into, offset = (_Pointer(w, "y"), 0) if last else (h, start(program, part.number) - origin)
        looped = len(layer.instructions) > INLINE_INSTRUCTIONS
        for unit, total, lowered in _neurons(w, layer, part, x, sign):
            statements.finish(w, total, lowered, layer.clips(unit), layer.limit, layer.limit if looped else 0)
            if not looped:
                statements.activation(w, layer, program.tables)
            w.line(f"{into.at(offset + unit)} = a")
            if last and program.decision == "argmax" and unit == 0:
                w.lines("b = a", "k = 0")
            elif last:
                if unit == 0:
                    statements.decision_start(w, program)
                statements.decision_step(w, program, str(unit), last=unit + 1 == layer.units)
        if looped:
            into.move(offset)
            _activation_loop(w, program, layer, into.name)
    if function[-1].number + 1 == len(program.layers):
        statements.decision_end(w, program)
    else:
        w.line("return 0")


def _doorway(w: Writer, program: Program) -> None:
    x, t = _Pointer(w, "x"), _Pointer(w, "t")
    statements.tick_sign(w)
    for n, entry in enumerate(program.inputs):
        low, high = entry.low, entry.low + entry.span
        # A tick less an end of the range may pass 2^31. Half of it, less half of the end, may not, nor change the sign.
        w.lines(f"b = {statements.TICK.format(t.at(n))}", "n = b >> 1")
        w.line(
            f"a = (n{statements.plus(-(high + 1 >> 1))} >> 31 & (b{statements.plus(-high)})){statements.plus(high)}"
        )
        w.line(f"a = ((n{statements.plus(-(low + 1 >> 1))} >> 31) + 1) * (a{statements.plus(-low)})")
        shift = f" >> {entry.shift}" if entry.shift else ""
        w.line(f"{x.at(n)} = a * {entry.gain}{statements.plus(entry.offset)}{shift}")
    x.move(0)


def _term(load: str, magnitude: int) -> str:
    if magnitude == 1:
        return load
    if magnitude > 255 and magnitude & (magnitude - 1) == 0:
        return f"({load} << {magnitude.bit_length() - 1})"
    return f"{load} * {magnitude}"


def _sum(w: Writer, layer: Dense, unit: int, x: _Pointer, sign: statements.Sign | None) -> str:
    """Emit a neuron's sum but for its last addition; returns the expression of the shifted sum, lifted by ``sign``.

    The negative weights come first, as magnitudes: their sum is then subtracted from the bias at once, because
    ``a = a - new`` costs two moves more than ``a = new + a``.
    """
    row = layer.weights[unit].tolist()
    bias = int(layer.bias[unit]) + (sign.lift if sign is not None else 0)
    first, *others = [bias] if bias < 0 else statements.parts(bias)
    expression = ""
    for negative in (True, False):
        for i in _walk(row, x, negative):
            if expression:
                w.line(f"a = {expression}")
            end = " + a" if expression else ""
            expression = _term(x.at(i), abs(row[i])) + end
        if negative:
            if expression:
                w.line(f"a = {expression}")
            if expression or first or others:
                expression = f"{first} - a" if expression else str(first)
            for other in others:
                w.line(f"a = {expression}")
                expression = f"a + {other}"
    expression = expression or "0"
    if sign is not None:
        expression = f"({expression} & m)"
    elif " " in expression:
        expression = f"({expression})"
    shift = int(layer.shift[unit])
    return f"({expression} >> {shift})" if shift else expression


def _fits_lanes(layer: Dense) -> bool:
    """True where every sum of the layer, and its shift, fits the 16 bits of a lane, and lanes are cheaper."""
    bound = max(layer.high.max(), -layer.low.min())
    return bool(layer.fan_in >= _LANE_INPUTS and bound < _LANE.lift and (layer.shift < _LANE_BITS).all())


def _neurons(
    w: Writer, layer: Dense, part: _Part, x: _Pointer, sign: statements.Sign | None
) -> Iterator[tuple[int, str, int]]:
    """Emit the sums of a part's neurons; yields (unit, expression of the shifted sum, how far it is lifted)."""
    unit = part.first
    if sign is _LANE:
        for unit in range(part.first, part.last - 1, 2):
            _pair(w, layer, unit, x)
            for lane, expression in enumerate(("g & m", f"(g >> {_LANE_BITS}) + {_LANE.lift} & m")):
                shift = int(layer.shift[unit + lane])
                yield unit + lane, f"(({expression}) >> {shift})" if shift else f"({expression})", _LANE.lift >> shift
        unit = part.last - (part.last - part.first) % 2
    for single in range(unit, part.last):
        lowered = sign.lift >> int(layer.shift[single]) if sign is not None else 0
        yield single, _sum(w, layer, single, x, sign), lowered


def _pair(w: Writer, layer: Dense, unit: int, x: _Pointer) -> None:
    """Two sums with one multiplication per input: g = lifted sum of ``unit`` + 2^16 * sum of the next, modulo 2^32.

    The lower sum is proved to fit 16 bits, so once it is lifted nothing is carried into the upper one.
    """
    low, high = layer.weights[unit].tolist(), layer.weights[unit + 1].tolist()
    row = [a + (b << _LANE_BITS) for a, b in zip(low, high, strict=True)]
    bias = int(layer.bias[unit]) + _LANE.lift + (int(layer.bias[unit + 1]) << _LANE_BITS)
    expression = ""
    for i in _walk(row, x):
        if expression:
            w.line(f"a = {expression}")
        expression = f"{x.at(i)} * {row[i]}" + (" + a" if expression else "")
    if not expression:
        # The compiler would add up constants to one that is no small int, which viper cannot take.
        w.line("g = 0")
    w.line(f"g = {expression or 'g'}{statements.plus(bias)}")


def _walk(row: list[int], x: _Pointer, negative: bool | None = None) -> list[int]:
    """The inputs with a weight, of one sign where it is given, from the pointer's end of the row to the other."""
    found = [i for i, weight in enumerate(row) if weight and negative in (None, weight < 0)]
    blocks = sorted({i // _REACH for i in found}, reverse=x.base > 0)
    return [i for block in blocks for i in found if i // _REACH == block]


def _activation_loop(w: Writer, program: Program, layer: Dense, into: str) -> None:
    """z + limit is there, so that its load needs no sign."""
    w.line("j = 0")
    with w.block(f"while j < {layer.units}:"):
        w.line(f"a = {into}[j] - {layer.limit}")
        statements.activation(w, layer, program.tables)
        w.lines(f"{into}[j] = a", "j += 1")
