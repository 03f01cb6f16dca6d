"""Thumb: saturation and activation on registers, without a branch (portable twin: micropython.activation)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from nnhw_codegen.errors import InputError
from nnhw_codegen.integers.expr import Instruction, Operand, Register, Table
from nnhw_codegen.integers.program import Clips
from nnhw_codegen.thumb.assembler import Assembler


class Form(Protocol):
    """What is printed: of Dense, its limit and its activation."""

    @property
    def limit(self) -> int: ...
    @property
    def instructions(self) -> tuple[Instruction, ...]: ...
    @property
    def result(self) -> Register: ...
    @property
    def registers(self) -> int: ...


class ActivationPrinter:
    """Prints one layer's saturation and activation on the low registers that a kernel can spare.

    ``value`` holds z and receives the result; ``low[0]`` is scratch, ``low[1:]`` carry the other registers of the
    activation and then constants, ``high`` (r8 to r12, lr) carry table addresses and constants.
    """

    def __init__(self, code: Assembler, layer: Form, low: Sequence[str], high: Sequence[str] = ()) -> None:
        self._code = code
        self._layer = layer
        self._scratch, *free = low
        if layer.registers - 1 > len(free):
            raise InputError(f"an activation needs {layer.registers} registers, Thumb code has {len(low)} for it")
        self._others = free[: layer.registers - 1]
        self._free = free[layer.registers - 1 :]
        self._high = list(high)
        self._constants: dict[int, str] = {}
        self._addresses: dict[Table, str] = {}
        self._labels: Mapping[Table, str] = {}
        self._wanted: Counter[int] = Counter()

    def load(self, labels: Mapping[Table, str], clips: Iterable[Clips]) -> None:
        """Put table addresses and the constants that ``apply`` will want at least twice into free registers."""
        self._labels = labels
        looked_up = [instruction.table for instruction in self._layer.instructions if instruction.table is not None]
        for table in dict.fromkeys(looked_up):
            if self._high:
                self._addresses[table] = self._high.pop(0)
                self._address(table)
                self._code(f"mov {self._addresses[table]}, {self._scratch}")
        code, self._code = self._code, Assembler()  # a rehearsal, to count the constants
        for clip in clips:
            self.apply("r0", clip)
        self._code = code
        magnitudes = Counter[int]()
        for value, uses in self._wanted.items():
            magnitudes[abs(value)] += uses
        for value, uses in magnitudes.most_common():
            if uses > 1 and self._free:
                self._constants[value] = self._free.pop()
                code.constant(self._constants[value], value)
        for value, uses in self._wanted.most_common():
            if uses > 1 and self._high and abs(value) not in self._constants:
                self._constants[value] = self._high.pop(0)
                code.constant(self._scratch, value)
                code(f"mov {self._constants[value]}, {self._scratch}")

    def _address(self, table: Table) -> None:
        """Put where ``table`` lies into the scratch register."""
        self._code.address(self._scratch, self._labels[table])

    def apply(self, value: str, clips: Clips) -> None:
        """Saturate below and above where ``clips`` says so, then the activation."""
        layer = self._layer
        if clips.above:
            self._select("min", value, value, layer.limit)
        if clips.below:
            self._select("max", value, value, -layer.limit)
        places = (value, *self._others)
        for instruction in layer.instructions:
            self._instruction(instruction, places)
        self._move(value, places[layer.result.index])

    def _instruction(self, instruction: Instruction, places: Sequence[str]) -> None:
        def place(operand: Operand) -> str | int:
            return places[operand.index] if isinstance(operand, Register) else operand

        into, a, b = places[instruction.into.index], place(instruction.a), place(instruction.b)
        if instruction.op in ("add", "mul", "min", "max") and (isinstance(a, int) or b == into):
            a, b = b, a
        if isinstance(a, int):
            if not isinstance(b, str):
                raise ValueError(f"instruction {instruction.op} has no register operand")
            self._code(f"rsbs {into}, {b}, #0")  # sub is the only operation left that is not symmetric
            self._add(into, into, a)
        elif instruction.table is not None:
            self._look(into, a, instruction.table)
        elif instruction.op in ("min", "max"):
            self._select(instruction.op, into, a, b)
        elif instruction.op == "mul":
            self._multiply(into, a, b)
        elif instruction.op == "shr":
            self._code(f"asrs {into}, {a}, #{b}")
        elif isinstance(b, int):
            self._add(into, a, b if instruction.op == "add" else -b)
        else:
            self._code(f"{instruction.op}s {into}, {a}, {b}")

    def _move(self, into: str, a: str) -> None:
        if into != a:
            self._code(f"movs {into}, {a}")

    def _add(self, into: str, a: str, value: int) -> None:
        """into = a + value."""
        size, op = abs(value), "adds" if value > 0 else "subs"
        if value == 0:
            self._move(into, a)
        elif size <= 7 and into != a:
            self._code(f"{op} {into}, {a}, #{size}")
        elif size <= 255:
            self._move(into, a)
            self._code(f"{op} {into}, #{size}")
        elif size in self._constants and self._constants[size] not in _HIGH:
            self._code(f"{op} {into}, {a}, {self._constants[size]}")
        elif value in self._constants:
            self._move(into, a)
            self._code(f"add {into}, {self._constants[value]}")
        else:
            self._wanted[value] += 1
            self._code.constant(self._scratch, size)
            self._code(f"{op} {into}, {a}, {self._scratch}")

    def _select(self, op: str, into: str, a: str, b: str | int) -> None:
        """min or max: d = a - b, then b + (d where it is negative, or where it is not)."""
        if a == b:
            self._move(into, a)
            return
        keep = "ands" if op == "min" else "bics"
        if isinstance(b, int):
            self._add(into, a, -b)
        else:
            self._code(f"subs {into}, {a}, {b}")
        self._code(f"asrs {self._scratch}, {into}, #31", f"{keep} {into}, {self._scratch}")
        if isinstance(b, int):
            self._add(into, into, b)
        else:
            self._code(f"adds {into}, {into}, {b}")

    def _multiply(self, into: str, a: str, b: str | int) -> None:
        if isinstance(b, int):
            if b > 1 and b & (b - 1) == 0:
                self._code(f"lsls {into}, {a}, #{b.bit_length() - 1}")
                return
            self._code.constant(self._scratch, b)
            b = self._scratch
        self._move(into, a)
        self._code(f"muls {into}, {b}")

    def _look(self, into: str, index: str, table: Table) -> None:
        load = "ldrb" if table.bits == 8 else "ldrh"
        address = self._addresses.get(table)
        if table.bits == 16:
            self._code(f"lsls {into}, {index}, #1")
        else:
            self._move(into, index)
        if address is not None:
            self._code(f"add {into}, {address}", f"{load} {into}, [{into}, #0]")
        else:
            self._address(table)
            self._code(f"{load} {into}, [{into}, {self._scratch}]")


_HIGH = ("r8", "r9", "r10", "r11", "r12", "lr")
