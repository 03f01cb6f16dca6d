"""Thumb code of a training step: the sums of products of the forward and the backward pass.

Weights are unsigned, the weight plus 2^15: each product, shifted, is then too large by its value << (15 - guard) exactly,
which one constant takes back. Four values at a time are loaded; of a vector no longer than that they stay in registers.
"""

from __future__ import annotations

from nnhw_codegen.learning.board_program import Plan
from nnhw_codegen.thumb.learn_frame import CONSTANT, END, SATURATED, StepCode

_VALUES = ("r4", "r5", "r6", "r7")
_GROUP = len(_VALUES)
_UNROLL = 16


class _Sum:
    """r2 += the products of the vector at r0 and of weights from r1 on, ``stride`` bytes apart.

    r3 is scratch. Where the vector is long, lr is its end; where the stride is, r10 holds it.
    """

    def __init__(self, code: StepCode, place: int, count: int, stride: int, guard: int) -> None:
        self._code, self._place, self.count, self._stride, self._guard = code, place, count, stride, guard
        self.resident = count <= _GROUP
        self.scratch = "r0" if self.resident else _VALUES[-1]
        self.limit = "r0" if count == _GROUP else _VALUES[-1]
        self._turns, self._rest = divmod(count, _UNROLL) if count > 2 * _UNROLL else (0, count)
        spare = [r for r, taken in (("r10", stride > 62), ("lr", self._turns > 0)) if not taken]
        self._constant = spare.pop() if len(spare) > 1 else CONSTANT
        self._end = spare.pop() if spare else END

    def prepare(self, constant: int, end: int) -> None:
        """Put in place what all units share; ``end`` is where in room a loop over them ends."""
        code = self._code
        code.room("r0", self._place)
        code("movs r2, #0")
        if self._turns:
            code.room_high("lr", self._place + _UNROLL * self._turns, "r3")
            again = code.new_label()
            code.label(again)
            self._total(_UNROLL)
            code("cmp r0, lr", f"bne {again}")
        self._total(self._rest)
        code.constant("r3", constant)
        code(f"lsls r2, r2, #{15 - self._guard}", "subs r3, r3, r2")
        self._keep(self._constant)
        code.room("r3", end)
        self._keep(self._end)
        if self._stride > 62:
            code.constant("r3", self._stride)
            code("mov r10, r3")
        if not self.resident:
            code.move("r0", -4 * self.count, "r3")

    def _keep(self, where: str) -> None:
        self._code(f"mov {where}, r3" if where[0] != "[" else f"str r3, {where}")

    def _total(self, count: int) -> None:
        for first in range(0, count, _GROUP):
            group = _VALUES[: count - first]
            self._code(f"ldmia r0!, {{{', '.join(group)}}}", *(f"adds r2, r2, {value}" for value in group))

    def keeps_limit(self, words: int) -> bool:
        """True where ``limit`` is free in the whole loop, if each result is stored so many words from its z."""
        return self.resident and (self.limit != self.scratch or words < 32)

    def add_constant(self) -> None:
        """Add what ``prepare`` made of the constant."""
        if self._constant[0] != "[":
            self._code(f"add r2, {self._constant}")
        else:
            self._code(f"ldr r3, {self._constant}", "adds r2, r2, r3")

    def loop(self, label: str) -> None:
        """Back to the label, unless r3 is at the end."""
        if self._end[0] != "[":
            self._code(f"cmp r3, {self._end}")
        else:
            self._code(f"ldr r4, {self._end}", "cmp r3, r4")
        self._code(f"bne {label}")

    def add_products(self) -> int:
        """The sum itself; r0 is left as it was. How many bytes r1 has moved."""
        code, moved = self._code, 0
        if self._turns:
            again = code.new_label()
            code.label(again)
            self._advance(_UNROLL * self._stride - self._terms(_UNROLL))
            code("cmp r0, lr", f"bne {again}")
            moved = _UNROLL * self._turns * self._stride
        moved += self._terms(self._rest)
        if not self.resident:
            code.move("r0", -4 * self.count, "r3")
        return moved

    def _advance(self, distance: int) -> None:
        if self._stride > 62:
            self._code(*["add r1, r10"] * (distance // self._stride))
        else:
            self._code.move("r1", distance, "r3")

    def _terms(self, count: int) -> int:
        moved = 0
        for n in range(count):
            if not self.resident and n % _GROUP == 0:
                self._code(f"ldmia r0!, {{{', '.join(_VALUES[: count - n])}}}")
            if n * self._stride - moved > 62:
                self._advance(n * self._stride - moved)
                moved = n * self._stride
            self._code(f"ldrh r3, [r1, #{n * self._stride - moved}]", f"muls r3, {_VALUES[n % _GROUP]}")
            if self._guard:
                self._code(f"asrs r3, r3, #{self._guard}")
            self._code("adds r2, r2, r3")
        return moved


def dense(code: StepCode, plan: Plan, block: list[int], at: int) -> None:
    """The forward pass of a layer, with a plain relu; r11 walks along z, r12 along the biases."""
    units, fan_in, x, z, y, weights, bias, guard, bias_shift, _, constant, shift, limit, floor = block
    products = _Sum(code, x, fan_in, 2, guard)
    products.prepare(constant, z + units)
    code.file("r1", bias)
    code("mov r12, r1")
    code.file("r1", weights)
    code.room_high("r11", z, "r3")
    keeps_limit = products.keeps_limit(y - z)
    if limit and keeps_limit:
        code.constant(products.limit, limit)
    again = code.new_label()
    code.pool()
    code.label(again)
    code("mov r3, r12", "ldmia r3!, {r2}", "mov r12, r3")
    _round(code, bias_shift)
    products.add_constant()
    moved = products.add_products()
    code.move("r1", 2 * fan_in - moved, "r3")
    if shift:
        code(f"asrs r2, r2, #{shift}")
    if limit:
        if not keeps_limit:
            code.constant(products.limit, limit)
        code.clip("r2", products.limit)
    code("mov r3, r11", "str r2, [r3, #0]")
    if y != z:
        if floor == 0:
            positive = code.new_label()
            code("cmp r2, #0", f"bge {positive}", "movs r2, #0")
            code.label(positive)
        code.store("r2", "r3", y - z, products.scratch)
    code("adds r3, #4", "mov r11, r3")
    products.loop(again)
    code.settle()


def _round(code: StepCode, shift: int) -> None:
    """r2 = (r2 + half) >> shift."""
    if shift > 1:
        code(f"asrs r2, r2, #{shift - 1}")
    if shift:
        code("adds r2, #1", "asrs r2, r2, #1")


def back(code: StepCode, plan: Plan, block: list[int], at: int) -> None:
    """Deltas through a layer to the one below; r11 walks along its z, r12 along the first row of weights."""
    units, fan_in, d, result, weights, guard, constant, shift, z, gate = block
    products = _Sum(code, d, units, 2 * fan_in, guard)
    products.prepare(constant, z + fan_in)
    code.file("r1", weights)
    code.room_high("r11", z, "r3")
    keeps_limit = products.keeps_limit(result - z)
    if keeps_limit:
        code.constant(products.limit, SATURATED)
    again, idle, done = (code.new_label() for _ in range(3))
    code("mov r12, r1")
    if gate >= 0:
        code(f"b {again}")
        code.label(idle)
        code("movs r2, #0", f"b {done}")
    code.pool()
    code.label(again)
    code("mov r1, r12")
    if gate >= 0:
        # Below the gate the derivative is 0; without one z never lies there.
        code("mov r3, r11", "ldr r2, [r3, #0]", f"cmp r2, #{gate}", f"blt {idle}")
    code("movs r2, #0")
    products.add_constant()
    products.add_products()
    if shift:
        code(f"asrs r2, r2, #{shift}")
    if not keeps_limit:
        code.constant(products.limit, SATURATED)
    code.clip("r2", products.limit)
    code.label(done)
    code("mov r3, r12", "adds r3, #2", "mov r12, r3", "mov r3, r11")
    code.store("r2", "r3", result - z, products.scratch)
    code("adds r3, #4", "mov r11, r3")
    products.loop(again)
    code.settle()
