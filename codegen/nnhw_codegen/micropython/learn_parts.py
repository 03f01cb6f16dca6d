"""Around the steps of nnhw_codegen.micropython.learn: the state, the file that it comes from, and what a user calls."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from functools import cached_property

from nnhw_codegen.files import nnt
from nnhw_codegen.files.fields import Reader
from nnhw_codegen.files.nnb import DECISIONS
from nnhw_codegen.files.nnt_fields import HEADER, Header, header_of
from nnhw_codegen.integers.ticks import reciprocal
from nnhw_codegen.learning import board_program
from nnhw_codegen.learning.blocks import BoardProgram, UpdateBlock
from nnhw_codegen.micropython import values as micropython_values
from nnhw_codegen.micropython.interface import exact_text
from nnhw_codegen.network.network import Decision
from nnhw_codegen.writer import Writer, bytes_literal, fill_template

TEMPLATES = "nnhw_codegen.micropython"

_FAR = 5e8
"""Every board holds it exactly; targets are below 2^29 (SPEC 9.6)."""

_DOORWAY_ROW = 20
"""Bytes of an input (SPEC 7.3)."""


@dataclass(frozen=True)
class Array:
    """A part of the file as the board holds it: array type, bytes of an entry, entries with those that pad it."""

    kind: str
    size: int
    count: int

    @property
    def text(self) -> str:
        """As an expression."""
        return f"array({self.kind!r}, bytes({self.size * self.count}))"


@dataclass(frozen=True)
class Model:
    """A .nnt file that modules are made for."""

    program: BoardProgram
    header: Header

    @classmethod
    def of(cls, data: bytes) -> Model:
        """That of the file's bytes."""
        return cls(board_program.read(data), header_of(data))

    @property
    def decision(self) -> Decision:
        """What becomes of the outputs."""
        return DECISIONS[self.header.decision]

    @property
    def tables_begin(self) -> int:
        """Where in the file the tables begin; with the steps before them, since to skip those takes more code."""
        return HEADER.size + _DOORWAY_ROW * self.header.inputs

    @cached_property
    def tables_end(self) -> int:
        """Where they end."""
        reader = Reader(self.program.data)
        reader.at = self.program.outputs
        reader.outputs(self.header.outputs)
        for _ in range(self.header.tables):
            reader.table()
        return reader.at

    @cached_property
    def state(self) -> tuple[Array, ...]:
        """The arrays of the state in the order of the file, without its checksum (SPEC 10.5)."""
        size, scheme = self.program.weight_bits >> 3, self.program.scheme
        arrays = [Array("H", 2, 2)]
        for layer in self.program.layers:
            count = layer.weights
            arrays += [Array("bh"[size - 1], size, count + -count % (4 // size)), Array("i", 4, layer.units)]
            if scheme == "residual":
                arrays.append(Array("H", 2, count + count % 2))
            elif scheme == "carry":
                arrays.append(Array("H", 2, 2))
        return tuple(arrays)

    def array_at(self, place: int) -> str:
        """The array that holds the byte at ``place`` in the file, as an expression."""
        end = self.program.state
        for number, array in enumerate(self.state):
            end += array.size * array.count
            if place < end:
                return f"S[{number}]"
        raise IndexError(f"byte {place} is behind the state, which ends at {end}")

    @property
    def formats(self) -> list[tuple[float, float]]:
        """Of each value of a regression: codes per unit, and what is added (SPEC 9.10)."""
        reader = Reader(self.program.data)
        reader.at = self.program.outputs
        offsets, fracs = reader.outputs(self.header.outputs)
        return [(2.0**frac, offset) for frac, offset in zip(fracs.tolist(), offsets, strict=True)]

    def texts(self) -> tuple[list[str], list[tuple[str, float]]]:
        """The labels, and of each input its name and its step."""
        reader = Reader(self.program.data)
        reader.at = self.program.texts
        labels = [reader.text() for _ in range(self.header.labels)]
        return labels, [(reader.text(), float(reader.text())) for _ in range(self.header.inputs)]


def state_module(model: Model, room: int) -> str:
    """What ``load`` fills, doorway D (and formats of values), tables Q and state S, and v, which holds all vectors."""
    w = Writer()
    w.lines("from array import array", "")
    w.line(f"D = {Array('i', 4, 5 * model.header.inputs).text}")
    w.line(f"Q = {Array('B', 1, model.tables_end - model.tables_begin).text}")
    with w.block("S = ("):
        for array in model.state:
            w.line(f"{array.text},")
    w.lines(")", f"v = [0] * {room}")
    return w.text()


def file_modules(model: Model) -> dict[str, str]:
    """``save`` and ``load``; what training never changes stays in the file, but for doorway and tables."""
    data, fixed = model.program.data, model.program.state
    begun = zlib.adler32(data[12 : nnt.IDENTITY_BYTES])
    load = fill_template(
        TEMPLATES,
        "learn_load.py",
        header=bytes_literal(data[: nnt.IDENTITY_BYTES]),
        identity=nnt.IDENTITY_BYTES,
        low=begun & 65535,
        high=begun >> 16,
        end=model.tables_end,
        fixed=fixed,
        sum=list(struct.unpack_from("<2H", data, 8)),
    )
    return {"_save": fill_template(TEMPLATES, "learn_save.py", fixed=fixed), "_load": load}


def values(w: Writer, model: Model, y: int) -> None:
    """Return the outputs at ``y`` as reals."""
    found = [
        f"v[{y + j}] / {unit!r}" + (f" + {exact_text(offset)}" if offset else "")
        for j, (unit, offset) in enumerate(model.formats)
    ]
    w.line(f"return {', '.join(found)}")


def decide(w: Writer, model: Model, z: int) -> None:
    """Return the class of the pre-activations at ``z``, the first of equals, or answers of yes or no (SPEC 6)."""
    units = model.program.z.count
    if model.decision == "multilabel":
        w.line("b = 0")
        with w.block(f"for j in range({units}):"):
            w.line(f"b |= (v[{z} + j] > 0) << j")
        w.line("return b")
        return
    if units == 1:
        w.line(f"return int(v[{z}] > 0)")
        return
    w.line(f"b = {z}")
    with w.block(f"for j in range({z + 1}, {z + units}):"), w.block("if v[j] > v[b]:"):
        w.line("b = j")
    w.line(f"return b - {z}")


def aim(w: Writer, model: Model, targets: int) -> None:
    """Make ``target`` codes at ``targets``."""
    units, frac = model.program.targets.count, model.header.delta_frac
    if model.decision == "values":
        for j, (unit, offset) in enumerate(model.formats):
            target = "target" if units == 1 else f"target[{j}]"
            code = f"{f'({target} - {exact_text(offset)})' if offset else target} * {unit!r} + 0.5"
            w.line(f"v[{targets + j}] = floor(min(max({code}, {-_FAR}), {_FAR}))")
        return
    if model.decision == "multilabel":
        with w.block(f"for j in range({units}):"):
            w.line(f"v[{targets} + j] = (target[j] > 0) << {frac}")
        return
    with w.block(f"if not 0 <= target < {max(units, 2)}:"):
        w.line(f"raise ValueError('class %s of {max(units, 2)}' % target)")
    if units == 1:
        w.line(f"v[{targets}] = target << {frac}")
        return
    with w.block(f"for j in range({units}):"):
        w.line(f"v[{targets} + j] = (j == target) << {frac}")


def interface(model: Model) -> str:
    """The module to import where memory allows: raw values in place of ticks, names, another rate."""
    labels, inputs = model.texts()
    each = model.decision == "multilabel"
    w = Writer()
    w.lines(micropython_values.IMPORT, "")
    for part, names in (
        ("backward", "learn_ticks"),
        ("forward", "predict_ticks"),
        ("load", "load"),
        ("save", "save"),
        ("state", "S"),
    ):
        w.line(f"from NAME_learn_{part} import {names}")
    w.line()
    w.line(f"# Inputs: {', '.join(repr(name) for name, _ in inputs)}")
    w.line(f"{'OUTPUTS' if model.decision == 'values' else 'CLASSES'} = {tuple(labels)!r}")
    w.line(f"_t = [0] * {len(inputs)}")
    micropython_values.emit(w, [reciprocal(step) for _, step in inputs])
    with w.function("predict(values)", "Raw values to the answer."):
        w.lines("ticks_from_values(values, _t)", "return predict_ticks(_t)")
    if model.decision != "values":
        told = "a tuple of the names that are answered with yes" if each else "the name of the class"
        with w.function("label(values)", f"Raw values to {told}."):
            if each:
                w.line("b = predict(values)")
                w.line(f"return tuple([CLASSES[j] for j in range({len(labels)}) if b >> j & 1])")
            else:
                w.line("return CLASSES[predict(values)]")
    with w.function("learn(values, target)", "One step of training: raw values, and what the answer should be."):
        w.lines("ticks_from_values(values, _t)", "learn_ticks(_t, target)")
    _rate(w, model.program)
    return w.text()


def _rate(w: Writer, program: BoardProgram) -> None:
    bases = [block.weight_base for block in program.learn.blocks if isinstance(block, UpdateBlock)]
    low, high = max(0, -min(bases)), min(20, 33 - max(bases))
    with w.function("rate(multiplier, shift)", "Learn at multiplier * 2^-shift from now on."):
        with w.block(f"if multiplier not in (1, 3) or not {low} <= shift <= {high}:"):
            w.line(f"raise ValueError('expected 1 or 3, and {low} to {high}')")
        w.line("h = S[0]")
        if program.scheme in ("residual", "carry"):
            pairs = "".join(f"(S[{3 * n + 3}], {layer.weight_base}), " for n, layer in enumerate(program.layers))
            with w.block(f"for r, s in ({pairs.rstrip()}):"):
                w.line("d = min(s + shift, 16) - min(s + (h[0] >> 8), 16)")
                with w.block("for i in range(len(r)):"):
                    w.line("r[i] = r[i] << d if d > 0 else r[i] >> -d")
        w.line("h[0] = multiplier | shift << 8")
