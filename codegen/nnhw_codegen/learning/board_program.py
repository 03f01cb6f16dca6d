"""Reads the program that nnrun makes of a .nnt file, and only this module does: numbers in, typed blocks out."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from nnhw_codegen.errors import InputError
from nnhw_codegen.integers.expr import Instruction, Operand, Register, Table
from nnhw_codegen.learning.blocks import (
    BackBlock,
    BelowTopBlock,
    Block,
    BoardProgram,
    ClipBlock,
    CurveBlock,
    DeltaBlock,
    DenseBlock,
    DoorwayBlock,
    DoorwayRow,
    LayerState,
    Rate,
    Section,
    ShareBlock,
    SlopeBlock,
    UpdateBlock,
    Vector,
)
from nnhw_codegen.learning.profile import SCHEMES
from nnrun.learn_program import Program

_WEIGHT_BITS, _SCHEME = 20, 30
"""Bytes of the file (SPEC 10.2)."""


class UnsuitableError(InputError):
    """A model that no training code is made for."""


def read(data: bytes) -> BoardProgram:
    """The training step of a .nnt file."""
    found = Program(bytearray(data))  # type: ignore[no-untyped-call]
    reader = _Reader(data, found)
    decide, answer, learn = (reader.section(end) for end in (found.decided, found.answered, len(found.blocks)))
    layers = zip(found.shapes, found.weights, found.remainders, strict=True)
    return BoardProgram(
        data=data,
        weight_bits=data[_WEIGHT_BITS],
        scheme=SCHEMES[data[_SCHEME]],
        decide=decide,
        answer=answer,
        learn=learn,
        z=Vector(found.z, found.units),
        y=Vector(found.y, found.units),
        targets=Vector(found.targets, found.units),
        layers=tuple(LayerState(units, weights, base) for (units, _), (_, weights), (base, _, _) in layers),
        outputs=found.outputs,
        texts=found.texts,
        state=found.state,
    )


def read_suitable(data: bytes) -> BoardProgram:
    """As ``read``, for code that changes weights of 16 bits with a remainder each. Raises UnsuitableError."""
    program = read(data)
    if program.weight_bits != 16 or program.scheme != "residual":
        raise UnsuitableError("training as generated code needs weights of 16 bits that keep a remainder each")
    return program


def identity(data: bytes) -> str:
    """The line by which nnrun tells code of this model: the checksum of what training never changes, in halves."""
    return f"MODEL = {struct.unpack_from('<2H', data, 8)}"


_FIRST = 2
"""Where the blocks begin: behind the words that tell where to begin and where to end."""

_ROW = struct.Struct("<5i")
_TABLE = struct.Struct("<HBx")
_OPERATIONS = ("add", "sub", "mul", "shr", "min", "max")


@dataclass(frozen=True)
class _RawInstruction:
    """Four words of the program: what to do, where the result goes, and the operands or the entries of a table."""

    what: int
    target: int
    a: int
    b: int

    @property
    def operation(self) -> int:
        """Which of the operations, or 6 and 7, which look into a table of 8 and 16 bits."""
        return self.what & 7

    @property
    def looks(self) -> bool:
        """True for a look into a table."""
        return self.operation >= len(_OPERATIONS)

    @property
    def varies_a(self) -> bool:
        """True where a is a register, which differs from unit to unit, and no constant."""
        return bool(self.what & 8)

    @property
    def varies_b(self) -> bool:
        """As ``varies_a``."""
        return bool(self.what & 16)

    @property
    def units(self) -> int:
        """The length of the vectors."""
        return self.what >> 5


Pair = TypeVar("Pair", ClipBlock, BelowTopBlock)


class _Reader:
    """Takes the numbers of a program in their order, which is that of the fields below."""

    def __init__(self, data: bytes, found: Program) -> None:
        self._data, self._room, self._program = data, found.room, found.blocks
        self._at = self._begin = self._end = _FIRST
        self._codes = Vector(0, 0)
        self._kinds: tuple[Callable[[], Block], ...] = (
            self._doorway,
            self._dense,
            self._curve,
            lambda: self._pair(ClipBlock),
            lambda: self._pair(BelowTopBlock),
            self._share,
            self._delta,
            self._back,
            self._slope,
            self._update,
        )

    def section(self, end: int) -> Section:
        """The blocks up to the word ``end``."""
        blocks = []
        while self._at < end:
            self._begin = self._at
            kind = self._take()
            self._end = self._begin + self._take()
            blocks.append(self._kinds[kind]())
            assert self._at == self._end, f"a block of kind {kind} has other numbers than nnrun gives it"
        return Section(tuple(blocks), end)

    def _take(self) -> int:
        self._at += 1
        return int(self._program[self._at - 1])

    def _vector(self, count: int) -> Vector:
        return Vector(self._take(), count)

    def _doorway(self) -> DoorwayBlock:
        count, file = self._take(), self._take()
        rows = _ROW.iter_unpack(self._data[file : file + count * _ROW.size])
        block = DoorwayBlock(
            rows=tuple(DoorwayRow(*row) for row in rows),
            file=file,
            ticks=self._vector(count),
            codes=self._vector(count),
        )
        self._codes = block.codes
        return block

    def _dense(self) -> DenseBlock:
        units, fan_in = self._take(), self._take()
        return DenseBlock(
            inputs=self._vector(fan_in),
            z=self._vector(units),
            y=self._vector(units),
            weights=self._take(),
            biases=self._take(),
            guard=self._take(),
            bias_shift=self._take(),
            bias_half=self._take(),
            constant=self._take(),
            shift=self._take(),
            limit=self._take(),
            floor=self._take(),
        )

    def _curve(self) -> CurveBlock:
        self._take()
        instructions = []
        while self._at < self._end:
            instructions.append(_RawInstruction(self._take(), self._take(), self._take(), self._take()))
        first = instructions[0]
        base, units = (first.a if first.varies_a else first.b), first.units
        tables: dict[Table, int] = {}
        made = tuple(self._instruction(instruction, base, units, tables) for instruction in instructions)
        return CurveBlock(
            source=Vector(base, units),
            result=Vector(instructions[-1].target, units),
            instructions=made,
            register=made[-1].into,
            registers=1 + max(instruction.into.index for instruction in made),
            tables=tables,
        )

    def _pair(self, kind: type[Pair]) -> Pair:
        units = self._take()
        return kind(z=self._vector(units), result=self._vector(units))

    def _share(self) -> ShareBlock:
        return ShareBlock(values=self._vector(self._take()), frac=self._take())

    def _delta(self) -> DeltaBlock:
        units = self._take()
        return DeltaBlock(outputs=self._vector(units), targets=self._vector(units), deltas=self._vector(units))

    def _back(self) -> BackBlock:
        units, fan_in = self._take(), self._take()
        return BackBlock(
            deltas=self._vector(units),
            result=self._vector(fan_in),
            weights=self._take(),
            guard=self._take(),
            constant=self._take(),
            shift=self._take(),
            z=self._vector(fan_in),
            gate=self._take(),
        )

    def _slope(self) -> SlopeBlock:
        units = self._take()
        return SlopeBlock(
            deltas=self._vector(units), slopes=self._vector(units), half=self._take(), shift=self._take()
        )

    def _update(self) -> UpdateBlock:
        units, fan_in = self._take(), self._take()
        inputs, deltas = self._vector(fan_in), self._vector(units)
        weights, biases, remainders = self._take(), self._take(), self._take()
        self._at = self._begin + max(Rate) + 1
        return UpdateBlock(
            at=self._begin,
            inputs=inputs,
            deltas=deltas,
            weights=weights,
            biases=biases,
            remainders=remainders,
            weight_base=self._take(),
            bias_base=self._take(),
            takes_codes=inputs == self._codes,
        )

    def _instruction(self, raw: _RawInstruction, base: int, units: int, tables: dict[Table, int]) -> Instruction:
        def operand(place: int, varies: bool) -> Operand:
            return Register((place - base) // units) if varies else int(self._room[place])

        target, a = Register((raw.target - base) // units), operand(raw.a, raw.varies_a)
        if not raw.looks:
            return Instruction(_OPERATIONS[raw.operation], target, a, operand(raw.b, raw.varies_b))
        table = self._table(raw.b)
        tables[table] = raw.b
        return Instruction("look", target, a, 0, table)

    def _table(self, place: int) -> Table:
        """The table whose entries begin at ``place``."""
        count, bits = _TABLE.unpack_from(self._data, place - _TABLE.size)
        entries = memoryview(self._data)[place : place + count * bits // 8]
        return Table(struct.unpack(f"<{count}{'BH'[bits // 8 - 1]}", entries), bits)
