"""The .nnb file: a quantized model in bytes, the same for the host and for the board's runtime (SPEC 7).

All numbers are little-endian and every section starts at a multiple of 4. The main part is covered by an Adler-32
checksum; the proof section behind it holds the bounds of every accumulator, which a small board need not load.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from nnhw_codegen import precision as precisions
from nnhw_codegen import program, proof
from nnhw_codegen.expr import Expr, Operand, Register, Table, Z
from nnhw_codegen.fixed import IntArray
from nnhw_codegen.qmodel import FORMAT, QInput, QLayer, QModel

MAGIC = b"NNB"
HEADER = struct.Struct("<3sBIIHBBBBHh2x")
LAYER = struct.Struct("<HHihhhBBBBxx")
OPS = ("add", "sub", "mul", "shr", "min", "max", "look")
DECISIONS = ("argmax", "threshold", "values")
_CONSTANT = 128  # operand bytes from here on name a constant, those below a register
_CHECKED_FROM = 12  # the checksum covers everything behind itself


class NnbError(ValueError):
    """A .nnb file that cannot be used; the message says why and what to do."""


def _pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _text(text: str) -> bytes:
    data = text.encode()
    if len(data) > 255:
        raise ValueError(f"name {text[:40]!r}... has {len(data)} bytes in UTF-8, at most 255 fit a .nnb file")
    return bytes([len(data)]) + data


def _int32(values: IntArray | list[int]) -> bytes:
    return np.asarray(values, dtype="<i4").tobytes()


def _layer_bytes(layer: QLayer, dense: program.Dense, tables: tuple[Table, ...], weight_bits: int) -> bytes:
    constants: list[int] = []

    def operand(value: Operand) -> int:
        if isinstance(value, Register):
            return value.index
        if value not in constants:
            constants.append(value)
        return _CONSTANT + constants.index(value)

    steps = b"".join(
        bytes(
            [
                OPS.index(step.op),
                step.target.index,
                operand(step.a),
                operand(step.b) if step.table is None else tables.index(step.table),
            ]
        )
        for step in dense.steps
    )
    fracs = (layer.input_frac, layer.z_frac, layer.output_frac)
    counts = (len(dense.steps), len(constants), dense.registers, dense.result.index)
    return b"".join(
        [
            LAYER.pack(layer.units, layer.fan_in, layer.limit, *fracs, *counts),
            _int32(constants),
            steps,
            _int32(layer.bias),
            _pad(layer.shift.astype("u1").tobytes()),
            _pad(layer.weights.astype(f"<i{weight_bits // 8}").tobytes()),
        ]
    )


def to_bytes(model: QModel) -> bytes:
    """The .nnb file of ``model``. Raises ValueError for a name longer than 255 bytes."""
    flat = program.build(model)
    labels = model.classes or model.outputs
    weight_bits = model.precision.weight_bits
    parts = [_int32([v for i in model.inputs for v in (i.low, i.span, i.gain, i.offset, i.shift)])]
    parts += [struct.pack("<HBx", len(t.values), t.bits) + _pad(t.to_bytes()) for t in flat.tables]
    parts += [
        _layer_bytes(layer, dense, flat.tables, weight_bits)
        for layer, dense in zip(model.layers, flat.layers, strict=True)
    ]
    strings = [model.precision.name, *labels]
    strings += [text for i in model.inputs for text in (i.name, repr(float(i.step)))]
    parts.append(_pad(b"".join(_text(text) for text in strings)))
    body = b"".join(parts)
    counts = (len(model.inputs), len(model.layers), len(flat.tables), weight_bits, DECISIONS.index(model.decision))
    tail = struct.pack("<HBBBBHh2x", *counts, len(labels), model.output_frac) + body
    head = struct.pack("<3sBII", MAGIC, FORMAT, _CHECKED_FROM + len(tail), zlib.adler32(tail))
    return head + tail + b"".join(_int32(v) for layer in model.layers for v in (layer.low, layer.high))


class _Reader:
    """Takes consecutive fields off a .nnb file."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        if self.at + size > len(self.data):
            raise NnbError(f"file ends at byte {len(self.data)} where {size} bytes are expected at {self.at}")
        self.at += size
        return self.data[self.at - size : self.at]

    def array(self, dtype: str, count: int) -> IntArray:
        size = np.dtype(dtype).itemsize * count
        result = np.frombuffer(self.take(size), dtype=dtype).astype(np.int64)
        self.take(-size % 4)
        return result

    def text(self) -> str:
        return self.take(self.take(1)[0]).decode()


