"""The .nnt file: a model that a board trains on (SPEC 10).

A fixed part, which a board never changes, and behind it the state: rate, weights, biases, remainders. Each part has
an Adler-32 checksum of its own, so that a board that saves sums over the state alone.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnhw_codegen.files.fields import (
    FileError,
    Reader,
    doorway_bytes,
    entries,
    int32_bytes,
    outputs_bytes,
    pad,
    steps_bytes,
    table_bytes,
    text_bytes,
)
from nnhw_codegen.files.nnb import DECISIONS
from nnhw_codegen.integers.expr import Expr, Step, Table, linearize
from nnhw_codegen.integers.fixed import IntArray
from nnhw_codegen.integers.qmodel import FORMAT
from nnhw_codegen.learning import plan as learning_plan
from nnhw_codegen.learning.engine import Learner
from nnhw_codegen.learning.plan import LayerPlan, Plan
from nnhw_codegen.learning.profile import Profile
from nnhw_codegen.learning.trainable import Trainable
from nnhw_codegen.network import activations
from nnhw_codegen.network.activations import Activation
from nnhw_codegen.network.network import Input
from nnhw_codegen.whole_file import write_whole

MAGIC = b"NNT"
_START = struct.Struct("<3sBIII")
HEADER = struct.Struct("<3sBIIIHBBBBHHBBBBBBBBB5x")
LAYER = struct.Struct("<HHiiibBBBBBBbb9B2x")
SCHEMES = ("residual", "carry", "lcg", "nearest")
TRAINED = ("all", "first", "last")
LOSSES = ("auto", "cross_entropy", "mse")
SOFTMAX = "softmax"
IDENTITY_BYTES = 16
"""So many bytes at the start are the same in all files of one model and tell it from any other (SPEC 10.2)."""
_CHECKED_FROM = 12


def _compiled(plan: Plan) -> list[tuple[tuple[Step, ...], int, int]]:
    """(steps, registers, result) of the value and of the slope of each layer; no steps where there is no form."""

    def compile_form(expr: Expr | None) -> tuple[tuple[Step, ...], int, int]:
        if expr is None:
            return (), 1, 0
        steps, result = linearize(expr)
        return steps, 1 + max(step.target.index for step in steps), result.index

    return [compile_form(expr) for layer in plan.layers for expr in (layer.value, layer.slope)]


def _layer_bytes(layer: LayerPlan, forms: list[tuple[tuple[Step, ...], int, int]], tables: list[Table]) -> bytes:
    counts: list[int] = []
    code = b""
    for steps, registers, result in forms:
        constants, body = steps_bytes(steps, tables)
        counts += [len(steps), len(constants), registers, result]
        code += int32_bytes(constants) + body
    shifts = (
        layer.guard,
        layer.bias_shift,
        layer.z_shift,
        layer.back_guard,
        layer.back_shift,
        layer.slope_frac,
        layer.update_base,
        layer.bias_base,
        layer.trains,
    )
    constants32 = (layer.z_limit, layer.forward_constant, layer.back_constant)
    return LAYER.pack(layer.units, layer.fan_in, *constants32, layer.weight_frac, *shifts, *counts) + code


def _fixed_part(model: Trainable) -> bytes:
    """Everything up to the state, but for the header's first 16 bytes."""
    plan, profile = model.learner.plan, model.learner.plan.profile
    forms = _compiled(plan)
    tables = list(dict.fromkeys(step.table for steps, _, _ in forms for step in steps if step.table is not None))
    labels = model.classes or model.outputs
    strings = list(labels)
    strings += [text for entry in model.inputs for text in (entry.name, repr(float(entry.step)))]
    strings += [SOFTMAX if activation is None else activation.name for activation in model.activations]
    numbers = [v for entry in model.inputs for v in (entry.mean, entry.scale, entry.low, entry.high)]
    numbers += [float(a.integer_ramp or 0) if a is not None else 0.0 for a in model.activations]
    counts = (len(model.inputs), len(plan.layers), len(tables), profile.weight_bits, DECISIONS.index(model.decision))
    return b"".join(
        [
            struct.pack("<HBBBBHH", *counts, len(labels), len(model.offsets)),
            bytes([profile.delta_frac, profile.input_frac, profile.activation_frac, profile.weight_frac]),
            bytes([SCHEMES.index(profile.scheme), TRAINED.index(profile.trained), LOSSES.index(profile.loss)]),
            bytes([int(2 * profile.relu_at_zero), plan.softmax]) + bytes(5),
            doorway_bytes(model.doorway),
            outputs_bytes(model.offsets, model.output_fracs),
            *(table_bytes(table) for table in tables),
            *(_layer_bytes(p, forms[2 * k : 2 * k + 2], tables) for k, p in enumerate(plan.layers)),
            pad(b"".join(text_bytes(text) for text in strings)),
            np.array(numbers, dtype="<f8").tobytes(),
        ]
    )


def _state_part(learner: Learner) -> bytes:
    profile = learner.plan.profile
    parts = [struct.pack("<BBH", learner.multiplier, learner.rate_shift, int(learner.noise[0]))]
    for weights, bias, remainder in zip(learner.weights, learner.biases, learner.remainders, strict=True):
        parts += [pad(weights.astype(f"<i{profile.weight_bits // 8}").tobytes()), int32_bytes(bias)]
        if profile.scheme in ("residual", "carry"):
            parts.append(pad(remainder.astype("<u2").tobytes()))
    state = b"".join(parts)
    return state + struct.pack("<I", zlib.adler32(state))


