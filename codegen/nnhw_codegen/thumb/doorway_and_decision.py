"""Thumb: doorway before the layers, decision behind them (portable twins: micropython.emitter, interface).

Both take the same time for every input.
"""

from __future__ import annotations

import numpy as np

from nnhw_codegen.integers.program import Program
from nnhw_codegen.integers.qmodel import QInput
from nnhw_codegen.thumb.assembler import Assembler
from nnhw_codegen.thumb.frame import OUTPUT

STRAIGHT_INPUTS = 128
STRAIGHT_CLASSES = 16
_LIFT = 1 << 31


def doorway(code: Assembler, data: Assembler, program: Program, loop: bool) -> None:
    """Ticks at r4 -> codes at r0, with 2^31 in lr.

    ``u - span``, in -span..0, is as good as ``u`` and often an instruction shorter.
    """
    inputs = program.inputs
    looped = loop or len(inputs) > STRAIGHT_INPUTS
    if looped or any(entry.low for entry in inputs):
        code("movs r1, #1", "lsls r1, r1, #31", "mov lr, r1")
    if looped:
        _looped(code, data, inputs)
        return
    bits = 8 if all(-128 <= end <= 127 for entry in inputs for end in entry.code_range) else 16
    if all((entry.span + 1) * bits // 8 <= 255 for entry in inputs):
        _tabled(code, data, inputs, bits)
    else:
        _multiplied(code, data, inputs)


def _offset(entry: QInput) -> int:
    return entry.offset + entry.span * entry.gain


def _codes(entry: QInput) -> list[int]:
    """The code of every ``u`` from 0 to the span."""
    return [(u * entry.gain + entry.offset) >> entry.shift for u in range(entry.span + 1)]


def _groups(inputs: tuple[QInput, ...], size: int) -> list[tuple[QInput, ...]]:
    return [inputs[start : start + size] for start in range(0, len(inputs), size)]


def _tabled(code: Assembler, data: Assembler, inputs: tuple[QInput, ...], bits: int) -> None:
    """Short ranges, a code per tick: r4 ticks, r0 codes, r1 r3 r5 r6 values, r7 scratch, r2 last code of an input."""
    size = bits // 8
    data.data("doorway", b"".join(np.array(_codes(entry), dtype=f"<i{size}").tobytes() for entry in inputs))
    code.address("r2", "doorway", inputs[0].span * size)
    for number, group in enumerate(_groups(inputs, 4)):
        values = ("r1", "r3", "r5", "r6")[: len(group)]
        listed = "{" + ", ".join(values) + "}"
        code(f"ldmia r4!, {listed}")
        for value, entry in zip(values, group, strict=True):
            if number or value != "r1":
                code(f"adds r2, #{(entry.span + 1) * size}")
            _clamp(code, value, entry, "r7")
            if bits == 16:
                code(f"lsls {value}, {value}, #1")
            code(f"{'ldrsb' if bits == 8 else 'ldrsh'} {value}, [r2, {value}]")
        code(f"stmia r0!, {listed}")


def _multiplied(code: Assembler, data: Assembler, inputs: tuple[QInput, ...]) -> None:
    """Long ranges: r4 ticks, r0 codes, r1 r3 r5 values, r2 gains and offsets, r6 scratch, then gain, r7 offset."""
    code.address("r2", "doorway")
    for group in _groups(inputs, 3):
        values = ("r1", "r3", "r5")[: len(group)]
        listed = "{" + ", ".join(values) + "}"
        code(f"ldmia r4!, {listed}")
        for value, entry in zip(values, group, strict=True):
            _clamp(code, value, entry, "r6")
            code("ldmia r2!, {r6, r7}", f"muls {value}, r6", f"adds {value}, {value}, r7")
            if entry.shift:
                code(f"asrs {value}, {value}, #{entry.shift}")
        code(f"stmia r0!, {listed}")
    data.data("doorway", np.array([(entry.gain, _offset(entry)) for entry in inputs], dtype="<i4").tobytes())


def _clamp(code: Assembler, value: str, entry: QInput, scratch: str) -> None:
    """A tick becomes u - span. Its difference from low may pass 2^31: with 2^31 added to both, it is a borrow that tells."""
    if entry.low:
        code.constant(scratch, entry.low + _LIFT)
        code(f"add {value}, lr", f"subs {value}, {value}, {scratch}", f"sbcs {scratch}, {scratch}")
    else:
        code(f"asrs {scratch}, {value}, #31")
    code(f"bics {value}, {scratch}")
    if entry.span <= 255:
        code(f"subs {value}, #{entry.span}")
    else:
        code.constant(scratch, entry.span)
        code(f"subs {value}, {value}, {scratch}")
    code(f"sbcs {scratch}, {scratch}", f"ands {value}, {scratch}")


def _looped(code: Assembler, data: Assembler, inputs: tuple[QInput, ...]) -> None:
    """r4 ticks, r0 codes, r2 rows of constants (low lifted as in ``_clamp``, offset of u - span), r1 value, r3 r5 r6 r7
    a row, r12 end; inputs that are alike share one."""
    rows = [(entry.low + _LIFT, entry.span, entry.gain, _offset(entry), entry.shift) for entry in inputs]
    shared = len(set(rows)) == 1
    if shared:
        rows = rows[:1]
    code.constant("r1", 4 * len(inputs))
    code("adds r1, r1, r0", "mov r12, r1")
    code.address("r2", "doorway")
    code.label("doorway.again")
    code(
        "ldmia r4!, {r1}",
        "ldmia r2!, {r3, r5, r6, r7}",
        "add r1, lr", "subs r1, r1, r3", "sbcs r3, r3", "bics r1, r3",
        "subs r1, r1, r5", "sbcs r3, r3", "ands r1, r3",
        "muls r1, r6",
        "adds r1, r1, r7",
        "ldmia r2!, {r3}", "asrs r1, r3",
        *(("subs r2, #20",) if shared else ()),
        "stmia r0!, {r1}",
        "cmp r0, r12",
        "bne doorway.again",
    )  # fmt: skip
    data.data("doorway", (np.array(rows) & 0xFFFFFFFF).astype("<u4").tobytes())


def decision(code: Assembler, program: Program) -> None:
    """Outputs -> r0: the index of the first of the largest, a bit for each above 0, the first lowest; of values nothing."""
    units = program.layers[-1].units
    if program.decision == "threshold":
        code(f"ldr r0, [sp, #{OUTPUT}]", "ldr r0, [r0, #0]", "rsbs r0, r0, #0", "lsrs r0, r0, #31")
    elif program.decision == "multilabel":
        # r0 outputs, r1 an output, r2 answers; the sign of the negated output goes through the carry
        code(f"ldr r0, [sp, #{OUTPUT}]", "movs r2, #0")
        for unit in reversed(range(units)):
            code(f"ldr r1, [r0, #{4 * unit}]", "rsbs r1, r1, #0", "lsls r1, r1, #1", "adcs r2, r2")
        code("movs r0, r2")
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
