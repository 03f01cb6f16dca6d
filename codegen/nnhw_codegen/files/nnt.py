"""The .nnt file: a model that a board trains on (SPEC 10).

A fixed part, which a board never changes, and behind it the state: rate, weights, biases, remainders. Each part has
an Adler-32 checksum of its own, so that a board that saves sums over the state alone.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnhw_codegen.files import forged
from nnhw_codegen.files.fields import (
    FileError,
    Reader,
    doorway_bytes,
    entries,
    instruction_bytes,
    int32_bytes,
    outputs_bytes,
    pad,
    table_bytes,
    text_bytes,
)
from nnhw_codegen.files.nnb import DECISIONS
from nnhw_codegen.files.nnt_fields import HEADER, LAYER, Header, LayerFields, header_of
from nnhw_codegen.integers.expr import Expr, Instruction, Table, linearize
from nnhw_codegen.integers.fixed import IntArray
from nnhw_codegen.integers.qmodel import FORMAT
from nnhw_codegen.learning import plan as learning_plan
from nnhw_codegen.learning.engine import Learner
from nnhw_codegen.learning.plan import LayerPlan, Plan
from nnhw_codegen.learning.profile import LOSSES, SCHEMES, TRAINED, Profile
from nnhw_codegen.learning.trainable import Trainable
from nnhw_codegen.network import activations
from nnhw_codegen.network.activations import Activation
from nnhw_codegen.network.network import Input
from nnhw_codegen.whole_file import write_whole

MAGIC = b"NNT"
_RATE = struct.Struct("<BBH")
IDENTITY_BYTES = 16
"""So many bytes at the start are the same in all files of one model and tell it from any other (SPEC 10.2)."""
_CHECKED_FROM = 12


@dataclass(frozen=True)
class _Form:
    """The instructions of a value or of a slope, none where it has no form."""

    instructions: tuple[Instruction, ...] = ()
    registers: int = 1
    result: int = 0

    @classmethod
    def of(cls, expr: Expr | None) -> _Form:
        if expr is None:
            return cls()
        instructions, result = linearize(expr)
        return cls(instructions, 1 + max(instruction.into.index for instruction in instructions), result.index)


@dataclass(frozen=True)
class _Layer:
    """What the fixed part says of a layer."""

    plan: LayerPlan
    value: _Form
    slope: _Form

    def to_bytes(self, tables: Sequence[Table]) -> bytes:
        plan, value, slope = self.plan, self.value, self.slope
        value_constants, value_code = instruction_bytes(value.instructions, tables)
        slope_constants, slope_code = instruction_bytes(slope.instructions, tables)
        fields = LayerFields(
            units=plan.units,
            fan_in=plan.fan_in,
            z_limit=plan.z_limit,
            forward_constant=plan.forward_constant,
            back_constant=plan.back_constant,
            weight_frac=plan.weight_frac,
            guard=plan.guard,
            bias_shift=plan.bias_shift,
            z_shift=plan.z_shift,
            back_guard=plan.back_guard,
            back_shift=plan.back_shift,
            slope_frac=plan.slope_frac,
            update_base=plan.update_base,
            bias_base=plan.bias_base,
            trains=plan.trains,
            value_steps=len(value.instructions),
            value_constants=len(value_constants),
            value_registers=value.registers,
            value_result=value.result,
            slope_steps=len(slope.instructions),
            slope_constants=len(slope_constants),
            slope_registers=slope.registers,
            slope_result=slope.result,
        )
        code = int32_bytes(value_constants) + value_code + int32_bytes(slope_constants) + slope_code
        return LAYER.pack(*fields) + code


def _fixed_part(model: Trainable, state_size: int) -> bytes:
    """Everything up to the state, which has so many bytes."""
    plan, profile = model.learner.plan, model.learner.plan.profile
    layers = [_Layer(layer, _Form.of(layer.value), _Form.of(layer.slope)) for layer in plan.layers]
    forms = [form for layer in layers for form in (layer.value, layer.slope)]
    instructions = [instruction for form in forms for instruction in form.instructions]
    tables = list(dict.fromkeys(instruction.table for instruction in instructions if instruction.table is not None))
    labels = model.classes or model.outputs
    strings = list(labels)
    strings += [text for entry in model.inputs for text in (entry.name, repr(float(entry.step)))]
    strings += [activation.name for activation in model.activations]
    numbers = [v for entry in model.inputs for v in (entry.mean, entry.scale, entry.low, entry.high)]
    numbers += [float(a.integer_ramp or 0) for a in model.activations]
    body = b"".join(
        [
            doorway_bytes(model.doorway),
            outputs_bytes(model.offsets, model.output_fracs),
            *(table_bytes(table) for table in tables),
            *(layer.to_bytes(tables) for layer in layers),
            pad(b"".join(text_bytes(text) for text in strings)),
            np.array(numbers, dtype="<f8").tobytes(),
        ]
    )
    length = HEADER.size + len(body)
    header = Header(
        magic=MAGIC,
        format=FORMAT,
        length=length,
        checksum=0,
        size=length + state_size,
        inputs=len(model.inputs),
        layers=len(layers),
        tables=len(tables),
        weight_bits=profile.weight_bits,
        decision=DECISIONS.index(model.decision),
        labels=len(labels),
        outputs=len(model.offsets),
        delta_frac=profile.delta_frac,
        input_frac=profile.input_frac,
        activation_frac=profile.activation_frac,
        weight_frac=profile.weight_frac,
        scheme=SCHEMES.index(profile.scheme),
        trained=TRAINED.index(profile.trained),
        loss=LOSSES.index(profile.loss),
        twice_relu_at_zero=int(2 * profile.relu_at_zero),
        softmax=plan.softmax,
    )
    checksum = zlib.adler32(HEADER.pack(*header)[_CHECKED_FROM:] + body)
    return HEADER.pack(*header._replace(checksum=checksum)) + body


def _state_part(learner: Learner) -> bytes:
    profile = learner.plan.profile
    parts = [_RATE.pack(learner.multiplier, learner.rate_shift, int(learner.noise[0]))]
    for weights, bias, remainder in zip(learner.weights, learner.biases, learner.remainders, strict=True):
        parts += [pad(weights.astype(f"<i{profile.weight_bits // 8}").tobytes()), int32_bytes(bias)]
        if profile.scheme in ("residual", "carry"):
            parts.append(pad(remainder.astype("<u2").tobytes()))
    state = b"".join(parts)
    return state + struct.pack("<I", zlib.adler32(state))


def to_bytes(model: Trainable) -> bytes:
    """The .nnt file of ``model``. Raises ValueError for a name longer than 255 bytes."""
    state = _state_part(model.learner)
    return _fixed_part(model, len(state)) + state


def from_bytes(data: bytes) -> Trainable:
    """The model of a .nnt file, its shifts derived and proved again. Raises FileError."""
    if len(data) < HEADER.size or data[:3] != MAGIC:
        raise FileError("not a .nnt file: it does not start with 'NNT'")
    header = header_of(data)
    length, size = header.length, header.size
    if header.format != FORMAT:
        raise FileError(
            f"model made for format {header.format}, this nnhw reads {FORMAT}: run 'nnhw export --learn' again"
        )
    if not HEADER.size <= length <= size <= len(data):
        raise FileError(f"file has {len(data)} bytes of {size}: copy it again")
    if zlib.adler32(data[_CHECKED_FROM:length]) != header.checksum:
        raise FileError("checksum of the fixed part differs: the file is damaged, copy it again")
    if zlib.adler32(data[length : size - 4]) != struct.unpack_from("<I", data, size - 4)[0]:
        raise FileError("checksum of the weights differs: the file is damaged, copy it again")
    forged.check_nnt(data[:size])
    try:
        model = _read(data[:size], header)
    except FileError:
        raise
    except ValueError as error:  # of the plan: shapes, formats or a rate that do not train
        raise FileError(str(error)) from None
    if to_bytes(model) != data[:size]:
        raise FileError("its shifts are not the ones that its formats prove: run 'nnhw export --learn' again")
    return model


def _read(data: bytes, header: Header) -> Trainable:
    reader = Reader(data)
    reader.take(HEADER.size)
    doorway = reader.doorway(header.inputs)
    offsets, output_fracs = reader.outputs(header.outputs)
    for _ in range(header.tables):
        reader.table()
    layers = [_read_layer(reader) for _ in range(header.layers)]
    names = tuple(reader.text() for _ in range(header.labels))
    steps = [reader.name_and_step() for _ in range(header.inputs)]
    kinds = [reader.text() for _ in layers]
    reader.take(-reader.at % 4)
    numbers = np.frombuffer(reader.take(header.length - reader.at), dtype="<f8")
    scaling, slopes = np.split(numbers, [4 * header.inputs])
    records = tuple(_record(kind, float(slope)) for kind, slope in zip(kinds, slopes, strict=True))
    multiplier, rate_shift, noise = _RATE.unpack(reader.take(_RATE.size))
    profile = _profile(header, multiplier, rate_shift)
    sizes = [layers[0].fan_in, *(layer.units for layer in layers)]
    plan = learning_plan.make(sizes, records, profile, [layer.weight_frac for layer in layers])
    values = scaling.reshape(header.inputs, 4).tolist()
    decision = DECISIONS[header.decision]
    return Trainable(
        tuple(Input(name, v[0], v[1], step, v[2], v[3]) for (name, step), v in zip(steps, values, strict=True)),
        entries(steps, *doorway),
        _read_state(reader, plan, noise),
        records,
        () if decision == "values" else names,
        names if decision == "values" else (),
        decision == "multilabel",
        tuple(output_fracs.tolist()),
        offsets,
    )


def _read_layer(reader: Reader) -> LayerFields:
    """A layer's fields; its instructions follow from its activation."""
    fields = LayerFields(*LAYER.unpack(reader.take(LAYER.size)))
    reader.take(4 * (fields.value_steps + fields.value_constants + fields.slope_steps + fields.slope_constants))
    return fields


def _profile(header: Header, multiplier: int, rate_shift: int) -> Profile:
    return Profile(
        weight_bits=header.weight_bits,
        weight_frac=header.weight_frac,
        seen_bits=header.weight_bits,
        activation_frac=header.activation_frac,
        input_frac=header.input_frac,
        delta_frac=header.delta_frac,
        scheme=SCHEMES[header.scheme],
        rate_multiplier=multiplier,
        rate_shift=rate_shift,
        relu_at_zero=header.twice_relu_at_zero / 2,
        loss=LOSSES[header.loss],
        trained=TRAINED[header.trained],
    )


def _record(name: str, slope: float) -> Activation:
    return activations.get(name, slope if activations.get(name).has_slope else None)


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
