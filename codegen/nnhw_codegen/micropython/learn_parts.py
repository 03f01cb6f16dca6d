"""Around the steps of nnhw_codegen.micropython.learn: the state, the file that it comes from, and what a user calls."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from string import Template

from nnhw_codegen.files import nnt
from nnhw_codegen.files.fields import Reader
from nnhw_codegen.integers.ticks import reciprocal
from nnhw_codegen.learning.board_program import Plan
from nnhw_codegen.micropython import values as micropython_values
from nnhw_codegen.micropython.interface import exact_text
from nnhw_codegen.writer import Writer, bytes_literal

_FAR = 5e8
"""Every board holds it exactly; targets are below 2^29 (SPEC 9.6)."""

_DOOR = 40


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


def inputs(plan: Plan) -> int:
    """How many inputs the model has."""
    return int(plan.data[16] | plan.data[17] << 8)


def _outputs(plan: Plan) -> int:
    """The number of outputs of a regression, 0 for classes."""
    return int(plan.data[24] | plan.data[25] << 8)


def tables(plan: Plan) -> tuple[int, int]:
    """Where in the file the tables begin and end; with the steps before them, since to skip those takes more code."""
    data = plan.data
    begin = _DOOR + 20 * inputs(plan)
    at = plan.outputs + (6 * _outputs(plan) + 3 & ~3)
    for _ in range(data[19]):
        at += 4 + -(-(data[at] | data[at + 1] << 8) * data[at + 2] // 32) * 4
    return begin, at


def state(plan: Plan) -> dict[int, Array]:
    """The arrays of the state by their places in the file, in its order, without its checksum (SPEC 10.5)."""
    size, scheme = plan.data[20] >> 3, plan.data[30]
    arrays = [Array("H", 2, 2)]
    for (_, count), (units, _) in zip(plan.weights, plan.shapes, strict=True):
        arrays += [Array("bh"[size - 1], size, count + -count % (4 // size)), Array("i", 4, units)]
        if scheme < 2:
            arrays.append(Array("H", 2, 2 if scheme else count + count % 2))
    at, result = plan.state, {}
    for array in arrays:
        result[at] = array
        at += array.size * array.count
    return result


def state_module(plan: Plan, arrays: Iterable[Array], room: int) -> str:
    """What ``load`` fills, doorway D (and formats of values), tables Q and state S, and v, which holds all vectors."""
    begin, end = tables(plan)
    w = Writer()
    w.lines("from array import array", "")
    w.line(f"D = {Array('i', 4, 5 * inputs(plan)).text}")
    w.line(f"Q = {Array('B', 1, end - begin).text}")
    with w.block("S = ("):
        for array in arrays:
            w.line(f"{array.text},")
    w.lines(")", f"v = [0] * {room}")
    return w.text()


_SAVE = Template(
    """from array import array

from NAME_learn_state import S

c = array('H', bytes(4))
s = [0, 0]
t = [True]  # whether PATH is whole, else PATH.new is


def add(a):
    # To the checksum s.
    for b in bytes(a):
        s[0] = (s[0] + b) % 65521
        s[1] = (s[1] + s[0]) % 65521


def write(path, other):
    with open(other, 'rb') as f, open(path, 'wb') as g:
        for k in range(0, $fixed, 4):
            f.readinto(c)
            g.write(c)
        s[0] = 1
        s[1] = 0
        for a in S:
            g.write(a)
            add(a)
        g.write(array('H', s))


def save(path):
    # To the file that was loaded. While one of two files is written, the other one is whole.
    if t[0]:
        write(path + '.new', path)
    t[0] = False
    write(path, path + '.new')
    t[0] = True
"""
)

_LOAD = Template(
    """from NAME_learn_save import add, c, s, t, write
from NAME_learn_state import D, Q, S


def take(f, arrays):
    for a in arrays:
        f.readinto(a)
        add(a)


def read(path):
    with open(path, 'rb') as f:
        s[0] = $low
        s[1] = $high
        if f.read($identity) != $header:
            raise ValueError(path + ': another model')
        take(f, (c, c, c, c, c, c, D, Q))
        for k in range($end, $fixed, 4):
            take(f, (c,))
        if s == $sum:
            s[0] = 1
            s[1] = 0
            take(f, S)
            f.readinto(c)
            if s == list(c):
                return
    raise ValueError(path + ': damaged, copy it again')


def load(path):
    # From PATH, or from PATH.new where a save was cut off, which is then finished if there is room.
    t[0] = True
    try:
        read(path)
    except (OSError, ValueError) as error:
        try:
            read(path + '.new')
        except (OSError, ValueError):
            raise error
        t[0] = False
        try:
            write(path, path + '.new')
            t[0] = True
        except OSError:
            pass
