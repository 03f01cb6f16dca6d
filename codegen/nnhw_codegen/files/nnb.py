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

from nnhw_codegen.files import forged
from nnhw_codegen.files.fields import (
    FileError,
    Reader,
    doorway_bytes,
    entries,
    expression,
    instruction_bytes,
    int32_bytes,
    outputs_bytes,
    pad,
    table_bytes,
    text_bytes,
)
from nnhw_codegen.integers import precision as precisions
from nnhw_codegen.integers import program, proof
from nnhw_codegen.integers.expr import Table
from nnhw_codegen.integers.qmodel import FORMAT, QLayer, QModel
from nnhw_codegen.network.network import Decision
from nnhw_codegen.whole_file import write_whole

MAGIC = b"NNB"
HEADER = struct.Struct("<3sBIIHBBBBHHh")
LAYER = struct.Struct("<HHihhhBBBBxx")
DECISIONS: tuple[Decision, ...] = ("argmax", "threshold", "values", "multilabel")
_CHECKED_FROM = 12  # the checksum covers everything behind itself


def _layer_bytes(layer: QLayer, dense: program.Dense, tables: tuple[Table, ...], weight_bits: int) -> bytes:
    constants, instructions = instruction_bytes(dense.instructions, tables)
    fracs = (layer.input_frac, int(layer.z_frac[0]), int(layer.output_frac[0]))
    counts = (len(dense.instructions), len(constants), dense.registers, dense.result.index)
    return b"".join(
        [
            LAYER.pack(layer.units, layer.fan_in, layer.limit, *fracs, *counts),
            int32_bytes(constants),
            instructions,
            int32_bytes(layer.bias),
            pad(layer.shift.astype("u1").tobytes()),
            pad(layer.weights.astype(f"<i{weight_bits // 8}").tobytes()),
        ]
    )


def to_bytes(model: QModel) -> bytes:
    """The .nnb file of ``model``. Raises ValueError for a name longer than 255 bytes."""
    flat = program.build(model)
    labels = model.classes or model.outputs
    weight_bits = model.precision.weight_bits
    parts = [doorway_bytes(model.inputs)]
    values = len(model.offsets)
    parts.append(outputs_bytes(model.offsets, model.output_frac[:values]))
    parts += [table_bytes(t) for t in flat.tables]
    parts += [
        _layer_bytes(layer, dense, flat.tables, weight_bits)
        for layer, dense in zip(model.layers, flat.layers, strict=True)
    ]
    strings = [model.precision.name, *labels]
    strings += [text for i in model.inputs for text in (i.name, repr(float(i.step)))]
    parts.append(pad(b"".join(text_bytes(text) for text in strings)))
    body = b"".join(parts)
    counts = (len(model.inputs), len(model.layers), len(flat.tables), weight_bits, DECISIONS.index(model.decision))
    frac = 0 if values else int(model.output_frac[0])
    tail = struct.pack("<HBBBBHHh", *counts, len(labels), values, frac) + body
    head = struct.pack("<3sBII", MAGIC, FORMAT, _CHECKED_FROM + len(tail), zlib.adler32(tail))
    return head + tail + b"".join(int32_bytes(v) for layer in model.layers for v in (layer.low, layer.high))


def from_bytes(data: bytes) -> QModel:
    """The model of a .nnb file, its bounds proved again. Raises FileError or ProofError."""
    if len(data) < HEADER.size or data[:3] != MAGIC:
        raise FileError("not a .nnb file: it does not start with 'NNB'")
    _, found, length, checksum, inputs, layers, tables, weight_bits, number, labels, values, _ = HEADER.unpack_from(
        data
    )
    if found != FORMAT:
        raise FileError(f"model made for format {found}, this nnhw reads {FORMAT}: run 'nnhw export' again")
    if length > len(data):
        raise FileError(f"file has {len(data)} bytes of {length}: copy it again")
    if zlib.adler32(data[_CHECKED_FROM:length]) != checksum:
        raise FileError("checksum differs: the file is damaged, copy it again")
    forged.check_nnb(data[:length])
    reader = Reader(data)
    reader.take(HEADER.size)
    doorway = reader.doorway(inputs)
    decision = DECISIONS[number]
    offsets, fracs = reader.outputs(values)
    luts = [reader.table() for _ in range(tables)]
    raw_layers = [_read_layer(reader, luts, weight_bits) for _ in range(layers)]
    if values:
        raw_layers[-1]["z_frac"] += fracs - raw_layers[-1]["output_frac"]
        raw_layers[-1]["output_frac"] = fracs
    word = reader.text()
    if word not in precisions.names():
        raise FileError(f"precision {word!r} is not known: export the model again")
    precision = precisions.get(word)
    names = tuple(reader.text() for _ in range(labels))
    door = entries([reader.name_and_step() for _ in range(inputs)], *doorway)
    reader.at = length
    done = tuple(
        QLayer(**fields, low=reader.array("<i4", n), high=reader.array("<i4", n))
        for fields, n in ((f, len(f["bias"])) for f in raw_layers)
    )
    classes, outputs = ((), names) if decision == "values" else (names, ())
    model = QModel(precision, door, done, classes, outputs, decision == "multilabel", offsets)
    proof.check(model)
    return model


def _read_layer(reader: Reader, tables: list[Table], weight_bits: int) -> dict[str, Any]:
    header = LAYER.unpack(reader.take(LAYER.size))
    units, fan_in, limit, input_frac, z_frac, output_frac, instructions, constants, _, result = header
    values = reader.array("<i4", constants).tolist()
    code = [tuple(reader.take(4)) for _ in range(instructions)]
    return {
        "limit": limit,
        "activation": expression(code, values, tables, result) if instructions else None,
        "input_frac": input_frac,
        "z_frac": np.full(units, z_frac),
        "output_frac": np.full(units, output_frac),
        "bias": reader.array("<i4", units),
        "shift": reader.array("u1", units),
        "weights": reader.array(f"<i{weight_bits // 8}", units * fan_in).reshape(units, fan_in),
    }


def save(model: QModel, path: Path) -> None:
    """Write ``model`` to ``path``, whole or not at all."""
    write_whole(path, to_bytes(model))


def load(path: Path) -> QModel:
    """Read a model and prove its bounds again; raises FileError or ProofError with the path in the message."""
    try:
        return from_bytes(path.read_bytes())
    except ValueError as error:
        raise FileError(f"{path}: {error}") from error
