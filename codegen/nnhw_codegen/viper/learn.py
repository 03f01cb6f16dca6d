"""A training step of one model as a viper function: nnrun's program with all its numbers built in.

For machines of 32 bits and weights of 16 bits that keep a remainder each; nnrun's own kernels train everything else.
The function keeps x and r in registers; what is on the left of an operator is cheaper than what is on the right.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from nnhw_codegen.integers.expr import Instruction
from nnhw_codegen.learning import board_program
from nnhw_codegen.learning.blocks import (
    BackBlock,
    BelowTopBlock,
    Block,
    ClipBlock,
    CurveBlock,
    DeltaBlock,
    DenseBlock,
    DoorwayBlock,
    ShareBlock,
    SlopeBlock,
    UpdateBlock,
)
from nnhw_codegen.viper import statements
from nnhw_codegen.viper.learn_frame import advance, clip, pointer, terms
from nnhw_codegen.viper.learn_update import update
from nnhw_codegen.writer import Writer

_NAMES = statements.Names(first="r", other="v{}", entry="int(t{}[{}])")


def source(data: bytes, banner: str) -> bytes:
    """The module for a .nnt file; its ``run`` is the kernel that nnrun.learn takes. Raises board_program.UnsuitableError."""
    program = board_program.read_suitable(data)
    w = Writer()
    w.lines(f'"""{banner}"""', "", "import sys", "", "import micropython", "")
    w.lines("if sys.maxsize >> 31:", '    raise ImportError("this code is for machines of 32 bits")', "")
    w.lines(board_program.identity(data), "", "")
    w.line("@micropython.viper")
    with w.block("def run(x: ptr32, r: int, p: ptr32):"):
        w.line('"""The blocks of nnrun\'s program to program[1]; called as run(room, handle of data, program)."""')
        w.lines("room = int(x)", "data = r", "program = int(p)", "stop = p[1]", "m = 32767")
        for section in program.sections:
            for block in section.blocks:
                _PRINTERS[type(block)](w, block)
            if section.blocks and section is not program.learn:
                with w.block(f"if stop == {section.end}:"):
                    w.line("return")
    return w.text().encode()


def _doorway(w: Writer, block: DoorwayBlock) -> None:
    pointer(w, "x", block.ticks)
    for n, row in enumerate(block.rows):
        w.line(f"r = x[{n}] - {row.low}" if row.low >= 0 else f"r = x[{n}] + {-row.low}")
        with w.block("if r < 0:"):
            w.line("r = 0")
        with w.block(f"elif r > {row.span}:"):
            w.line(f"r = {row.span}")
        w.line(f"r = {row.gain} * r")
        w.line(f"r = r + {row.offset}" if row.offset >= 0 else f"r = r - {-row.offset}")
        w.line(f"x[{block.codes.place - block.ticks.place + n}] = r >> {row.shift}")


def _dense(w: Writer, block: DenseBlock) -> None:
    fan_in, guard, apart = block.inputs.count, block.guard, block.y.place - block.z.place
    pointer(w, "x", block.inputs)
    w.line("r = 0")
    # A weight plus 2^15 times x, shifted, is too large by x << (15 - guard) exactly.
    terms(w, fan_in, lambda n: f"r = x[{n}] + r", (("x", "ptr32", 4),))
    w.line(f"c = {block.constant} - (r << {15 - guard})")
    w.lines(f"w = ptr16(data + {block.weights})", f"b = ptr32(data + {block.biases})")
    pointer(w, "z", block.z)
    w.line(f"j = {block.z.count}")
    with w.block("while j:"):
        w.line(f"r = (b[0] + {block.bias_half} >> {block.bias_shift}) + c")
        terms(w, fan_in, lambda n: f"r = (w[{n}] * x[{n}] >> {guard}) + r", (("x", "ptr32", 4), ("w", "ptr16", 2)))
        w.line(f"r = r >> {block.shift}")
        if block.limit:
            clip(w)
        w.line("z[0] = r")
        if apart:
            if block.floor == 0:
                w.line("r = ~(r >> 31) & r")
            w.line(f"z[{apart}] = r")
        advance(w, "w", 2 * fan_in, "ptr16")
        advance(w, "b", 4)
        advance(w, "z", 4)
        w.line("j -= 1")


def _curve(w: Writer, block: CurveBlock) -> None:
    tables = sorted(block.tables, key=lambda table: block.tables[table])
    for n, table in enumerate(tables):
        w.line(f"t{n} = ptr{table.bits}(data + {block.tables[table]})")
    pointer(w, "x", block.source)
    w.line(f"j = {block.source.count}")
    with w.block("while j:"):
        w.line("r = x[0]")
        statements.print_instructions(w, map(_constant_first, block.instructions), tables, _NAMES, _branch)
        w.line(f"x[{block.result.place - block.source.place}] = {_NAMES.operand(block.register)}")
        advance(w, "x", 4)
        w.line("j -= 1")


