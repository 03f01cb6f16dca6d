"""Training of one model in loops, for boards that have no room for nnrun: a few small modules that every MicroPython runs.

They are nnrun's program with its numbers built in; weights and tables are arrays, filled from the .nnt file. A board that
compiles a module holds its syntax tree in memory, so the modules are small; names are short and there are no docstrings,
as both would take heap. A step puts nothing on the heap.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

from nnhw_codegen.integers.expr import Register, Table
from nnhw_codegen.learning.blocks import (
    BackBlock,
    BelowTopBlock,
    Block,
    ClipBlock,
    CurveBlock,
    DeltaBlock,
    DenseBlock,
    DoorwayBlock,
    ShareBlock,
    SlopeBlock,
    UpdateBlock,
    Vector,
)
from nnhw_codegen.learning.profile import Scheme
from nnhw_codegen.micropython import learn_parts
from nnhw_codegen.micropython.activation import Instructions, operand, print_instructions
from nnhw_codegen.micropython.interface import ANSWER
from nnhw_codegen.writer import Writer, fill_template

_PLACE = re.compile(r"^from NAME_", re.MULTILINE)


@dataclass
class _Modules:
    """A module as it is written, and what all modules share.

    ``places`` are those of vectors in v, of which ``size`` entries are in use, by place in nnrun's room; ``curves`` are
    the functions of activations, ``tables`` where Q has the tables that they look into.
    """

    model: learn_parts.Model
    places: dict[int, int] = field(default_factory=dict)
    size: int = 0
    curves: dict[tuple[Instructions, Register], str] = field(default_factory=dict)
    tables: dict[Table, int] = field(default_factory=dict)
    imports: dict[str, set[str]] = field(default_factory=dict)
    w: Writer = field(default_factory=Writer)

    def at(self, vector: Vector) -> int:
        """Where a vector lies in v."""
        if vector.place not in self.places:
            self.places[vector.place] = self.size
            self.size += vector.count
        return self.places[vector.place]

    def blocks(self, blocks: Sequence[Block]) -> None:
        """What these blocks do."""
        for block in blocks:
            _PRINTERS[type(block)](self, block)

    def call(self, part: str, function: str, *arguments: object) -> None:
        """A call of a function of another module."""
        self.take(part, function)
        self.w.line(f"{function}({', '.join(map(str, arguments))})")

    def take(self, part: str, *names: str) -> None:
        """Import names from another module."""
        self.imports.setdefault(part, set()).update(names)

    def text(self) -> str:
        """The module out of what was taken and written; begin anew."""
        lines = [f"from NAME_learn_{part} import {', '.join(sorted(names))}" for part, names in self.imports.items()]
        text = "\n".join(lines) + self.w.text()
        self.w, self.imports = Writer(), {}
        return text


def files(data: bytes, name: str, banner: str) -> dict[str, bytes]:
    """The modules that train the model of a .nnt file, {file name: content}, in the order in which to import them.

    The last one is what a user imports where memory allows, the others are its parts.
    """
    model = learn_parts.Model.of(data)
    program, m = model.program, _Modules(model)
    learn = program.learn.blocks
    to_deltas = tuple(takewhile(lambda block: not isinstance(block, (BackBlock, UpdateBlock)), learn))
    forward = _forward(m)
    error = _error(m, program.answer.blocks + to_deltas)
    backward = _backward(m, learn[len(to_deltas) :])
    modules = {
        "_state": learn_parts.state_module(model, m.size),
        **learn_parts.file_modules(model),
        **{f"_{function}": _curve_module(m, *curve, function) for curve, function in m.curves.items()},
        "_update": _update_module(program.scheme, program.weight_bits),
        "_layers": fill_template(learn_parts.TEMPLATES, "learn_layers.py"),
        "_forward": forward,
        "_error": error,
        "_backward": backward,
        "": learn_parts.interface(model),
    }
    return {
        f"{name}_learn{part}.py": f"# {banner}\n{re.sub(_PLACE, f'from {name}_', text)}".encode()
        for part, text in modules.items()
    }


def _forward(m: _Modules) -> str:
    program = m.model.program
    m.take("state", "v")
    with m.w.function("forward(t)"):
        m.w.line("# Ticks t to the last pre-activations.")
        m.blocks(program.decide.blocks)
    with m.w.function("predict_ticks(t)"):
        m.w.line(f"# Ticks to the {ANSWER[m.model.decision]}.")
        m.w.line("forward(t)")
        if m.model.decision == "values":
            m.blocks(program.answer.blocks)
            learn_parts.values(m.w, m.model, m.at(program.y))
        else:
            learn_parts.decide(m.w, m.model, m.at(program.z))
    return m.text()


def _error(m: _Modules, blocks: Sequence[Block]) -> str:
    m.take("state", "v")
    with m.w.function("error(target)"):
        m.w.line("# Last pre-activations, and what the answer should be, to deltas.")
        learn_parts.aim(m.w, m.model, m.at(m.model.program.targets))
        m.blocks(blocks)
    return ("from math import floor\n\n" if m.model.decision == "values" else "") + m.text()


def _backward(m: _Modules, blocks: Sequence[Block]) -> str:
    with m.w.function("learn_ticks(t, target)"):
        m.w.line("# One step of training: ticks, and what the answer should be.")
        m.call("forward", "forward", "t")
        m.call("error", "error", "target")
        m.blocks(blocks)
    return m.text()


def _doorway(m: _Modules, block: DoorwayBlock) -> None:
    m.take("state", "D")
    m.w.line("k = 0")
    with m.w.block(f"for i in range({block.codes.count}):"):
        m.w.line("a = min(max(t[i] - D[k], 0), D[k + 1])")
        m.w.lines(f"v[{m.at(block.codes)} + i] = a * D[k + 2] + D[k + 3] >> D[k + 4]", "k += 5")


def _dense(m: _Modules, block: DenseBlock) -> None:
    m.take("state", "S")
    m.call(
        "layers",
        "dense",
        block.inputs.count,
        m.at(block.inputs),
        m.at(block.z),
        m.at(block.y),
        m.model.array_at(block.weights),
        m.model.array_at(block.biases),
        block.guard,
        block.bias_shift,
        block.constant,
        block.shift,
        block.limit,
        block.floor,
    )


def _curve(m: _Modules, block: CurveBlock) -> None:
    m.tables.update(block.tables)
    function = m.curves.setdefault((block.instructions, block.register), f"curve{len(m.curves)}")
    m.call(function, function, block.source.count, m.at(block.source), m.at(block.result))


def _curve_module(m: _Modules, instructions: Instructions, result: Register, function: str) -> str:
    def look(table: Table, index: str) -> str:
        at = m.tables[table] - m.model.tables_begin
        if table.bits == 8:
            return f"Q[{index} + {at}]"
        return f"Q[2 * {index} + {at}] | Q[2 * {index} + {at + 1}] << 8"

    w = Writer()
    w.line("from NAME_learn_state import Q, v")
    with w.function(f"{function}(n, x, y)"), w.block("for i in range(n):"):
        w.line("r0 = v[x + i]")
        print_instructions(w, instructions, look, _choose)
        w.line(f"v[y + i] = {operand(result)}")
    return w.text()


def _choose(w: Writer, op: str, into: str, a: str, b: str) -> None:
    """min or max as a call: the shortest text, and nothing asks a step of training to take the same time for all data."""
    w.line(f"{into} = {op}({a}, {b})")


def _clip(m: _Modules, block: ClipBlock) -> None:
    m.take("state", "v")
    with m.w.block(f"for j in range({block.z.count}):"):
        m.w.line(f"v[{m.at(block.result)} + j] = min(max(v[{m.at(block.z)} + j], -32767), 32767)")


def _below_top(m: _Modules, block: BelowTopBlock) -> None:
    units, z, result = block.z.count, m.at(block.z), m.at(block.result)
    m.w.line(f"a = v[{z}]")
    with m.w.block(f"for j in range({z + 1}, {z + units}):"):
        m.w.line("a = max(a, v[j])")
    with m.w.block(f"for j in range({units}):"):
        m.w.line(f"v[{result} + j] = min(a - v[{z} + j], 32767)")


def _share(m: _Modules, block: ShareBlock) -> None:
    first = m.at(block.values)
    end = first + block.values.count
    m.w.line("a = 0")
    with m.w.block(f"for j in range({first}, {end}):"):
        m.w.line("a += v[j]")
    with m.w.block(f"for j in range({first}, {end}):"):
        m.w.line(f"v[j] = ((v[j] << {block.frac}) + (a >> 1)) // a")


def _delta(m: _Modules, block: DeltaBlock) -> None:
    y, targets, result = m.at(block.outputs), m.at(block.targets), m.at(block.deltas)
    with m.w.block(f"for j in range({block.outputs.count}):"):
        m.w.line(f"v[{result} + j] = min(max(v[{y} + j] - v[{targets} + j], -32767), 32767)")


def _back(m: _Modules, block: BackBlock) -> None:
    m.take("state", "S")
    m.call(
        "layers",
        "back",
        block.deltas.count,
        block.result.count,
        m.at(block.deltas),
        m.at(block.result),
        m.model.array_at(block.weights),
        block.guard,
        block.constant,
        block.shift,
        m.at(block.z),
        block.gate,
    )


def _slope(m: _Modules, block: SlopeBlock) -> None:
    deltas, slopes = m.at(block.deltas), m.at(block.slopes)
    m.take("state", "v")
    with m.w.block(f"for j in range({block.deltas.count}):"):
        m.w.line(f"a = v[{deltas} + j] * v[{slopes} + j] + {block.half} >> {block.shift}")
        m.w.line(f"v[{deltas} + j] = min(max(a, -32767), 32767)")


_ROUNDING: dict[Scheme, tuple[str, ...]] = {
    "residual": ("a += r[k]", "r[k] = a & (1 << f) - 1"),
    "carry": ("a += r[0]", "r[0] = a & (1 << f) - 1"),
    "lcg": ("r[1] = r[1] * 12829 + 13849 & 65535", "a += r[1] >> 16 - f"),
    "nearest": ("a += 1 << f >> 1",),
}
"""How the product in a is rounded."""


def _update_module(scheme: Scheme, weight_bits: int) -> str:
    rounding = ("\n" + 12 * " ").join(_ROUNDING[scheme])
    return fill_template(
        learn_parts.TEMPLATES, "learn_update.py", rounding=rounding, limit=(1 << weight_bits - 1) - 1
    )


def _update(m: _Modules, block: UpdateBlock) -> None:
    m.take("state", "S")
    m.call(
        "update",
        "update",
        block.inputs.count,
        m.at(block.inputs),
        m.at(block.deltas),
        m.model.array_at(block.weights),
        m.model.array_at(block.biases),
        m.model.array_at(block.remainders),
        block.weight_base,
        block.bias_base,
    )


_PRINTERS: dict[type[Block], Callable[[_Modules, Any], None]] = {
    DoorwayBlock: _doorway,
    DenseBlock: _dense,
    CurveBlock: _curve,
    ClipBlock: _clip,
    BelowTopBlock: _below_top,
    ShareBlock: _share,
    DeltaBlock: _delta,
    BackBlock: _back,
    SlopeBlock: _slope,
    UpdateBlock: _update,
}
