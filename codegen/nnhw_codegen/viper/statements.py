"""What both viper forms share: constants, activations, saturation and the decision, without a branch on the data.

Three facts shape every expression here (measured on armv6-M, benchmarks/viper_idioms.py):
the first two locals of a function from mpy-cross live in registers, so ``a`` is always the second parameter; an
operation whose left side was just computed and whose right side is a register or a constant needs no move, so sums
are written ``new + a``; and a constant up to 255, or one shifted left, costs one or two cycles, any other four.

Viper computes in machine words: 32 bits that wrap on a board, 64 bits on the unix port, where a load from ptr32 is
not sign-extended. Everything up to the end of a sum is therefore only right modulo 2^32; ``Sign`` says how the exact
value is had back. Activations, doorway and decision then work on exact values below 2^30, alike for any word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from nnhw_codegen.integers.expr import MEANING, Instruction, Operand, Register, Table
from nnhw_codegen.integers.fixed import IntArray
from nnhw_codegen.integers.program import Clips, Dense, Program
from nnhw_codegen.writer import Writer

LARGEST_CONSTANT = (1 << 30) - 1
"""Beyond it, MicroPython makes a constant an object, which viper cannot compute with."""

SIGN = 1 << 29
"""Pre-activations are below this in magnitude."""


@dataclass(frozen=True)
class Sign:
    """How a layer's sum, known modulo 2^32, becomes its exact value: ((sum + lift) & mask) - lift.

    ``lift`` is a power of two above every partial sum and divisible by 2^shift, ``mask`` is 2 * lift - 1.
    """

    lift: int

    @property
    def mask(self) -> int:
        """The bits that a lifted sum can have."""
        return 2 * self.lift - 1


def sign_of(layer: Dense) -> Sign:
    """The smallest lift that serves every neuron of ``layer``."""
    largest = int(max(layer.high.max(), -layer.low.min()))
    return Sign(1 << max(largest.bit_length(), int(layer.shift.max())))


def outputs_are_nonnegative(layer: Dense) -> bool:
    """True where no output of a hidden layer can be negative, so that loading one needs no sign."""
    return bool(layer.instructions) and int(instruction_values(layer).min()) >= 0


def instruction_values(layer: Dense) -> IntArray:
    """The layer's activation for every z in -limit..limit."""
    registers: dict[Operand, IntArray] = {Register(0): np.arange(-layer.limit, layer.limit + 1)}
    for instruction in layer.instructions:
        a, b = (np.asarray(registers.get(v, v), dtype=np.int64) for v in (instruction.a, instruction.b))
        if instruction.table is not None:
            registers[instruction.into] = np.array(instruction.table.values, dtype=np.int64)[a]
        else:
            registers[instruction.into] = MEANING[instruction.op](a, b)
    return np.asarray(registers[layer.result])


def parts(value: int) -> list[int]:
    """``value`` (not negative) as constants that viper takes, which add up to it."""
    found = []
    while value > LARGEST_CONSTANT:
        found.append(LARGEST_CONSTANT)
        value -= LARGEST_CONSTANT
    return [*found, value]


def plus(value: int) -> str:
    """``value`` as the tail of a sum, empty for 0."""
    sign = "-" if value < 0 else "+"
    return "".join(f" {sign} {part}" for part in parts(abs(value)) if part)


def assign(w: Writer, name: str, value: int) -> None:
    """``name = value`` for a value that may be too large for one constant."""
    first, *others = parts(value)
    w.line(f"{name} = {first}")
    for other in others:
        w.line(f"{name} = {name} + {other}")


def table_parameters(program: Program) -> str:
    """The parameters that bring the tables, with the comma in front."""
    return "".join(f", table{n}: ptr{table.bits}" for n, table in enumerate(program.tables))


def table_arguments(program: Program) -> str:
    """The arguments for ``table_parameters``."""
    return "".join(f", _A{n}" for n in range(len(program.tables)))


BELOW = "(a >> 31 & a)"  # min(a, 0): the sign is 0 or -1
ABOVE = "((a >> 31) + 1) * a"  # max(a, 0)