def _constant_first(instruction: Instruction) -> Instruction:
    """The instruction with a constant factor on the left, where it takes a cycle less."""
    if instruction.op != "mul" or not isinstance(instruction.b, int):
        return instruction
    return replace(instruction, a=instruction.b, b=instruction.a)


def _branch(w: Writer, op: str, into: str, a: str, b: str) -> None:
    """min or max with a branch, which is faster; nothing asks that training take as long for all data."""
    if into == b:
        a, b = b, a
    if into != a:
        w.line(f"{into} = {a}")
    with w.block(f"if {into} {'>' if op == 'min' else '<'} {b}:"):
        w.line(f"{into} = {b}")


def _saturated(w: Writer, block: ClipBlock) -> None:
    pointer(w, "x", block.z)
    for n in range(block.z.count):
        w.line(f"r = x[{n}]")
        clip(w)
        w.line(f"x[{block.result.place - block.z.place + n}] = r")


def _below_top(w: Writer, block: BelowTopBlock) -> None:
    units = block.z.count
    pointer(w, "x", block.z)
    w.line("r = x[0]")
    for n in range(1, units):
        with w.block(f"if r < x[{n}]:"):
            w.line(f"r = x[{n}]")
    w.line("c = r")
    for n in range(units):
        w.line(f"r = c - x[{n}]")
        with w.block("if r > m:"):
            w.line("r = m")
        w.line(f"x[{block.result.place - block.z.place + n}] = r")


def _share(w: Writer, block: ShareBlock) -> None:
    units, frac = block.values.count, block.frac
    pointer(w, "x", block.values)
    w.line("r = x[0]")
    for n in range(1, units):
        w.line(f"r = x[{n}] + r")
    # One division for all: c becomes 2^29 over the sum, which is above 2^14.
    w.lines("e = r", "c = 0", "r = 16384", "i = 3")
    with w.block("while i:"):
        for _ in range(5):
            w.lines("r = (r << 1) - e", "c = (c << 1) + 1")
            with w.block("if r >> 31:"):
                w.lines("r = r + e", "c -= 1")
        w.line("i -= 1")
    w.line("h = e >> 1")
    for n in range(units):
        w.lines(f"r = c * x[{n}] >> {29 - frac}", f"i = (x[{n}] << {frac}) + h - r * e")
        # Too small by one at most.
        with w.block("if i >= e:"):
            w.line("r += 1")
        w.line(f"x[{n}] = r")


def _delta(w: Writer, block: DeltaBlock) -> None:
    first = block.outputs.place
    pointer(w, "x", block.outputs)
    for n in range(block.outputs.count):
        w.line(f"r = x[{n}] - x[{block.targets.place - first + n}]")
        clip(w)
        w.line(f"x[{block.deltas.place - first + n}] = r")


def _back(w: Writer, block: BackBlock) -> None:
    units, fan_in, guard = block.deltas.count, block.result.count, block.guard
    pointer(w, "x", block.deltas)
    w.line("r = 0")
    for n in range(units):
        w.line(f"r = x[{n}] + r")
    w.lines(f"c = {block.constant} - (r << {15 - guard})", f"w = ptr16(data + {block.weights})")
    pointer(w, "z", block.z)
    w.line(f"j = {fan_in}")
    with w.block("while j:"):
        w.line("r = z[0]")
        # Below the gate the derivative is 0; without one z never lies there.
        with w.block("if r >> 31:" if block.gate == 0 else f"if r < {block.gate}:"):
            w.line("r = 0")
        with w.block("else:"):
            w.line("r = c")
            for n in range(units):
                w.line(f"r = (w[{n * fan_in}] * x[{n}] >> {guard}) + r")
            w.line(f"r = r >> {block.shift}")
            clip(w)
        w.line(f"z[{block.result.place - block.z.place}] = r")
        advance(w, "w", 2, "ptr16")
        advance(w, "z", 4)
        w.line("j -= 1")


def _slope(w: Writer, block: SlopeBlock) -> None:
    apart = block.slopes.place - block.deltas.place
    pointer(w, "x", block.deltas)
    w.line(f"j = {block.deltas.count}")
    with w.block("while j:"):
        w.line(f"r = (x[0] * x[{apart}]) + {block.half} >> {block.shift}")
        clip(w)
        w.line("x[0] = r")
        advance(w, "x", 4)
        w.line("j -= 1")


_PRINTERS: dict[type[Block], Callable[[Writer, Any], None]] = {
    DoorwayBlock: _doorway,
    DenseBlock: _dense,
    CurveBlock: _curve,
    ClipBlock: _saturated,
    BelowTopBlock: _below_top,
    ShareBlock: _share,
    DeltaBlock: _delta,
    BackBlock: _back,
    SlopeBlock: _slope,
    UpdateBlock: update,
}
