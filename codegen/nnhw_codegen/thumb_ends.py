"""Thumb: doorway before the layers, decision behind them (portable twins: emit_micropython, micropython_api).

Both take the same time for every input.
"""

from __future__ import annotations

import numpy as np

from nnhw_codegen.program import Program
from nnhw_codegen.qmodel import QInput
from nnhw_codegen.thumb_assembler import Assembler
from nnhw_codegen.thumb_layer import OUTPUT

STRAIGHT_INPUTS = 128
STRAIGHT_CLASSES = 16


def doorway(code: Assembler, data: Assembler, program: Program, loop: bool) -> None:
    """Ticks at r4 -> codes at r0.

    ``u - span`` is as good as ``u`` (it lies in -span..0), one instruction shorter, and moves into the offset.
    """
    inputs = program.inputs
    if loop or len(inputs) > STRAIGHT_INPUTS:
        _looped(code, data, inputs)
        return
    scales = [(entry.gain, _offset(entry)) for entry in inputs]
    shared = len(set(scales)) == 1
    if shared:
        code.constant("r6", scales[0][0])
        code.constant("r7", scales[0][1])
    else:
        code.address("r2", "doorway")
        data.data("doorway", np.array(scales, dtype="<i4").tobytes())
    for start in range(0, len(inputs), 3):
        _three(code, inputs[start : start + 3], shared)


def _offset(entry: QInput) -> int:
    return entry.offset + entry.span * entry.gain


def _three(code: Assembler, inputs: tuple[QInput, ...], shared: bool) -> None:
    """Up to three inputs: r4 ticks, r0 codes, r1 r3 r5 values, r6 gain, r7 offset.

    r2 points to gains and offsets, and r6 is scratch before it takes a gain. Where all inputs share them, they stay,
    and r2 is scratch.
    """
    scratch = "r2" if shared else "r6"
    values = ("r1", "r3", "r5")[: len(inputs)]
    listed = "{" + ", ".join(values) + "}"
    code(f"ldmia r4!, {listed}")
    for value, entry in zip(values, inputs, strict=True):
        _subtract(code, value, entry.low, scratch)
        code(f"asrs {scratch}, {value}, #31", f"bics {value}, {scratch}")
        _subtract(code, value, entry.span, scratch)
        code(f"asrs {scratch}, {value}, #31", f"ands {value}, {scratch}")
        if not shared:
            code("ldmia r2!, {r6, r7}")
        code(f"muls {value}, r6", f"adds {value}, {value}, r7")
        if entry.shift:
            code(f"asrs {value}, {value}, #{entry.shift}")
    code(f"stmia r0!, {listed}")


def _subtract(code: Assembler, register: str, value: int, scratch: str) -> None:
    if 0 < abs(value) <= 255:
        code(f"{'subs' if value > 0 else 'adds'} {register}, #{abs(value)}")
    elif value:
        code.constant(scratch, value)
        code(f"subs {register}, {register}, {scratch}")


def _looped(code: Assembler, data: Assembler, inputs: tuple[QInput, ...]) -> None:
    """r4 ticks, r0 codes, r2 rows of constants, r1 value, r3 r5 r6 r7 a row, r12 end."""
    code.constant("r1", 4 * len(inputs))
    code("adds r1, r1, r0", "mov r12, r1")
    code.address("r2", "doorway")
    code.label("doorway.again")
    code(
        "ldmia r4!, {r1}",
        "ldmia r2!, {r3, r5, r6, r7}",
        "subs r1, r1, r3", "asrs r3, r1, #31", "bics r1, r3",
        "subs r1, r1, r5", "asrs r3, r1, #31", "ands r1, r3",
        "muls r1, r6",
        "adds r1, r1, r7",
        "ldmia r2!, {r3}", "asrs r1, r3",
        "stmia r0!, {r1}",
        "cmp r0, r12",
        "bne doorway.again",
    )  # fmt: skip
    rows = [(entry.low, entry.span, entry.gain, _offset(entry), entry.shift) for entry in inputs]
    data.data("doorway", np.array(rows, dtype="<i4").tobytes())


def decision(code: Assembler, program: Program) -> None:
    """Outputs -> r0: the index of the first of the largest, 1 where the only one is above 0; of values nothing."""
    units = program.layers[-1].units
    if program.decision == "threshold":
        code(f"ldr r0, [sp, #{OUTPUT}]", "ldr r0, [r0, #0]", "rsbs r0, r0, #0", "lsrs r0, r0, #31")
    elif program.decision == "argmax":
        # r0 outputs, then answer; r1 largest, r2 its index, r3 index, r4 to r6 scratch, r7 number of classes
        code(f"ldr r0, [sp, #{OUTPUT}]", "ldmia r0!, {r1}", "movs r2, #0", "movs r3, #1")
        if units <= STRAIGHT_CLASSES:
            for _ in range(1, units):
                _compare(code)
        else:
            code.constant("r7", units)
            code.label("decision.again")
            _compare(code)
            code("cmp r3, r7")
            code("bne decision.again")
        code("movs r0, r2")


def _compare(code: Assembler) -> None:
    code(
        "ldmia r0!, {r4}",
        "subs r4, r1, r4", "asrs r5, r4, #31",  # r5: all ones where the output is larger
        "ands r4, r5", "subs r1, r1, r4",
        "subs r6, r3, r2", "ands r6, r5", "adds r2, r2, r6",
        "adds r3, #1",
    )  # fmt: skip
