"""Fields of the binary model files: numbers, names, tables, activation instructions (SPEC 7)."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from nnhw_codegen.errors import InputError
from nnhw_codegen.integers.expr import Expr, Instruction, Operand, Register, Table, Z
from nnhw_codegen.integers.fixed import IntArray
from nnhw_codegen.integers.qmodel import QInput
from nnhw_codegen.network.names import control_in

OPS = ("add", "sub", "mul", "shr", "min", "max", "look")
_CONSTANT = 128  # operand bytes from here on name a constant, those below a register


class FileError(InputError):
    """A binary model file that cannot be used; the message says why and what to do."""


def pad(data: bytes) -> bytes:
    """``data`` with zero bytes up to a multiple of 4."""
    return data + bytes(-len(data) % 4)


def text_bytes(text: str) -> bytes:
    """A length byte and the text in UTF-8; raises ValueError where it is longer than 255 bytes."""
    data = text.encode()
    if len(data) > 255:
        raise InputError(f"name {text[:40]!r}... has {len(data)} bytes in UTF-8, at most 255 fit a model file")
    return bytes([len(data)]) + data


def int32_bytes(values: ArrayLike) -> bytes:
    """Numbers of 32 bits, little-endian."""
    return np.asarray(values, dtype="<i4").tobytes()


def doorway_bytes(inputs: Sequence[QInput]) -> bytes:
    """Rows of the doorway, then the reciprocal of each step (SPEC 7.3)."""
    rows = [v for i in inputs for v in (i.low, i.span, i.gain, i.offset, i.shift)]
    return int32_bytes(rows + [v for i in inputs for v in (i.reciprocal.factor, i.reciprocal.exponent)])


def table_bytes(table: Table) -> bytes:
    """Entries (u16), bits (u8), a zero byte, the entries."""
    return struct.pack("<HBx", len(table.values), table.bits) + pad(table.to_bytes())


def instruction_bytes(instructions: Sequence[Instruction], tables: Sequence[Table]) -> tuple[list[int], bytes]:
    """(constants, 4 bytes per instruction) of activation instructions that look into ``tables`` (SPEC 7.6)."""
    constants: list[int] = []

    def operand(value: Operand) -> int:
        if isinstance(value, Register):
            return value.index
        if value not in constants:
            constants.append(value)
        return _CONSTANT + constants.index(value)

    code = b"".join(
        bytes(
            [
                OPS.index(instruction.op),
                instruction.into.index,
                operand(instruction.a),
                operand(instruction.b) if instruction.table is None else tables.index(instruction.table),
            ]
        )
        for instruction in instructions
    )
    return constants, code


def outputs_bytes(offsets: Sequence[float], fracs: ArrayLike) -> bytes:
    """Offset (f32) of each output of a regression, then frac (i16) of each (SPEC 7.9)."""
    return np.asarray(offsets, dtype="<f4").tobytes() + pad(np.asarray(fracs, dtype="<i2").tobytes())


class Reader:
    """Takes consecutive fields off a file; raises FileError where it ends too early."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        if self.at + size > len(self.data):
            raise FileError(f"file ends at byte {len(self.data)} where {size} bytes are expected at {self.at}")
        self.at += size
        return self.data[self.at - size : self.at]

    def array(self, dtype: str, count: int) -> IntArray:
        """``count`` numbers, int64 (count,), and the padding behind them."""
        size = np.dtype(dtype).itemsize * count
        result = np.frombuffer(self.take(size), dtype=dtype).astype(np.int64)
        self.take(-size % 4)
        return result

    def outputs(self, count: int) -> tuple[tuple[float, ...], IntArray]:
        """What ``outputs_bytes`` gave."""
        offsets = np.frombuffer(self.take(4 * count), dtype="<f4").astype(np.float64)
        return tuple(offsets.tolist()), self.array("<i2", count)

    def doorway(self, count: int) -> tuple[list[list[int]], list[list[int]]]:
        """What ``doorway_bytes`` gave: rows of low, span, gain, offset, shift, and rows of factor, exponent."""
        rows, steps = self.array("<i4", 5 * count), self.array("<i4", 2 * count)
        return rows.reshape(count, 5).tolist(), steps.reshape(count, 2).tolist()

    def text(self) -> str:
        """What ``text_bytes`` gave."""
        try:
            text = self.take(self.take(1)[0]).decode()
        except UnicodeDecodeError:
            raise FileError("a name is not UTF-8: export the model again") from None
        if control_in(text):
            raise FileError(f"the name {text!r} has the control character {control_in(text)}: export the model again")
        return text

    def name_and_step(self) -> tuple[str, float]:
        """The name of an input, and its step as decimal text."""
        name, step = self.text(), self.text()
        try:
            return name, float(step)
        except ValueError:
            raise FileError(f"input {name!r}: {step!r} is no step: export the model again") from None

    def table(self) -> Table:
        """What ``table_bytes`` gave."""
        count, bits = struct.unpack("<HBx", self.take(4))
        return Table(tuple(self.array(f"<u{bits // 8}", count).tolist()), bits)


def entries(names: Sequence[tuple[str, float]], rows: list[list[int]], steps: list[list[int]]) -> tuple[QInput, ...]:
    """Inputs of the given names and steps; raises FileError where a step and its reciprocal do not fit together."""
    result = tuple(QInput(*name, *row) for name, row in zip(names, rows, strict=True))
    for entry, (factor, exponent) in zip(result, steps, strict=True):
        if (entry.reciprocal.factor, entry.reciprocal.exponent) != (factor, exponent):
            raise FileError(
                f"input {entry.name!r}: {factor} / 2^{exponent} is not the reciprocal of its step {entry.step!r}: "
                "export the model again"
            )
    return result


def expression(code: list[tuple[int, ...]], constants: list[int], tables: list[Table], result: int) -> Expr:
    """Run the instructions on expressions instead of integers: what is left in ``result`` is the activation."""
    registers: dict[int, Expr] = {0: Z}

    def operand(value: int) -> Expr | int:
        return constants[value - _CONSTANT] if value >= _CONSTANT else registers[value]

    try:
        for op, into, a, b in code:
            if OPS[op] == "look":
                registers[into] = Expr("look", (operand(a),), tables[b])
            else:
                registers[into] = Expr(OPS[op], (operand(a), operand(b)))
        return registers[result]
    except (KeyError, IndexError) as error:
        raise FileError(
            f"activation instruction names something that is not there ({error}): export the model again"
        ) from error