def tick_sign(w: Writer) -> None:
    """Before the doorway: c and m for ``TICK``."""
    assign(w, "c", 1 << 31)
    w.line("m = c + c - 1")


TICK = "({} + c & m) - c"
"""A tick of 32 bits, whatever bits above them its load gave."""


def finish(w: Writer, sum_: str, lowered: int, clips: Clips, limit: int, raised: int = 0) -> None:
    """Saturate the expression ``sum_`` - lowered below and above where ``clips`` says so; leaves it + raised in a."""
    add = -lowered
    if clips.above:
        w.line(f"a = {sum_}{plus(add - limit)}")
        sum_, add = BELOW, limit
    if clips.below:
        w.line(f"a = {sum_}{plus(add + limit)}")
        sum_, add = ABOVE, -limit
    if sum_ != "a" or add + raised:
        w.line(f"a = {sum_}{plus(add + raised)}")


@dataclass(frozen=True)
class Names:
    """What a function calls the values that an activation works on: register 0, the other ones, an entry of a table."""

    first: str = "a"
    other: str = "r{}"
    entry: str = "table{}[{}]"

    def operand(self, value: Operand) -> str:
        """A register or a constant as text."""
        if isinstance(value, int):
            return str(value)
        return self.other.format(value.index) if value.index else self.first


Choose = Callable[[Writer, str, str, str, str], None]
"""Prints min or max, as ``select`` does."""


def select(w: Writer, op: str, into: str, a: str, b: str) -> None:
    """min or max of a and b, without a branch."""
    if b == into:
        a, b = b, a  # the difference overwrites it, and b is needed after it
    if b == "0":
        d = a
    else:
        w.line(f"{into} = {a} - {b}")
        d = into
    end = "" if b == "0" else f" + {b}"
    chosen = f"({d} >> 31 & {d})" if op == "min" else f"(({d} >> 31) + 1) * {d}"
    w.line(f"{into} = {chosen}{end}")


def activation(w: Writer, layer: Dense, tables: tuple[Table, ...]) -> None:
    """The layer's activation from a to a."""
    names = Names()
    print_instructions(w, layer.instructions, tables, names)
    if layer.result != Register(0):
        w.line(f"a = {names.operand(layer.result)}")


def print_instructions(
    w: Writer, instructions: Iterable[Instruction], tables: Sequence[Table], names: Names, choose: Choose = select
) -> None:
    """An activation's instructions, one line or two each."""
    for instruction in instructions:
        into, a, b = names.operand(instruction.into), names.operand(instruction.a), names.operand(instruction.b)
        if instruction.table is not None:
            w.line(f"{into} = {names.entry.format(tables.index(instruction.table), a)}")
        elif instruction.op in ("min", "max"):
            choose(w, instruction.op, into, a, b)
        else:
            sign = {"add": "+", "sub": "-", "mul": "*", "shr": ">>"}[instruction.op]
            w.line(f"{into} = {a} {sign} {b}")


def decision_start(w: Writer, program: Program) -> None:
    """Before the first output: b, the largest output, is below every output; k is its index, or the answers so far."""
    if program.decision == "argmax":
        w.lines(f"b = 0 - {SIGN}", "k = 0")
    elif program.decision == "multilabel":
        w.line("k = 0")


def decision_step(w: Writer, program: Program, unit: str, last: bool = False) -> None:
    """Take the output in a, of number ``unit``, into account; destroys a. Only a larger one replaces an earlier one."""
    if program.decision == "argmax":
        w.line("a = b - a")
        if not last:
            w.line(f"b = b - {BELOW}")
        w.line(f"k = (a >> 31 & {unit} - k) + k")
    elif program.decision == "multilabel":
        w.line(f"k = (0 - a >> 31 & 1 << {unit}) + k")


def decision_end(w: Writer, program: Program) -> None:
    """Return the class index, or the answers of yes or no; for values, which are in y, 0."""
    if program.decision in ("argmax", "multilabel"):
        w.line("return k")
    elif program.decision == "threshold":
        w.line("return (0 - a >> 31) & 1")
    else:
        w.line("return 0")
