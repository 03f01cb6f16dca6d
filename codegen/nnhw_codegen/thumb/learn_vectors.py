"""Thumb code of a training step: the blocks that go once through vectors, unit by unit."""

from __future__ import annotations

from dataclasses import dataclass

from nnhw_codegen.integers.expr import Operand, Register, Step, Table
from nnhw_codegen.learning.board_program import Plan
from nnhw_codegen.thumb.learn_frame import DATA, SATURATED, StepCode
from nnhw_codegen.thumb.steps import Steps

_OPERATIONS = ("add", "sub", "mul", "shr", "min", "max", "look", "look")


def doorway(code: StepCode, plan: Plan, block: list[int], at: int) -> None:
    """Ticks to codes."""
    count, door, ticks, codes = block
    again = code.new_label()
    code.room_high("r10", ticks + count, "r0")
    code.room_high("r11", codes, "r0")
    code.room("r0", ticks)
    code.file("r1", door)
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
    steps: tuple[Step, ...]
    result: Register
    registers: int
    limit: int = SATURATED


class _FileSteps(Steps):
    """Steps on r1 whose tables lie in the file."""

    def __init__(self, code: StepCode, form: _Form, places: dict[Table, int], low: tuple[str, ...]) -> None:
        super().__init__(code, form, low, ("r12", "lr"))
        self._places = places

    def _address(self, table: Table) -> None:
        self._code.constant(self._scratch, self._places[table])
        self._code(f"add {self._scratch}, {DATA}")


def steps(code: StepCode, plan: Plan, block: list[int], at: int) -> None:
    """An activation, a derivative or the exponential."""
    units = block[1] >> 5
    found = [block[n : n + 4] for n in range(1, len(block), 4)]
    first = found[0]
    base = first[2] if first[0] & 8 else first[3]
    places: dict[Table, int] = {}

    def operand(place: int, varies: int) -> Operand:
        return Register((place - base) // units) if varies else int(plan.room[place])

    made = []
    for what, target, a, b in found:
        table, second = None, operand(b, what & 16) if what & 7 < 6 else 0
        if what & 6 == 6:
            table = _table(plan, b, 8 << (what & 1))
            places[table] = b
        to = Register((target - base) // units)
        made.append(Step(_OPERATIONS[what & 7], to, operand(a, what & 8), second, table))
    form = _Form(tuple(made), made[-1].target, 1 + max(step.target.index for step in made))
    low = ("r2", "r3", "r4", "r5", "r6", "r7")
    # The value that a unit starts from is at r0, unless the steps need that register too.
    crowded = form.registers > len(low)
    printer = _FileSteps(code, form, places, (*low, "r0") if crowded else low)
    again = code.new_label()
    code.room_high("r10", base + units, "r0")
    code.room_high("r11", base, "r0")
    printer.load({}, [(False, False)])
    code.pool()
    code.label(again)
    code(*["mov r0, r11"] * crowded, "ldr r1, [r0, #0]")
    printer.apply("r1", (False, False))
    code(*["mov r0, r11"] * crowded)
    code.store("r1", "r0", found[-1][1] - base, "r2")
    code("adds r0, #4", *["mov r11, r0"] * crowded, "cmp r0, r10", f"bne {again}")


def _table(plan: Plan, place: int, bits: int) -> Table:
    count = int.from_bytes(plan.data[place - 4 : place - 2], "little")
    starts = range(place, place + count * bits // 8, bits // 8)
    return Table(tuple(int.from_bytes(plan.data[n : n + bits // 8], "little") for n in starts), bits)


def clip(code: StepCode, plan: Plan, block: list[int], at: int) -> None:
    """Pre-activations within 16 bits."""
    units, z, result = block
    again = code.new_label()
    _vectors(code, units, z, result)
    code.label(again)
    code("ldmia r0!, {r3}")
    code.clip("r3", "r7")
    code("stmia r2!, {r3}", "cmp r0, r10", f"bne {again}")
    code.settle()


def _vectors(code: StepCode, units: int, source: int, result: int) -> None:
    """r0 the source, which ends at r10, r2 the result, r7 the largest number of 16 bits."""
    code.room_high("r10", source + units, "r0")
    code.room("r0", source)
    code.room("r2", result)
    code.constant("r7", SATURATED)


def below_top(code: StepCode, plan: Plan, block: list[int], at: int) -> None:
    """How far pre-activations lie below the largest."""
    units, z, result = block
    search, again = code.new_label(), code.new_label()
    _vectors(code, units, z, result)
    code("ldr r1, [r0, #0]")
    code.label(search)
    lower = code.new_label()
    code("ldmia r0!, {r3}", "cmp r3, r1", f"ble {lower}", "movs r1, r3")
    code.label(lower)
    code("cmp r0, r10", f"bne {search}")
    code.move("r0", -4 * units, "r3")
    code.label(again)
    back = code.new_label()
    far = code.aside(back, "movs r3, r7")
    code("ldmia r0!, {r3}", "subs r3, r1, r3", "cmp r3, r7", f"bgt {far}")
    code.label(back)
    code("stmia r2!, {r3}", "cmp r0, r10", f"bne {again}")
    code.settle()


def share(code: StepCode, plan: Plan, block: list[int], at: int) -> None:
    """Exponentials to probabilities, with one division for all: r4 becomes 2^29 over their sum, which is above 2^14."""
    units, first, frac = block
    summing, again = code.new_label(), code.new_label()
    code.room_high("r10", first + units, "r0")
    code.room("r0", first)
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
    code.move("r0", -4 * units, "r3")
    code.label(again)
    enough = code.new_label()
    code("ldr r2, [r0, #0]", "movs r3, r4", "muls r3, r2", f"asrs r3, r3, #{29 - frac}")
    code(f"lsls r2, r2, #{frac}", "adds r2, r2, r5", "movs r6, r3", "muls r6, r1", "subs r2, r2, r6")
    # Too small by one at most.
    code("cmp r2, r1", f"blt {enough}", "adds r3, #1")
    code.label(enough)
    code("stmia r0!, {r3}", "cmp r0, r10", f"bne {again}")


def delta(code: StepCode, plan: Plan, block: list[int], at: int) -> None:
    """Outputs less targets."""
    units, y, targets, result = block
    again = code.new_label()
    _vectors(code, units, y, result)
    code.room("r1", targets)
    code.label(again)
    code("ldmia r0!, {r3}", "ldmia r1!, {r4}", "subs r3, r3, r4")
    code.clip("r3", "r7")
    code("stmia r2!, {r3}", "cmp r0, r10", f"bne {again}")
    code.settle()


def slope(code: StepCode, plan: Plan, block: list[int], at: int) -> None:
    """Deltas times derivatives."""
    units, deltas, slopes, half, shift = block
    again = code.new_label()
    _vectors(code, units, deltas, deltas)
    code.room("r1", slopes)
    code.constant("r5", half)
    code.label(again)
    code("ldmia r0!, {r3}", "ldmia r1!, {r4}", "muls r3, r4", "adds r3, r3, r5", f"asrs r3, r3, #{shift}")
    code.clip("r3", "r7")
    code("stmia r2!, {r3}", "cmp r0, r10", f"bne {again}")
    code.settle()
