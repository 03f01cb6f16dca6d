"""Thumb code of a training step: the sums of products of the forward and the backward pass.

Weights are unsigned, the weight plus 2^15: each product, shifted, is then too large by its value << (15 - guard) exactly,
which one constant takes back. Four values at a time are loaded; of a vector no longer than that they stay in registers.

    r0  vector of inputs or deltas        r8, r9  room and file throughout, see learn_frame
    r1  weights                           r10     stride of the weights where it is far, else free
    r2  sum                               r11     walks along z
    r3  product                           r12     walks along the biases, or along the first row of weights
    r4 to r7  four values of the vector   lr      where a long vector's unrolled part ends, else free

What is free keeps the constant and the end of z; where nothing is, they lie in the frame.
"""

from __future__ import annotations

from nnhw_codegen.learning.blocks import BackBlock, DenseBlock, Vector
from nnhw_codegen.thumb.learn_frame import CONSTANT, END, SATURATED, StepCode

_VALUES = ("r4", "r5", "r6", "r7")
_GROUP = len(_VALUES)
_UNROLL = 16

_FARTHEST = 62
"""The largest offset, in bytes, of a load of 16 bits."""

_PLACES = {
    (False, False): ("lr", "r10"),
    (False, True): (CONSTANT, "r10"),
    (True, False): (CONSTANT, "lr"),
    (True, True): (CONSTANT, END),
}
"""Whether the stride is far, whether the vector is long -> where the constant is kept, and where the end."""


class _Sum:
    """r2 += the products of a vector and of weights from r1 on, ``stride`` bytes apart; r0 and r3 are lost.

    A vector that is ``resident`` stays in registers, so that r0 is free in the loop over units: it is ``scratch`` there,
    or r7, which is loaded anew for each unit, is. ``limit`` is where the largest number can be put: r7 unless all four
    values are in use.
    """

    def __init__(self, code: StepCode, vector: Vector, stride: int, guard: int) -> None:
        self._code = code
        self._vector = vector
        self._stride = stride
        self._guard = guard
        self._far = stride > _FARTHEST
        self._turns, self._rest = divmod(vector.count, _UNROLL) if vector.count > 2 * _UNROLL else (0, vector.count)
        self._constant, self._end = _PLACES[self._far, self._turns > 0]
        self.resident = vector.count <= _GROUP
        self.scratch = "r0" if self.resident else "r7"
        self.limit = "r0" if vector.count == _GROUP else "r7"

    def prepare(self, constant: int, end: int) -> None:
        """Put in place what all units share; ``end`` is where in room a loop over them ends."""
        code = self._code
        code.room("r0", self._vector.place)
        code("movs r2, #0")
        if self._turns:
            code.room_high("lr", self._vector.place + _UNROLL * self._turns, "r3")
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
        if self._far:
            code.constant("r3", self._stride)
            code("mov r10, r3")
        if not self.resident:
            code.move("r0", -4 * self._vector.count, "r3")

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
            code.move("r0", -4 * self._vector.count, "r3")
        return moved

    def _advance(self, distance: int) -> None:
        if self._far:
            self._code(*["add r1, r10"] * (distance // self._stride))
        else:
            self._code.move("r1", distance, "r3")

    def _terms(self, count: int) -> int:
        moved = 0
        for n in range(count):
            if not self.resident and n % _GROUP == 0:
                self._code(f"ldmia r0!, {{{', '.join(_VALUES[: count - n])}}}")
            if n * self._stride - moved > _FARTHEST:
                self._advance(n * self._stride - moved)
                moved = n * self._stride
            self._code(f"ldrh r3, [r1, #{n * self._stride - moved}]", f"muls r3, {_VALUES[n % _GROUP]}")
            if self._guard:
                self._code(f"asrs r3, r3, #{self._guard}")
            self._code("adds r2, r2, r3")
        return moved


def dense(code: StepCode, block: DenseBlock) -> None:
    """The forward pass of a layer, with a plain relu; r11 walks along z, r12 along the biases."""
    apart = block.y.place - block.z.place
    products = _Sum(code, block.inputs, 2, block.guard)
    products.prepare(block.constant, block.z.end)
    code.file("r1", block.biases)
    code("mov r12, r1")
    code.file("r1", block.weights)
    code.room_high("r11", block.z.place, "r3")
    keeps_limit = products.keeps_limit(apart)
    if block.limit and keeps_limit:
        code.constant(products.limit, block.limit)
    again = code.new_label()
    code.pool()
    code.label(again)
    code("mov r3, r12", "ldmia r3!, {r2}", "mov r12, r3")
    _round(code, block.bias_shift)
    products.add_constant()
    moved = products.add_products()
    code.move("r1", 2 * block.inputs.count - moved, "r3")
    if block.shift:
        code(f"asrs r2, r2, #{block.shift}")
    if block.limit:
        if not keeps_limit:
            code.constant(products.limit, block.limit)
        code.clip("r2", products.limit)
    code("mov r3, r11", "str r2, [r3, #0]")
    if apart:
        if block.floor == 0:
            positive = code.new_label()
            code("cmp r2, #0", f"bge {positive}", "movs r2, #0")
            code.label(positive)
        code.store("r2", "r3", apart, products.scratch)
    code("adds r3, #4", "mov r11, r3")
    products.loop(again)
    code.settle()


def _round(code: StepCode, shift: int) -> None:
    """r2 = (r2 + half) >> shift."""
    if shift > 1:
        code(f"asrs r2, r2, #{shift - 1}")
    if shift:
        code("adds r2, #1", "asrs r2, r2, #1")


def back(code: StepCode, block: BackBlock) -> None:
    """Deltas through a layer to the one below; r11 walks along its z, r12 along the first row of weights."""
    apart = block.result.place - block.z.place
    products = _Sum(code, block.deltas, 2 * block.result.count, block.guard)
    products.prepare(block.constant, block.z.end)
    code.file("r1", block.weights)
    code.room_high("r11", block.z.place, "r3")
    keeps_limit = products.keeps_limit(apart)
    if keeps_limit:
        code.constant(products.limit, SATURATED)
    again, idle, done = (code.new_label() for _ in range(3))
    code("mov r12, r1")
    if block.gate >= 0:
        code(f"b {again}")
        code.label(idle)
        code("movs r2, #0", f"b {done}")
    code.pool()
    code.label(again)
    code("mov r1, r12")
    if block.gate >= 0:
        # Below the gate the derivative is 0; without one z never lies there.
        code("mov r3, r11", "ldr r2, [r3, #0]", f"cmp r2, #{block.gate}", f"blt {idle}")
    code("movs r2, #0")
    products.add_constant()
    products.add_products()
    if block.shift:
        code(f"asrs r2, r2, #{block.shift}")
    if not keeps_limit:
        code.constant(products.limit, SATURATED)
    code.clip("r2", products.limit)
    code.label(done)
    code("mov r3, r12", "adds r3, #2", "mov r12, r3", "mov r3, r11")
    code.store("r2", "r3", apart, products.scratch)
    code("adds r3, #4", "mov r11, r3")
    products.loop(again)
    code.settle()
