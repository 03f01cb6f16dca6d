"""Layers of the C emitter: multiply-accumulate in columns of one or two lanes, then shift, saturation, activation.

A column is a 32-bit accumulator. It holds one unit; or two, where every partial sum of the layer is proved to fit 16
bits: then one multiplication by the word ``high * 65536 + low`` of two weights does two multiply-accumulates.
Both keep within int32_t: every product and every sum of two lanes lies between -(2^31) and 2^31, as the lanes are
below 2^15. Signed sums also keep their order in the machine code, which armv6-M's few registers need.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnhw_codegen.integers.expr import Instruction, Operand, Register
from nnhw_codegen.integers.fixed import IntArray
from nnhw_codegen.integers.precision import PROOF_LIMIT
from nnhw_codegen.integers.program import Clips, Dense, Program
from nnhw_codegen.writer import Writer

LANE_LIMIT = 1 << 15

UNROLLED_COLUMNS = {1: 4, 2: 5}
"""Accumulators per pass of straight-line code, by lanes: what gcc keeps in the low registers of armv6-M."""

LOOP_COLUMNS = (4, 5, 3, 2)
"""Accumulators per pass of a loop; a layer takes the first of those that need the fewest multiplications."""

LOOP_INPUTS = 8
"""Inputs per turn of a loop."""


@dataclass(frozen=True, eq=False)
class Columns:
    """A layer as accumulators: ``weights`` (columns, fan_in) and ``bias`` (columns,) are words, ``lanes`` is 1 or 2.

    Lane 0, the low one, of column c is unit ``lanes * c``; the last lane of an odd number of units is empty.
    """

    weights: IntArray
    bias: IntArray
    lanes: int

    def __len__(self) -> int:
        return len(self.bias)


def columns(layer: Dense, live: NDArray[np.bool_] | None = None) -> Columns:
    """The accumulators of ``layer``, two lanes each where its bounds allow it; units not in ``live`` weigh nothing."""
    weights = layer.weights if live is None else layer.weights * live[:, None]
    if layer.units < 2 or max(int(layer.high.max()), -int(layer.low.min())) >= LANE_LIMIT:
        return Columns(weights, layer.bias, 1)
    odd = layer.units % 2
    weights, bias = np.pad(weights, ((0, odd), (0, 0))), np.pad(layer.bias, (0, odd))
    return Columns(weights[1::2] * 65536 + weights[::2], bias[1::2] * 65536 + bias[::2], 2)


def array(w: Writer, kind: str, name: str, values: Iterable[int]) -> None:
    """A constant array, sixteen values a line."""
    texts = [str(int(v)) + "u" * kind.startswith("u") for v in values]
    with w.block(f"static const {kind} {name}[{len(texts)}] = {{"):
        for start in range(0, len(texts), 16):
            w.line(", ".join(texts[start : start + 16]) + ",")
    w.line("};")


def _operand(value: Operand) -> str:
    return f"r{value.index}" if isinstance(value, Register) else f"({value})" if value < 0 else str(value)


def _instruction(instruction: Instruction, program: Program, prefix: str) -> str:
    into, a, b = _operand(instruction.into), _operand(instruction.a), _operand(instruction.b)
    if instruction.table is not None:
        return f"{into} = (int32_t){prefix}_table{program.tables.index(instruction.table)}[{a}];"
    if instruction.op in ("min", "max"):
        return f"{into} = {prefix}_{instruction.op}({a}, {b});"
    sign = {"add": "+", "sub": "-", "mul": "*", "shr": ">>"}[instruction.op]
    return f"{into} = {a} {sign} {b};"


def activations(w: Writer, program: Program, prefix: str) -> dict[tuple[Instruction, ...], str]:
    """Write one function per distinct activation; returns their names by instructions."""
    names: dict[tuple[Instruction, ...], str] = {}
    for layer in program.layers:
        if layer.instructions and layer.instructions not in names:
            names[layer.instructions] = f"{prefix}_activation{len(names)}"
            with w.braces(f"static inline int32_t {names[layer.instructions]}(int32_t r0)"):
                if layer.registers > 1:
                    w.line("int32_t " + ", ".join(f"r{n}" for n in range(1, layer.registers)) + ";")
                for instruction in layer.instructions:
                    w.line(_instruction(instruction, program, prefix))
                w.line(f"return {_operand(layer.result)};")
    return names


def _output(z: str, shift: str, clips: Clips, limit: int, activation: str, prefix: str) -> str:
    """The expression of a unit's output from its accumulator ``z``."""
    if shift != "0":
        z = f"{z} >> {shift}"
    if clips.above:
        z = f"{prefix}_min({z}, {limit})"
    if clips.below:
        z = f"{prefix}_max({z}, {-limit})"
    return f"{activation}({z})" if activation else z


def lanes(column: str, count: int, prefix: str) -> Iterator[str]:
    """The expression of each lane of an accumulator."""
    if count == 1:
        yield column
    else:
        yield f"{prefix}_low({column})"
        yield f"{prefix}_high({column})"


def live_units(layers: tuple[Dense, ...]) -> list[NDArray[np.bool_]]:
    """For the inputs, then for each layer: which of them reach an output through weights that are not zero."""
    live = [np.ones(layers[-1].units, dtype=bool)]
    for layer in reversed(layers):
        live.insert(0, np.asarray(layer.weights[live[0]].any(axis=0)))
    return live


