"""Saturation and activation as MicroPython statements: branchless, and small ints only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from nnhw_codegen.integers.expr import Operand, Register, Step, Table
from nnhw_codegen.integers.program import Clips, Dense, Program
from nnhw_codegen.writer import Writer

Steps = tuple[Step, ...]
Look = Callable[[Table, str], str]
"""The expression of a table's entry at an index."""

Choose = Callable[[Writer, str, str, str, str], None]
"""Prints min or max, as ``select`` does."""


def select(w: Writer, op: str, target: str, a: str, b: str) -> None:
    """min or max of a and b, both free of side effects; d & (d >> 31) is d where d < 0, else 0."""
    if op == "max" and b == "0":
        w.line(f"{target} = {a} & ~({a} >> 31)")
        return
    w.line(f"d = {a} - {b}")
    w.line(f"{target} = {b} + (d & (d >> 31))" if op == "min" else f"{target} = {a} - (d & (d >> 31))")


MOST_INLINE = 3
"""An activation of up to so many steps stands where it is used: a call takes as long as some ten of them."""


def functions(w: Writer, program: Program, least_calls: int) -> dict[Steps, str]:
    """Emit a function for each activation of many steps that ``least_calls`` layers or more share; their names."""
    names: dict[Steps, str] = {}
    for layer in program.layers:
        shared = sum(other.steps == layer.steps for other in program.layers) >= least_calls
        if shared and len(layer.steps) > MOST_INLINE and layer.steps not in names:
            names[layer.steps] = f"_f{len(names)}"
            with w.function(f"{names[layer.steps]}(r0)"):
                print_steps(w, layer.steps, partial(_look, program.tables))
                w.line(f"return {operand(layer.result)}")
    return names


def finish(w: Writer, program: Program, layer: Dense, names: Mapping[Steps, str], clips: Clips, target: str) -> None:
    """From z in r0 to the output: saturate below and above where ``clips`` says so, then the activation."""
    if clips.above:
        select(w, "min", "r0", "r0", str(layer.limit))
    if clips.below:
        select(w, "max", "r0", "r0", str(-layer.limit))
    if layer.steps in names:
        w.line(f"{target} = {names[layer.steps]}(r0)")
        return
    print_steps(w, layer.steps, partial(_look, program.tables))
    w.line(f"{target} = {operand(layer.result)}")


def operand(value: Operand) -> str:
    """A register or a constant as text."""
    return f"r{value.index}" if isinstance(value, Register) else str(value)


def _look(tables: tuple[Table, ...], table: Table, index: str) -> str:
    number = tables.index(table)
    if table.bits == 8:
        return f"_T{number}[{index}]"
    return f"_T{number}[2 * {index}] | _T{number}[2 * {index} + 1] << 8"


def print_steps(w: Writer, steps: Steps, look: Look, choose: Choose = select) -> None:
    """An activation's steps, one line or two each."""
    for step in steps:
        target, a, b = operand(step.target), operand(step.a), operand(step.b)
        if step.table is not None:
            w.line(f"{target} = {look(step.table, a)}")
        elif step.op in ("min", "max"):
            choose(w, step.op, target, a, b)
        else:
            sign = {"add": "+", "sub": "-", "mul": "*", "shr": ">>"}[step.op]
            w.line(f"{target} = {a} {sign} {b}")
