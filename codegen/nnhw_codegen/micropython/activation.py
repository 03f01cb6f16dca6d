"""Saturation and activation as MicroPython statements: branchless, and small ints only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from nnhw_codegen.integers.expr import Instruction, Operand, Register, Table
from nnhw_codegen.integers.program import Clips, Dense, Program
from nnhw_codegen.writer import Writer

Instructions = tuple[Instruction, ...]
Look = Callable[[Table, str], str]
"""The expression of a table's entry at an index."""

Choose = Callable[[Writer, str, str, str, str], None]
"""Prints min or max, as ``select`` does."""


def select(w: Writer, op: str, into: str, a: str, b: str) -> None:
    """min or max of a and b, both free of side effects; d & (d >> 31) is d where d < 0, else 0."""
    if op == "max" and b == "0":
        w.line(f"{into} = {a} & ~({a} >> 31)")
        return
    w.line(f"d = {a} - {b}")
    w.line(f"{into} = {b} + (d & (d >> 31))" if op == "min" else f"{into} = {a} - (d & (d >> 31))")


MOST_INLINE = 3
"""An activation of up to so many instructions stands where it is used: a call takes as long as some ten of them."""


def functions(w: Writer, program: Program, least_calls: int) -> dict[Instructions, str]:
    """Emit a function for each activation of many instructions that ``least_calls`` layers or more share; their names."""
    names: dict[Instructions, str] = {}
    for layer in program.layers:
        shared = sum(other.instructions == layer.instructions for other in program.layers) >= least_calls
        if shared and len(layer.instructions) > MOST_INLINE and layer.instructions not in names:
            names[layer.instructions] = f"_f{len(names)}"
            with w.function(f"{names[layer.instructions]}(r0)"):
                print_instructions(w, layer.instructions, partial(_look, program.tables))
                w.line(f"return {operand(layer.result)}")
    return names


def finish(
    w: Writer, program: Program, layer: Dense, names: Mapping[Instructions, str], clips: Clips, into: str
) -> None:
    """From z in r0 to the output: saturate below and above where ``clips`` says so, then the activation."""
    if clips.above:
        select(w, "min", "r0", "r0", str(layer.limit))
    if clips.below:
        select(w, "max", "r0", "r0", str(-layer.limit))
    if layer.instructions in names:
        w.line(f"{into} = {names[layer.instructions]}(r0)")
        return
    print_instructions(w, layer.instructions, partial(_look, program.tables))
    w.line(f"{into} = {operand(layer.result)}")


def operand(value: Operand) -> str:
    """A register or a constant as text."""
    return f"r{value.index}" if isinstance(value, Register) else str(value)


def _look(tables: tuple[Table, ...], table: Table, index: str) -> str:
    number = tables.index(table)
    if table.bits == 8:
        return f"_T{number}[{index}]"
    return f"_T{number}[2 * {index}] | _T{number}[2 * {index} + 1] << 8"


def print_instructions(w: Writer, instructions: Instructions, look: Look, choose: Choose = select) -> None:
    """An activation's instructions, one line or two each."""
    for instruction in instructions:
        into, a, b = operand(instruction.into), operand(instruction.a), operand(instruction.b)
        if instruction.table is not None:
            w.line(f"{into} = {look(instruction.table, a)}")
        elif instruction.op in ("min", "max"):
            choose(w, instruction.op, into, a, b)
        else:
            sign = {"add": "+", "sub": "-", "mul": "*", "shr": ">>"}[instruction.op]
            w.line(f"{into} = {a} {sign} {b}")
