"""Thumb: saturation and activation steps on registers, without a branch (portable twin: micropython.emitter._step)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from nnhw_codegen.errors import InputError
from nnhw_codegen.integers.expr import Operand, Register, Step, Table
from nnhw_codegen.integers.program import Clips
from nnhw_codegen.thumb.assembler import Assembler


class Form(Protocol):
    """What is printed: of Dense, its limit and its activation."""

    @property
    def limit(self) -> int: ...
    @property
    def steps(self) -> tuple[Step, ...]: ...
    @property
    def result(self) -> Register: ...
    @property
    def registers(self) -> int: ...


class Steps:
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
        for table in dict.fromkeys(step.table for step in self._layer.steps if step.table is not None):
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
        for step in layer.steps:
            self._step(step, places)
        self._move(value, places[layer.result.index])

    def _step(self, step: Step, places: Sequence[str]) -> None:
        def place(operand: Operand) -> str | int:
            return places[operand.index] if isinstance(operand, Register) else operand

        target, a, b = places[step.target.index], place(step.a), place(step.b)
        if step.op in ("add", "mul", "min", "max") and (isinstance(a, int) or b == target):
            a, b = b, a
        if isinstance(a, int):
            if not isinstance(b, str):
                raise ValueError(f"step {step.op} has no register operand")
            self._code(f"rsbs {target}, {b}, #0")  # sub is the only operation left that is not symmetric
            self._add(target, target, a)
        elif step.table is not None:
            self._look(target, a, step.table)
        elif step.op in ("min", "max"):
            self._select(step.op, target, a, b)
        elif step.op == "mul":
            self._multiply(target, a, b)
        elif step.op == "shr":
            self._code(f"asrs {target}, {a}, #{b}")
        elif isinstance(b, int):
            self._add(target, a, b if step.op == "add" else -b)
        else:
            self._code(f"{step.op}s {target}, {a}, {b}")

    def _move(self, target: str, a: str) -> None:
        if target != a:
            self._code(f"movs {target}, {a}")

    def _add(self, target: str, a: str, value: int) -> None:
        """target = a + value."""
        size, op = abs(value), "adds" if value > 0 else "subs"
        if value == 0:
            self._move(target, a)
        elif size <= 7 and target != a:
            self._code(f"{op} {target}, {a}, #{size}")
        elif size <= 255:
            self._move(target, a)
            self._code(f"{op} {target}, #{size}")
        elif size in self._constants and self._constants[size] not in _HIGH:
            self._code(f"{op} {target}, {a}, {self._constants[size]}")
        elif value in self._constants:
            self._move(target, a)
            self._code(f"add {target}, {self._constants[value]}")
        else:
            self._wanted[value] += 1
            self._code.constant(self._scratch, size)
            self._code(f"{op} {target}, {a}, {self._scratch}")

    def _select(self, op: str, target: str, a: str, b: str | int) -> None:
        """min or max: d = a - b, then b + (d where it is negative, or where it is not)."""
        if a == b:
            self._move(target, a)
            return
        keep = "ands" if op == "min" else "bics"
        if isinstance(b, int):
            self._add(target, a, -b)
        else:
            self._code(f"subs {target}, {a}, {b}")
        self._code(f"asrs {self._scratch}, {target}, #31", f"{keep} {target}, {self._scratch}")
        if isinstance(b, int):
            self._add(target, target, b)
        else:
            self._code(f"adds {target}, {target}, {b}")

    def _multiply(self, target: str, a: str, b: str | int) -> None:
        if isinstance(b, int):
            if b > 1 and b & (b - 1) == 0:
                self._code(f"lsls {target}, {a}, #{b.bit_length() - 1}")
                return
            self._code.constant(self._scratch, b)
            b = self._scratch
        self._move(target, a)
        self._code(f"muls {target}, {b}")

    def _look(self, target: str, index: str, table: Table) -> None:
        load = "ldrb" if table.bits == 8 else "ldrh"
        address = self._addresses.get(table)
        if table.bits == 16:
            self._code(f"lsls {target}, {index}, #1")
        else:
            self._move(target, index)
        if address is not None:
            self._code(f"add {target}, {address}", f"{load} {target}, [{target}, #0]")
        else:
            self._address(table)
            self._code(f"{load} {target}, [{target}, {self._scratch}]")


_HIGH = ("r8", "r9", "r10", "r11", "r12", "lr")
