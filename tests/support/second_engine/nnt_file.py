"""SPEC chapter 10: a file of a model that learns."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from second_engine.file_bytes import (
    Form,
    Input,
    Output,
    Reader,
    Table,
    check_start,
    read_form,
    read_inputs,
    read_outputs,
    read_tables,
)
from second_engine.nnb_file import DECISIONS, FORMAT, rows

SCHEMES = ("residual", "carry", "lcg", "nearest")
LEARNING = ("all", "first", "last")
LOSSES = ("auto", "cross_entropy", "squared_error")


@dataclass(frozen=True)
class Shifts:
    """SPEC 10.3: the integers of one layer that follow from shapes and formats."""

    limit: int
    c: int
    c_back: int
    fw: int
    p: int
    sb: int
    sz: int
    p_back: int
    e_shift: int
    slope_frac: int
    update: int
    bias_update: int
    learns: bool


@dataclass(frozen=True)
class LearningLayer:
    """SPEC 10.3: the fixed part of one layer; ``slope`` without instructions is 1."""

    units: int
    fan_in: int
    shifts: Shifts
    value: Form
    slope: Form


@dataclass(frozen=True)
class LayerState:
    """SPEC 9.2, 10.5: what training changes in a layer; ``remainders`` holds one per weight, one, or none."""

    weights: tuple[tuple[int, ...], ...]
    biases: tuple[int, ...]
    remainders: tuple[int, ...]


@dataclass(frozen=True)
class State:
    """SPEC 9.2, 10.5: the learning rate m * 2^-k, the number n of 9.8 and all layers."""

    m: int
    k: int
    n: int
    layers: tuple[LayerState, ...]


@dataclass(frozen=True)
class Standardization:
    """SPEC 10.4: mean, scale and declared range of an input, as reals."""

    mean: float
    scale: float
    low: float
    high: float


@dataclass(frozen=True)
class LearningModel:
    """SPEC 10.2, 10.4: the fixed part of a file."""

    weight_bits: int
    decision: str
    fd: int
    input_frac: int
    fa: int
    largest_fw: int
    scheme: str
    learning: str
    loss: str
    twice_relu_at_zero: int
    softmax: bool
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    tables: tuple[Table, ...]
    layers: tuple[LearningLayer, ...]
    labels: tuple[str, ...]
    names: tuple[str, ...]
    steps: tuple[str, ...]
    activations: tuple[str, ...]
    standardizations: tuple[Standardization, ...]
    left_slopes: tuple[float, ...]


def read_layer(reader: Reader) -> LearningLayer:
    """SPEC 10.3: one layer."""
    units, fan_in = reader.take("H", 2)
    limit, c, c_back = reader.take("i", 3)
    fw = reader.one("b")
    p, sb, sz, p_back, e_shift, slope_frac = reader.take("B", 6)
    update, bias_update = reader.take("b", 2)
    learns = reader.one("B")
    value_counts, slope_counts = reader.take("B", 4), reader.take("B", 4)
    reader.zeros(2)
    value = read_form(reader, *value_counts)
    slope = read_form(reader, *slope_counts)
    shifts = Shifts(limit, c, c_back, fw, p, sb, sz, p_back, e_shift, slope_frac, update, bias_update, bool(learns))
    return LearningLayer(units, fan_in, shifts, value, slope)


def read_state(data: bytes, place: int, model: LearningModel) -> State:
    """SPEC 10.5: the state behind the fixed part."""
    reader = Reader(data, place)
    m, k, n = reader.one("B"), reader.one("B"), reader.one("H")
    layers = []
    for layer in model.layers:
        count = layer.units * layer.fan_in
        weights = reader.padded({8: "b", 16: "h"}[model.weight_bits], count)
        biases = reader.take("i", layer.units)
        remainders = reader.padded("H", {"residual": count, "carry": 1}.get(model.scheme, 0))
        layers.append(LayerState(rows(weights, layer.fan_in), biases, remainders))
    assert reader.one("I") == zlib.adler32(data[place : reader.place - 4]), "checksum of the state"
    assert reader.place == len(data), "the file ends elsewhere"
    return State(m, k, n, tuple(layers))


def read(data: bytes) -> tuple[LearningModel, State]:
    """SPEC 10.1, 10.2, 10.4: a whole file. Raises AssertionError where the bytes are not as the text says."""
    size = check_start(data, b"NNT", FORMAT)
    assert struct.unpack_from("<I", data, 12) == (len(data),), "bytes of the file"
    reader = Reader(data, 16)
    inputs, layers, tables, weight_bits, decision, labels = (reader.one(kind) for kind in "HBBBBH")
    outputs = reader.one("H")
    fd, input_frac, fa = reader.take("b", 3)
    largest_fw, scheme, learning, loss, twice, softmax = reader.take("B", 6)
    reader.zeros(5)
    doorway = read_inputs(reader, inputs)
    answers = read_outputs(reader, outputs)
    lists = read_tables(reader, tables)
    rooms = tuple(read_layer(reader) for _ in range(layers))
    names = tuple(reader.string() for _ in range(labels))
    pairs = [(reader.string(), reader.string()) for _ in range(inputs)]
    activations = tuple(reader.string() for _ in range(layers))
    reader.align()
    standards = tuple(Standardization(*reader.take("d", 4)) for _ in range(inputs))
    left_slopes = reader.take("d", layers)
    assert reader.place == size, "the fixed part ends elsewhere"
    model = LearningModel(
        weight_bits,
        DECISIONS[decision],
        fd,
        input_frac,
        fa,
        largest_fw,
        SCHEMES[scheme],
        LEARNING[learning],
        LOSSES[loss],
        twice,
        bool(softmax),
        doorway,
        answers,
        lists,
        rooms,
        names,
        tuple(name for name, _ in pairs),
        tuple(step for _, step in pairs),
        activations,
        standards,
        left_slopes,
    )
    return model, read_state(data, size, model)
