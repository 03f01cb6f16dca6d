"""SPEC 7.1, 7.3, 7.4, 7.6, 7.7: the parts that both files are made of."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Input:
    """SPEC 7.3: the doorway of one input, 1 / step as R / 2^k; name and step (decimal text) come with the strings."""

    low: int
    span: int
    gain: int
    offset: int
    shift: int
    reciprocal: int
    exponent: int


@dataclass(frozen=True)
class Output:
    """SPEC 7.9: one output of a regression stands for code / 2^frac + offset."""

    offset: float
    frac: int


@dataclass(frozen=True)
class Table:
    """SPEC 7.4: unsigned entries of 8 or 16 bits."""

    bits: int
    entries: tuple[int, ...]


@dataclass(frozen=True)
class Instruction:
    """SPEC 7.6: ``target = a op b``."""

    operation: int
    target: int
    a: int
    b: int


@dataclass(frozen=True)
class Form:
    """SPEC 7.5, 7.6: the instructions of one function of z, with their constants and the register of the result."""

    instructions: tuple[Instruction, ...]
    constants: tuple[int, ...]
    registers: int
    result: int


class Reader:
    """Little-endian fields, one after the other; ``align`` goes on to a multiple of 4 past zero bytes."""

    def __init__(self, data: bytes, place: int = 0) -> None:
        self.data, self.place = data, place

    def take(self, kind: str, count: int) -> tuple[int, ...]:
        """So many numbers of one struct format letter."""
        values = struct.unpack_from(f"<{count}{kind}", self.data, self.place)
        self.place += struct.calcsize(f"<{count}{kind}")
        return values

    def one(self, kind: str) -> int:
        """One number."""
        return self.take(kind, 1)[0]

    def zeros(self, count: int) -> None:
        """Bytes that the text wants to be zero."""
        assert not any(self.take("B", count)), f"bytes before {self.place} are not zero"

    def align(self) -> None:
        """SPEC 7.1: on to the next section."""
        self.zeros(-self.place % 4)

    def padded(self, kind: str, count: int) -> tuple[int, ...]:
        """A section of equal numbers with its zero bytes."""
        values = self.take(kind, count)
        self.align()
        return values

    def string(self) -> str:
        """SPEC 7.7: a length byte and UTF-8."""
        return bytes(self.take("B", self.one("B"))).decode("utf-8")


def check_start(data: bytes, magic: bytes, form: int) -> int:
    """SPEC 7.2, 10.2: magic, FORMAT and the checksum of the first part; the bytes of that part."""
    assert data[:3] == magic, "another file"
    assert data[3] == form, f"FORMAT {data[3]}"
    size, checksum = struct.unpack_from("<II", data, 4)
    assert zlib.adler32(data[12:size]) == checksum, "checksum"
    return int(size)


def read_inputs(reader: Reader, count: int) -> tuple[Input, ...]:
    """SPEC 7.3: low, span, gain, offset, shift of each input, then R and k of each."""
    doorways = [reader.take("i", 5) for _ in range(count)]
    return tuple(Input(*doorway, reader.one("I"), reader.one("i")) for doorway in doorways)


def read_outputs(reader: Reader, count: int) -> tuple[Output, ...]:
    """SPEC 7.9: offsets of the outputs of a regression, then their fracs."""
    offsets = reader.take("f", count)
    return tuple(Output(*pair) for pair in zip(offsets, reader.padded("h", count), strict=True))


def read_tables(reader: Reader, count: int) -> tuple[Table, ...]:
    """SPEC 7.4: each table on its own multiple of 4."""
    tables = []
    for _ in range(count):
        entries, bits = reader.one("H"), reader.one("B")
        reader.zeros(1)
        tables.append(Table(bits, reader.padded({8: "B", 16: "H"}[bits], entries)))
    return tuple(tables)


def read_form(reader: Reader, instructions: int, constants: int, registers: int, result: int) -> Form:
    """SPEC 7.5, 7.6: constants, then instructions of four bytes."""
    values = reader.take("i", constants)
    return Form(tuple(Instruction(*reader.take("B", 4)) for _ in range(instructions)), values, registers, result)
