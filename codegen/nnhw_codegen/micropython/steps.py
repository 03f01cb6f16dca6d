"""Saturation and activation as MicroPython statements: branchless, and small ints only."""

from __future__ import annotations

from collections.abc import Mapping

from nnhw_codegen.integers.expr import Operand, Register, Step, Table
from nnhw_codegen.integers.program import Dense, Program
from nnhw_codegen.writer import Writer

Steps = tuple[Step, ...]


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
                for step in layer.steps:
                    _step(w, step, program.tables)
                w.line(f"return {_operand(layer.result)}")
    return names


def finish(
    w: Writer, program: Program, layer: Dense, names: Mapping[Steps, str], clips: tuple[bool, bool], target: str
) -> None:
    """From z in r0 to the output: saturate below and above where ``clips`` says so, then the activation."""
    if clips[1]:
        select(w, "min", "r0", "r0", str(layer.limit))
    if clips[0]:
        select(w, "max", "r0", "r0", str(-layer.limit))
    if layer.steps in names:
        w.line(f"{target} = {names[layer.steps]}(r0)")
        return
    for step in layer.steps:
        _step(w, step, program.tables)
    w.line(f"{target} = {_operand(layer.result)}")


def _operand(operand: Operand) -> str:
    return f"r{operand.index}" if isinstance(operand, Register) else str(operand)


def _look(table: Table, number: int, index: str) -> str:
    if table.bits == 8:
        return f"_T{number}[{index}]"
    return f"_T{number}[2 * {index}] | _T{number}[2 * {index} + 1] << 8"


def _step(w: Writer, step: Step, tables: tuple[Table, ...]) -> None:
    target, a, b = _operand(step.target), _operand(step.a), _operand(step.b)
    if step.table is not None:
        w.line(f"{target} = {_look(step.table, tables.index(step.table), a)}")
    elif step.op in ("min", "max"):
        select(w, step.op, target, a, b)
    else:
        sign = {"add": "+", "sub": "-", "mul": "*", "shr": ">>"}[step.op]
        w.line(f"{target} = {a} {sign} {b}")
