"""Thumb code of a training instruction: the blocks that go once through vectors, unit by unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nnhw_codegen.integers.expr import Instruction, Register, Table
from nnhw_codegen.integers.program import Clips
from nnhw_codegen.learning.blocks import (
    BelowTopBlock,
    ClipBlock,
    CurveBlock,
    DeltaBlock,
    DoorwayBlock,
    ShareBlock,
    SlopeBlock,
    Vector,
)
from nnhw_codegen.thumb.activation import ActivationPrinter
from nnhw_codegen.thumb.learn_frame import DATA, SATURATED, StepCode


def doorway(code: StepCode, block: DoorwayBlock) -> None:
    """Ticks to codes.

    r0 walks along the ticks, which end at r10, r1 along the rows, r11 along the codes; r2 to r6 are a row: lowest tick,
    span, gain, offset and shift; r7 the tick, then the code.
    """
    again = code.new_label()
    code.room_high("r10", block.ticks.end, "r0")
    code.room_high("r11", block.codes.place, "r0")
    code.room("r0", block.ticks.place)
    code.file("r1", block.file)
    code.label(again)
    back = code.new_label()
    above = code.aside(back, "movs r7, r3")
    code("ldmia r0!, {r7}", "ldmia r1!, {r2-r6}", "subs r7, r7, r2", "asrs r2, r7, #31", "bics r7, r2")
    code("cmp r7, r3", f"bgt {above}")
    code.label(back)
    code("muls r7, r4", "adds r7, r7, r5", "asrs r7, r6", "mov r2, r11", "stmia r2!, {r7}", "mov r11, r2")
    code("cmp r0, r10", f"bne {again}")
    code.settle()


@dataclass(frozen=True)
class _Form:
    instructions: tuple[Instruction, ...]
    result: Register
    registers: int
    limit: int = SATURATED


class _FileActivationPrinter(ActivationPrinter):
    """Instructions on r1 whose tables lie in the file."""

    def __init__(self, code: StepCode, form: _Form, places: Mapping[Table, int], low: tuple[str, ...]) -> None:
        super().__init__(code, form, low, ("r12", "lr"))
        self._places = places

    def _address(self, table: Table) -> None:
        self._code.constant(self._scratch, self._places[table])
        self._code(f"add {self._scratch}, {DATA}")


def curve(code: StepCode, block: CurveBlock) -> None:
    """An activation, a derivative or the exponential.

    r0 (where the instructions need it, r11) walks along the values, which end at r10; r1 is the value and the result,
    r2 scratch, r3 to r7, and r0, other registers of the instructions, r12 and lr tables or constants.
    """
    form = _Form(block.instructions, block.register, block.registers)
    low = ("r2", "r3", "r4", "r5", "r6", "r7")
    # The value that a unit starts from is at r0, unless the instructions need that register too.
    crowded = form.registers > len(low)
    printer = _FileActivationPrinter(code, form, block.tables, (*low, "r0") if crowded else low)
    again = code.new_label()
    code.room_high("r10", block.source.end, "r0")
    code.room_high("r11", block.source.place, "r0")
    printer.load({}, [Clips(False, False)])
    code.pool()
    code.label(again)
    code(*["mov r0, r11"] * crowded, "ldr r1, [r0, #0]")
    printer.apply("r1", Clips(False, False))
    code(*["mov r0, r11"] * crowded)
    code.store("r1", "r0", block.result.place - block.source.place, "r2")
    code("adds r0, #4", *["mov r11, r0"] * crowded, "cmp r0, r10", f"bne {again}")


def clip(code: StepCode, block: ClipBlock) -> None:
    """Pre-activations within 16 bits; r3 is the value."""
    again = code.new_label()
    _vectors(code, block.z, block.result)
    code.label(again)
    code("ldmia r0!, {r3}")
    code.clip("r3", "r7")
    code("stmia r2!, {r3}", "cmp r0, r10", f"bne {again}")
    code.settle()


def _vectors(code: StepCode, source: Vector, result: Vector) -> None:
    """r0 the source, which ends at r10, r2 the result, r7 the largest number of 16 bits."""
    code.room_high("r10", source.end, "r0")
    code.room("r0", source.place)
    code.room("r2", result.place)
    code.constant("r7", SATURATED)


def below_top(code: StepCode, block: BelowTopBlock) -> None:
    """How far pre-activations lie below the largest, r1; r3 is the value."""
    search, again = code.new_label(), code.new_label()
    _vectors(code, block.z, block.result)
    code("ldr r1, [r0, #0]")
    code.label(search)
    lower = code.new_label()
    code("ldmia r0!, {r3}", "cmp r3, r1", f"ble {lower}", "movs r1, r3")
    code.label(lower)
    code("cmp r0, r10", f"bne {search}")
    code.move("r0", -4 * block.z.count, "r3")
    code.label(again)
    back = code.new_label()
    far = code.aside(back, "movs r3, r7")
    code("ldmia r0!, {r3}", "subs r3, r1, r3", "cmp r3, r7", f"bgt {far}")
    code.label(back)
    code("stmia r2!, {r3}", "cmp r0, r10", f"bne {again}")
    code.settle()


def share(code: StepCode, block: ShareBlock) -> None:
    """Exponentials to probabilities, with one division for all: r4 becomes 2^29 over their sum r1, which is above 2^14.

    r0 walks along the values, which end at r10; r2 is a value, then what its quotient r3 leaves, r5 half of the sum, r6
    scratch; in the division r3 is what is left of the dividend.
    """
    summing, again = code.new_label(), code.new_label()
    code.room_high("r10", block.values.end, "r0")
    code.room("r0", block.values.place)
    code("movs r1, #0")
    code.label(summing)
    code("ldmia r0!, {r3}", "adds r1, r1, r3", "cmp r0, r10", f"bne {summing}")
    code.constant("r3", 1 << 14)
    code("movs r4, #0")
    for _ in range(15):
        small = code.new_label()
        code("lsls r3, r3, #1", "cmp r3, r1", f"bcc {small}", "subs r3, r3, r1")
        code.label(small)
        code("adcs r4, r4")
    code("asrs r5, r1, #1")
    code.move("r0", -4 * block.values.count, "r3")
    code.label(again)
    enough = code.new_label()
    code("ldr r2, [r0, #0]", "movs r3, r4", "muls r3, r2", f"asrs r3, r3, #{29 - block.frac}")
    code(f"lsls r2, r2, #{block.frac}", "adds r2, r2, r5", "movs r6, r3", "muls r6, r1", "subs r2, r2, r6")
    # Too small by one at most.
    code("cmp r2, r1", f"blt {enough}", "adds r3, #1")
    code.label(enough)
    code("stmia r0!, {r3}", "cmp r0, r10", f"bne {again}")


def delta(code: StepCode, block: DeltaBlock) -> None:
    """Outputs less targets: r1 walks along the targets, r4 is one of them, r3 an output, then the delta."""
    again = code.new_label()
    _vectors(code, block.outputs, block.deltas)
    code.room("r1", block.targets.place)
    code.label(again)
    code("ldmia r0!, {r3}", "ldmia r1!, {r4}", "subs r3, r3, r4")
    code.clip("r3", "r7")
    code("stmia r2!, {r3}", "cmp r0, r10", f"bne {again}")
    code.settle()


def slope(code: StepCode, block: SlopeBlock) -> None:
    """Deltas times derivatives: r1 walks along the derivatives, r4 is one of them, r3 the delta, r5 half."""
    again = code.new_label()
    _vectors(code, block.deltas, block.deltas)
    code.room("r1", block.slopes.place)
    code.constant("r5", block.half)
    code.label(again)
    code("ldmia r0!, {r3}", "ldmia r1!, {r4}", "muls r3, r4", "adds r3, r3, r5", f"asrs r3, r3, #{block.shift}")
    code.clip("r3", "r7")
    code("stmia r2!, {r3}", "cmp r0, r10", f"bne {again}")
    code.settle()