def from_bytes(data: bytes) -> QModel:
    """The model of a .nnb file, its bounds proved again. Raises NnbError or ProofError."""
    if len(data) < HEADER.size or data[:3] != MAGIC:
        raise NnbError("not a .nnb file: it does not start with 'NNB'")
    _, found, length, checksum, inputs, layers, tables, weight_bits, _, labels, _ = HEADER.unpack_from(data)
    if found != FORMAT:
        raise NnbError(f"model made for format {found}, this nnhw reads {FORMAT}: run 'nnhw export' again")
    if length > len(data):
        raise NnbError(f"file has {len(data)} bytes of {length}: copy it again")
    if zlib.adler32(data[_CHECKED_FROM:length]) != checksum:
        raise NnbError("checksum differs: the file is damaged, copy it again")
    reader = _Reader(data)
    reader.take(HEADER.size)
    doorway = reader.array("<i4", 5 * inputs).reshape(inputs, 5).tolist()
    luts = [_read_table(reader) for _ in range(tables)]
    raw_layers = [_read_layer(reader, luts, weight_bits) for _ in range(layers)]
    precision = precisions.get(reader.text())
    names = tuple(reader.text() for _ in range(labels))
    entries = tuple(QInput(reader.text(), float(reader.text()), *numbers) for numbers in doorway)
    reader.at = length
    done = tuple(
        QLayer(**fields, low=reader.array("<i4", n), high=reader.array("<i4", n))
        for fields, n in ((f, len(f["bias"])) for f in raw_layers)
    )
    classifies = DECISIONS[HEADER.unpack_from(data)[8]] != "values"
    model = QModel(precision, entries, done, names if classifies else (), () if classifies else names)
    proof.check(model)
    return model


def _read_table(reader: _Reader) -> Table:
    count, bits = struct.unpack("<HBx", reader.take(4))
    return Table(tuple(reader.array(f"<u{bits // 8}", count).tolist()), bits)


def _read_layer(reader: _Reader, tables: list[Table], weight_bits: int) -> dict[str, Any]:
    header = LAYER.unpack(reader.take(LAYER.size))
    units, fan_in, limit, input_frac, z_frac, output_frac, steps, constants, _, result = header
    values = reader.array("<i4", constants).tolist()
    code = [tuple(reader.take(4)) for _ in range(steps)]
    return {
        "limit": limit,
        "activation": _expression(code, values, tables, result) if steps else None,
        "input_frac": input_frac,
        "z_frac": z_frac,
        "output_frac": output_frac,
        "bias": reader.array("<i4", units),
        "shift": reader.array("u1", units),
        "weights": reader.array(f"<i{weight_bits // 8}", units * fan_in).reshape(units, fan_in),
    }


def _expression(code: list[tuple[int, ...]], constants: list[int], tables: list[Table], result: int) -> Expr:
    """Run the steps on expressions instead of integers: what is left in ``result`` is the activation."""
    registers: dict[int, Expr] = {0: Z}

    def operand(value: int) -> Expr | int:
        return constants[value - _CONSTANT] if value >= _CONSTANT else registers[value]

    try:
        for op, target, a, b in code:
            if OPS[op] == "look":
                registers[target] = Expr("look", (operand(a),), tables[b])
            else:
                registers[target] = Expr(OPS[op], (operand(a), operand(b)))
        return registers[result]
    except (KeyError, IndexError) as error:
        raise NnbError(
            f"activation step names something that is not there ({error}): export the model again"
        ) from error


def save(model: QModel, path: Path) -> None:
    """Write ``model`` to ``path``, whole or not at all."""
    temporary = path.with_name(path.name + ".part")
    temporary.write_bytes(to_bytes(model))
    temporary.replace(path)


def load(path: Path) -> QModel:
    """Read a model and prove its bounds again; raises NnbError or ProofError with the path in the message."""
    try:
        return from_bytes(path.read_bytes())
    except ValueError as error:
        raise NnbError(f"{path}: {error}") from error