"""
)


def file_modules(plan: Plan) -> dict[str, str]:
    """``save`` and ``load``; what training never changes stays in the file, but for doorway and tables."""
    data = plan.data
    begun = zlib.adler32(data[12 : nnt.IDENTITY_BYTES])
    values = {
        "header": bytes_literal(bytes(data[: nnt.IDENTITY_BYTES])),
        "identity": nnt.IDENTITY_BYTES,
        "low": begun & 65535,
        "high": begun >> 16,
        "end": tables(plan)[1],
        "fixed": plan.state,
        "sum": list(struct.unpack_from("<2H", data, 8)),
    }
    return {"_save": _SAVE.substitute(values), "_load": _LOAD.substitute(values)}


def gives_values(plan: Plan) -> bool:
    """True for a regression."""
    return bool(plan.data[21] == 2)


def answers_each(plan: Plan) -> bool:
    """True for answers of yes or no, one per class."""
    return bool(plan.data[21] == 3)


def _formats(plan: Plan) -> list[tuple[float, float]]:
    """Of each value of a regression: codes per unit, and what is added (SPEC 9.10)."""
    offsets, fracs = Reader(bytes(plan.data[plan.outputs :])).outputs(_outputs(plan))
    return [(2.0**frac, offset) for frac, offset in zip(fracs.tolist(), offsets, strict=True)]


def values(w: Writer, plan: Plan, y: int) -> None:
    """Return the outputs at ``y`` as reals."""
    found = [
        f"v[{y + j}] / {unit!r}" + (f" + {exact_text(offset)}" if offset else "")
        for j, (unit, offset) in enumerate(_formats(plan))
    ]
    w.line(f"return {', '.join(found)}")


def decide(w: Writer, plan: Plan, z: int) -> None:
    """Return the class of the pre-activations at ``z``, the first of equals, or answers of yes or no (SPEC 6)."""
    units = plan.units
    if answers_each(plan):
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


def aim(w: Writer, plan: Plan, targets: int) -> None:
    """Make ``target`` codes at ``targets``."""
    units, frac = plan.units, plan.data[26]
    if gives_values(plan):
        for j, (unit, offset) in enumerate(_formats(plan)):
            target = "target" if units == 1 else f"target[{j}]"
            code = f"{f'({target} - {exact_text(offset)})' if offset else target} * {unit!r} + 0.5"
            w.line(f"v[{targets + j}] = floor(min(max({code}, {-_FAR}), {_FAR}))")
        return
    if answers_each(plan):
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


def interface(plan: Plan) -> str:
    """The module to import where memory allows: raw values in place of ticks, names, another rate."""
    data = plan.data
    labels = data[22] | data[23] << 8
    at, texts = plan.texts, []
    for _ in range(labels + 2 * inputs(plan)):
        texts.append(bytes(data[at + 1 : at + 1 + data[at]]).decode())
        at += 1 + data[at]
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
    w.line(f"# Inputs: {', '.join(map(repr, texts[labels::2]))}")
    w.line(f"{'OUTPUTS' if gives_values(plan) else 'CLASSES'} = {tuple(texts[:labels])!r}")
    w.line(f"_t = [0] * {inputs(plan)}")
    micropython_values.emit(w, [reciprocal(float(text)) for text in texts[labels + 1 :: 2]])
    with w.function("predict(values)", "Raw values to the answer."):
        w.lines("ticks_from_values(values, _t)", "return predict_ticks(_t)")
    if not gives_values(plan):
        told = "a tuple of the names that are answered with yes" if answers_each(plan) else "the name of the class"
        with w.function("label(values)", f"Raw values to {told}."):
            if answers_each(plan):
                w.line("b = predict(values)")
                w.line(f"return tuple([CLASSES[j] for j in range({plan.units}) if b >> j & 1])")
            else:
                w.line("return CLASSES[predict(values)]")
    with w.function("learn(values, target)", "One step of training: raw values, and what the answer should be."):
        w.lines("ticks_from_values(values, _t)", "learn_ticks(_t, target)")
    _rate(w, plan)
    return w.text()


def _rate(w: Writer, plan: Plan) -> None:
    bases = [plan.program[k + 17] for k in plan.updates]
    low, high = max(0, -min(bases)), min(20, 33 - max(bases))
    with w.function("rate(multiplier, shift)", "Learn at multiplier * 2^-shift from now on."):
        with w.block(f"if multiplier not in (1, 3) or not {low} <= shift <= {high}:"):
            w.line(f"raise ValueError('expected 1 or 3, and {low} to {high}')")
        w.line("h = S[0]")
        if plan.data[30] < 2:
            pairs = "".join(f"(S[{3 * n + 3}], {base}), " for n, (base, _, _) in enumerate(plan.remainders))
            with w.block(f"for r, s in ({pairs.rstrip()}):"):
                w.line("d = min(s + shift, 16) - min(s + (h[0] >> 8), 16)")
                with w.block("for i in range(len(r)):"):
                    w.line("r[i] = r[i] << d if d > 0 else r[i] >> -d")
        w.line("h[0] = multiplier | shift << 8")
