"""The seven integer operations that an activation may use, and what they mean (SPEC 4.1).

An activation's integer form is an expression over one input ``Z``. ``evaluate`` is its meaning; ``linearize`` turns
it into register instructions, which is all that an emitter sees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from nnhw_codegen.integers.fixed import IntArray


@dataclass(frozen=True)
class Table:
    """Unsigned constants of 8 or 16 bits that ``look`` reads."""

    values: tuple[int, ...]
    bits: int

    def __post_init__(self) -> None:
        if self.bits not in (8, 16) or not all(0 <= v < 1 << self.bits for v in self.values):
            raise ValueError(f"table values must fit {self.bits} unsigned bits")

    def to_bytes(self) -> bytes:
        """The table as little-endian bytes."""
        return np.array(self.values, dtype="<u2" if self.bits == 16 else "u1").tobytes()


@dataclass(frozen=True)
class Expr:
    """One operation on integers. ``op`` is a key of MEANING, "look" (table), or the leaf "input"."""

    op: str
    args: tuple[Expr | int, ...] = ()
    table: Table | None = None

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        # Subexpressions are shared: hashing each of them again wherever it is used would take very long.
        return hash((self.op, self.args, self.table))

    def __add__(self, other: Expr | int) -> Expr:
        return Expr("add", (self, other))

    def __sub__(self, other: Expr | int) -> Expr:
        return Expr("sub", (self, other))

    def __rsub__(self, other: int) -> Expr:
        return Expr("sub", (other, self))

    def __mul__(self, other: Expr | int) -> Expr:
        return Expr("mul", (self, other))

    def __rshift__(self, shift: int) -> Expr:
        return Expr("shr", (self, shift))


Z = Expr("input")
"""The input of an activation: the saturated pre-activation."""


def minimum(a: Expr, b: Expr | int) -> Expr:
    """The smaller of two values."""
    return Expr("min", (a, b))


def maximum(a: Expr, b: Expr | int) -> Expr:
    """The larger of two values."""
    return Expr("max", (a, b))


def look(table: Table, index: Expr) -> Expr:
    """The table's value at an index that is proved to lie inside it."""
    return Expr("look", (index,), table)


MEANING: Mapping[str, Callable[[IntArray, IntArray], IntArray]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "shr": lambda a, b: a >> b,  # floor, also for negative a; b is a constant of 1 to 31
    "min": lambda a, b: np.minimum(a, b),
    "max": lambda a, b: np.maximum(a, b),
}
"""The meaning of every operation but ``look``: this table is the semantics that each emitter has to reproduce."""


@dataclass(frozen=True)
class Register:
    """An operand that is not a constant; register 0 holds the input at the start."""

    index: int


Operand = Register | int


@dataclass(frozen=True)
class Instruction:
    """``into = a op b``; for "look", ``into = table[a]`` and b is 0."""

    op: str
    into: Register
    a: Operand
    b: Operand
    table: Table | None = None


def _topological(expr: Expr) -> list[Expr]:
    """Every distinct operation of ``expr``, operands before their users; equal subexpressions appear once."""
    order: dict[Expr, None] = {}

    def visit(node: Expr) -> None:
        if node.op == "input" or node in order:
            return
        for arg in node.args:
            if isinstance(arg, Expr):
                visit(arg)
        order[node] = None

    visit(expr)
    return list(order)


def values(expr: Expr, z: IntArray) -> dict[Expr, IntArray]:
    """The value of every operation in ``expr`` for each element of z (int64, any shape)."""
    known: dict[Expr, IntArray] = {Z: z}
    for node in _topological(expr):
        operands = [known[a] if isinstance(a, Expr) else np.int64(a) for a in node.args]
        if node.table is not None:
            index = np.asarray(operands[0])
            if index.size and (index.min() < 0 or index.max() >= len(node.table.values)):
                raise IndexError(f"table index {index.min()}..{index.max()} outside 0..{len(node.table.values) - 1}")
            known[node] = np.array(node.table.values, dtype=np.int64)[index]
        else:
            known[node] = MEANING[node.op](operands[0], operands[1])  # type: ignore[arg-type]
    return known


def evaluate(expr: Expr, z: IntArray) -> IntArray:
    """The value of ``expr`` for each element of z (int64, any shape), also where it does not depend on z."""
    return np.broadcast_to(values(expr, z)[expr], z.shape)


@lru_cache(maxsize=64)
def largest(expr: Expr, low: int, high: int) -> int:
    """The largest magnitude of any intermediate over every integer input in [low, high], by trying them all."""
    return max(int(np.abs(v).max()) for v in values(expr, np.arange(low, high + 1)).values())


def linearize(expr: Expr) -> tuple[tuple[Instruction, ...], Register]:
    """``expr`` as instructions on registers, and the register of the result. Registers of dead values are reused."""
    order = _topological(expr)
    last_use = {arg: n for n, node in enumerate(order) for arg in node.args if isinstance(arg, Expr)}
    place: dict[Expr, Register] = {Z: Register(0)}
    free: list[int] = []
    count = 1
    instructions = []
    for n, node in enumerate(order):
        operands: list[Operand] = [place[a] if isinstance(a, Expr) else a for a in node.args]
        free += sorted({place[a].index for a in node.args if isinstance(a, Expr) and last_use[a] == n}, reverse=True)
        if free:
            place[node] = Register(free.pop())
        else:
            place[node] = Register(count)
            count += 1
        b = operands[1] if len(operands) > 1 else 0
        instructions.append(Instruction(node.op, place[node], operands[0], b, node.table))
    return tuple(instructions), place[expr]
