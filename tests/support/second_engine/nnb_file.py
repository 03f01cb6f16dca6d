"""SPEC chapter 7: a model file."""

from __future__ import annotations

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

FORMAT = 2
DECISIONS = ("argmax", "threshold", "values", "multilabel")


@dataclass(frozen=True)
class Layer:
    """SPEC 7.5: one layer; ``limit`` is M, or 0 where z is not saturated; ``weights[j]`` are the weights of unit j."""

    limit: int
    input_frac: int
    z_frac: int
    output_frac: int
    form: Form
    bias: tuple[int, ...]
    shifts: tuple[int, ...]
    weights: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Model:
    """SPEC 7.2, 7.7, 7.8: everything that the file holds; ``lows[n][j]`` and ``highs[n][j]`` bound unit j of layer n."""

    precision: str
    weight_bits: int
    decision: str
    logit_frac: int
    inputs: tuple[Input, ...]
    names: tuple[str, ...]
    steps: tuple[str, ...]
    outputs: tuple[Output, ...]
    tables: tuple[Table, ...]
    layers: tuple[Layer, ...]
    labels: tuple[str, ...]
    lows: tuple[tuple[int, ...], ...]
    highs: tuple[tuple[int, ...], ...]


def rows(values: tuple[int, ...], width: int) -> tuple[tuple[int, ...], ...]:
    """SPEC 7.5: a matrix stored row by row."""
    return tuple(values[start : start + width] for start in range(0, len(values), width))


def read_layer(reader: Reader, weight_bits: int) -> Layer:
    """SPEC 7.5: one layer."""
    units, fan_in = reader.take("H", 2)
    limit = reader.one("i")
    input_frac, z_frac, output_frac = reader.take("h", 3)
    instructions, constants, registers, result = reader.take("B", 4)
    reader.zeros(2)
    form = read_form(reader, instructions, constants, registers, result)
    bias = reader.take("i", units)
    shifts = reader.padded("B", units)
    weights = reader.padded({8: "b", 16: "h"}[weight_bits], units * fan_in)
    return Layer(limit, input_frac, z_frac, output_frac, form, bias, shifts, rows(weights, fan_in))


def read(data: bytes) -> Model:
    """SPEC 7.2, 7.7, 7.8: a whole file. Raises AssertionError where the bytes are not as the text says."""
    size = check_start(data, b"NNB", FORMAT)
    reader = Reader(data, 12)
    inputs, layers, tables = reader.one("H"), reader.one("B"), reader.one("B")
    weight_bits, decision = reader.take("B", 2)
    labels, outputs = reader.take("H", 2)
    logit_frac = reader.one("h")
    doorway = read_inputs(reader, inputs)
    answers = read_outputs(reader, outputs)
    lists = read_tables(reader, tables)
    rooms = tuple(read_layer(reader, weight_bits) for _ in range(layers))
    precision = reader.string()
    names = tuple(reader.string() for _ in range(labels))
    pairs = [(reader.string(), reader.string()) for _ in range(inputs)]
    reader.align()
    assert reader.place == size, "the main part ends elsewhere"
    bounds = [(reader.take("i", len(room.bias)), reader.take("i", len(room.bias))) for room in rooms]
    assert reader.place == len(data), "the file ends elsewhere"
    return Model(
        precision,
        weight_bits,
        DECISIONS[decision],
        logit_frac,
        doorway,
        tuple(n for n, _ in pairs),
        tuple(s for _, s in pairs),
        answers,
        lists,
        rooms,
        names,
        tuple(low for low, _ in bounds),
        tuple(high for _, high in bounds),
    )