def unrolled(
    w: Writer, layer: Dense, live: NDArray[np.bool_], source: str, into: str, activation: str, prefix: str
) -> None:
    """Statements ``into.format(unit, output)`` for the live units, from the variables ``source.format(input)``."""
    cols = columns(layer, live)
    width = UNROLLED_COLUMNS[cols.lanes]
    needed = [c for c in range(len(cols)) if live[cols.lanes * c : cols.lanes * (c + 1)].any()]
    for first in range(0, len(needed), width):
        group = list(enumerate(needed[first : first + width]))
        with w.braces(""):
            for k, c in group:
                w.line(f"int32_t a{k} = {int(cols.bias[c])};")
            for i in range(layer.fan_in):
                for k, c in group:
                    weight = int(cols.weights[c, i])
                    if weight:
                        sign = "-" if weight < 0 else "+"
                        w.line(f"a{k} {sign}= {_product(source.format(i), abs(weight), prefix)};")
            for k, c in group:
                for j, z in enumerate(lanes(f"a{k}", cols.lanes, prefix), cols.lanes * c):
                    if j < layer.units and live[j]:
                        shift = str(layer.shift[j])
                        w.line(into.format(j, _output(z, shift, layer.clips(j), layer.limit, activation, prefix)))


def _product(x: str, weight: int, prefix: str) -> str:
    if weight == 1:
        return x
    if weight & (weight - 1) == 0:
        return f"{x} * {weight}"
    return f"{x} * {prefix}_weight({weight})"


def loop(w: Writer, number: int, layer: Dense, weight_bits: int, x_limit: int, activation: str, prefix: str) -> None:
    """The function ``<prefix>_layer<number>(x, y)`` and the constants that it reads."""
    cols = columns(layer)
    width = min(LOOP_COLUMNS, key=lambda n: -(-len(cols) // n) * n)
    padding = -len(cols) % width
    weights = np.pad(cols.weights, ((0, padding), (0, 0)))
    kind, zero = _storage(layer, cols, weight_bits, x_limit)
    interleaved = (weights + zero).reshape(-1, width, layer.fan_in).transpose(0, 2, 1)
    names = [f"{prefix}_{what}{number}" for what in ("weights", "bias", "shift")]
    array(w, kind, names[0], interleaved.ravel())
    array(w, "int32_t", names[1], np.pad(cols.bias, (0, padding)))
    shift = str(layer.shift[0])
    if len(set(layer.shift.tolist())) > 1:
        array(w, "uint8_t", names[2], layer.shift)
        shift = f"{names[2]}[j]"
    with w.braces(f"static inline void {prefix}_layer{number}(const int32_t *x, int32_t *y)"):
        w.line(f"const {kind} *w = {names[0]};")
        w.line(f"int32_t z[{len(weights) * cols.lanes}];")
        w.line("size_t c, j;" if layer.fan_in < LOOP_INPUTS and not zero else "size_t c, i, j;")
        if zero:
            w.line("int32_t base = 0;")
            with w.braces(f"for (i = 0; i < {layer.fan_in}; i++)"):
                w.line("base += x[i];")
            w.line(f"base *= {zero}; /* weights are stored with {zero} added */")
        with w.braces(f"for (c = 0; c < {len(weights)}; c += {width})"):
            for k in range(width):
                w.line(f"int32_t a{k} = {names[1]}[c + {k}]{' - base' if zero else ''};")
            _multiply_accumulate(w, layer.fan_in, width)
            for k in range(width):
                for lane, z in enumerate(lanes(f"a{k}", cols.lanes, prefix)):
                    w.line(f"z[{cols.lanes} * c + {cols.lanes * k + lane}] = {z};")
        with w.braces(f"for (j = 0; j < {layer.units}; j++)"):
            w.line(f"y[j] = {_output('z[j]', shift, layer.any_clips, layer.limit, activation, prefix)};")


def _storage(layer: Dense, cols: Columns, weight_bits: int, x_limit: int) -> tuple[str, int]:
    """The type of stored weights and what is added to them: bytes load faster without a sign, where sums allow it."""
    if cols.lanes == 2:
        return "int32_t", 0
    if weight_bits == 8 and layer.fan_in * x_limit * (255 + 128) + PROOF_LIMIT < 1 << 31:
        return "uint8_t", 128
    return f"int{weight_bits}_t", 0


def _multiply_accumulate(w: Writer, fan_in: int, width: int) -> None:
    def inputs(base: str, count: int) -> None:
        for i in range(count):
            w.line(f"v = x[{base}{i}];")
            for k in range(width):
                w.line(f"a{k} += w[{i * width + k}] * v;")
        w.line(f"w += {count * width};")

    turns = fan_in // LOOP_INPUTS * LOOP_INPUTS
    w.line("int32_t v;")
    if turns:
        with w.braces(f"for (i = 0; i < {turns}; i += {LOOP_INPUTS})"):
            inputs("i + ", LOOP_INPUTS)
    if fan_in > turns:
        inputs(f"{turns} + ", fan_in - turns)
