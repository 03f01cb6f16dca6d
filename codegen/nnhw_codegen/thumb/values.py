"""Thumb: raw values to ticks, in integers of each value's float32 (SPEC 3.1; portable twin: micropython.values)."""

from __future__ import annotations

import numpy as np

from nnhw_codegen.integers.program import Program
from nnhw_codegen.thumb.assembler import Assembler


def entry(code: Assembler, data: Assembler, program: Program) -> None:
    """A function: float32 words at r0 -> ticks at r1; r0 comes back as 0, or as 1 where a value is not a number.

    r2 row, r3 value, r4 and r5 the row: upper and, where one is not 0, lower bits of R, then the last exponent;
    r6 upper half of the mantissa, then tick, r7 lower half, then exponent, r12 the mantissa's leading bit, lr end.
    """
    steps = [item.reciprocal for item in program.inputs]
    short = not any(step.low for step in steps)
    rows = [(step.high, step.last) if short else (step.high, step.low, step.last) for step in steps]
    if len(set(rows)) == 1:
        rows = rows[:1]
    data.data("steps", np.array(rows, dtype="<i4").tobytes())
    code.label("values")
    code("push {r4-r7, lr}", "mov r7, r8", "push {r7}")
    code.constant("r3", 4 * len(steps))
    code("adds r3, r3, r0", "mov lr, r3", "movs r3, #8", "lsls r3, r3, #8", "mov r12, r3")
    code.address("r2", "steps")
    code.pool()
    code.label("values.again")
    code("ldmia r0!, {r3}", "ldmia r2!, {r4, r5}", "lsls r6, r3, #9", "lsrs r6, r6, #21", "add r6, r12")
    _product(code, short)
    if len(rows) == 1:
        code(f"subs r2, #{4 * len(rows[0])}")
    code("lsls r7, r3, #1", "lsrs r7, r7, #24", "subs r5, r5, r7", "blt values.far")
    code("asrs r6, r5", "adds r6, #1", "asrs r6, r6, #1", "lsrs r5, r6, #28", "bne values.limit")
    code.label("values.signed")
    code("eors r6, r4", "subs r6, r6, r4", "stmia r1!, {r6}", "cmp r0, lr", "bne values.again")
    code("movs r0, #0")
    code.label("values.leave")
    code("pop {r7}", "mov r8, r7", "pop {r4-r7, pc}")
    code.label("values.far")
    code("cmp r7, #255", "bne values.limit", "lsls r3, r3, #9", "beq values.limit", "movs r0, #1", "b values.leave")
    code.label("values.limit")
    code("movs r6, #1", "lsls r6, r6, #28", "subs r6, #1", "b values.signed")


def _product(code: Assembler, short: bool) -> None:
    """The product of mantissa and R, less 1 for a negative value, shifted by 20 bits, to r6; r4 is -1 for such a value."""
    if short:
        code("muls r6, r4", "lsls r6, r6, #5")
        code("lsls r7, r3, #20", "lsrs r7, r7, #20", "muls r7, r4")
        code("asrs r4, r3, #31", "adds r7, r7, r4", "asrs r7, r7, #7", "adds r6, r6, r7")
        return
    code("movs r7, r6", "muls r7, r5", "mov r8, r7", "muls r6, r4", "lsls r6, r6, #5")
    code("lsls r7, r3, #20", "lsrs r7, r7, #20", "muls r5, r7", "muls r7, r4", "lsls r7, r7, #1")
    code("asrs r4, r3, #31", "adds r5, r5, r4", "asrs r5, r5, #12", "adds r7, r7, r5", "add r7, r8")
    code("asrs r7, r7, #8", "adds r6, r6, r7", "ldmia r2!, {r5}")