def to_bytes(model: Trainable) -> bytes:
    """The .nnt file of ``model``. Raises ValueError for a name longer than 255 bytes."""
    body, state = _fixed_part(model), _state_part(model.learner)
    length = _START.size + len(body)
    tail = struct.pack("<I", length + len(state)) + body
    return struct.pack("<3sBII", MAGIC, FORMAT, length, zlib.adler32(tail)) + tail + state


def from_bytes(data: bytes) -> Trainable:
    """The model of a .nnt file, its shifts derived and proved again. Raises FileError."""
    if len(data) < HEADER.size or data[:3] != MAGIC:
        raise FileError("not a .nnt file: it does not start with 'NNT'")
    _, found, length, checksum, size = _START.unpack_from(data)
    if found != FORMAT:
        raise FileError(f"model made for format {found}, this nnhw reads {FORMAT}: run 'nnhw export --learn' again")
    if not HEADER.size <= length <= size <= len(data):
        raise FileError(f"file has {len(data)} bytes of {size}: copy it again")
    if zlib.adler32(data[_CHECKED_FROM:length]) != checksum:
        raise FileError("checksum of the fixed part differs: the file is damaged, copy it again")
    if zlib.adler32(data[length : size - 4]) != struct.unpack_from("<I", data, size - 4)[0]:
        raise FileError("checksum of the weights differs: the file is damaged, copy it again")
    model = _read(data[:size], length)
    if to_bytes(model) != data[:size]:
        raise FileError("its shifts are not the ones that its formats prove: run 'nnhw export --learn' again")
    return model


def _read(data: bytes, length: int) -> Trainable:
    header = HEADER.unpack_from(data)[5:]
    inputs, layers, tables, weight_bits, decision, labels, outputs = header[:7]
    delta_frac, input_frac, activation_frac, weight_frac, scheme, trained, loss, at_zero = header[7:15]
    reader = Reader(data)
    reader.take(HEADER.size)
    doorway = reader.doorway(inputs)
    offsets, output_fracs = reader.outputs(outputs)
    for _ in range(tables):
        reader.table()
    shapes, fracs = [], []
    for _ in range(layers):
        fields = LAYER.unpack(reader.take(LAYER.size))
        shapes.append(fields[:2])
        fracs.append(fields[5])
        for steps, constants in (fields[-8:-6], fields[-4:-2]):
            reader.take(4 * (steps + constants))
    names = tuple(reader.text() for _ in range(labels))
    steps = [(reader.text(), float(reader.text())) for _ in range(inputs)]
    kinds = [reader.text() for _ in range(layers)]
    reader.take(-reader.at % 4)
    numbers = np.frombuffer(reader.take(length - reader.at), dtype="<f8")
    scaling, slopes = np.split(numbers, [4 * inputs])
    learned = reader.take(4)
    profile = Profile(
        weight_bits=weight_bits,
        weight_frac=weight_frac,
        seen_bits=weight_bits,
        activation_frac=activation_frac,
        input_frac=input_frac,
        delta_frac=delta_frac,
        scheme=SCHEMES[scheme],  # type: ignore[arg-type]
        rate_multiplier=learned[0],
        rate_shift=learned[1],
        relu_at_zero=at_zero / 2,
        loss=LOSSES[loss],  # type: ignore[arg-type]
        trained=TRAINED[trained],  # type: ignore[arg-type]
    )
    records = tuple(_record(kind, float(slope)) for kind, slope in zip(kinds, slopes, strict=True))
    plan = learning_plan.make([shapes[0][1], *(units for units, _ in shapes)], records, profile, fracs)
    values = scaling.reshape(inputs, 4).tolist()
    return Trainable(
        tuple(Input(name, v[0], v[1], step, v[2], v[3]) for (name, step), v in zip(steps, values, strict=True)),
        entries(steps, *doorway),
        _read_state(reader, plan, int.from_bytes(learned[2:], "little")),
        records,
        () if DECISIONS[decision] == "values" else names,
        names if DECISIONS[decision] == "values" else (),
        DECISIONS[decision] == "multilabel",
        tuple(output_fracs.tolist()),
        offsets,
    )


def _record(name: str, slope: float) -> Activation | None:
    if name == SOFTMAX:
        return None
    return activations.get(name, slope if name == "leaky_relu" else None)


def _read_state(reader: Reader, plan: Plan, noise: int) -> Learner:
    shapes = [(layer.units, layer.fan_in) for layer in plan.layers]
    learner = Learner(plan, [np.zeros((1, *shape)) for shape in shapes], [np.zeros((1, n)) for n, _ in shapes])
    learner.noise[...] = noise

    def fill(array: NDArray[np.int32], values: IntArray) -> None:
        array[...] = values.reshape(array.shape)

    for k, (units, fan_in) in enumerate(shapes):
        fill(learner.weights[k], reader.array(f"<i{plan.profile.weight_bits // 8}", units * fan_in))
        fill(learner.biases[k], reader.array("<i4", units))
        if plan.profile.scheme in ("residual", "carry"):
            fill(learner.remainders[k], reader.array("<u2", learner.remainders[k].size))
    return learner


def save(model: Trainable, path: Path) -> None:
    """Write ``model`` to ``path``, whole or not at all."""
    write_whole(path, to_bytes(model))


def load(path: Path) -> Trainable:
    """Read a model; raises FileError with the path in the message."""
    try:
        return from_bytes(path.read_bytes())
    except ValueError as error:
        raise FileError(f"{path}: {error}") from error
