"""Training of one model in loops, for boards that have no room for nnrun: a few small modules that every MicroPython runs.

They are the program of nnrun.learn_reader with its numbers built in; weights and tables are arrays, filled from the .nnt
file. A board that compiles a module holds its syntax tree in memory, so the modules are small; names are short and there
are no docstrings, as both would take heap. A step puts nothing on the heap.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from nnhw_codegen.files.nnb import DECISIONS
from nnhw_codegen.learning.board_program import Plan
from nnhw_codegen.micropython import learn_parts
from nnhw_codegen.micropython.interface import ANSWER
from nnhw_codegen.writer import Writer

_PLACE = re.compile(r"^from NAME_", re.MULTILINE)
_OPERATORS = ("+", "-", "*", ">>")
_BACK, _UPDATE = 7, 9
_MIN, _LOOK, _LOOK16 = 4, 6, 7


@dataclass
class _Modules:
    """A module as it is written, and what all modules share.

    ``arrays`` are expressions for the parts of the state by place in the file, ``places`` those of vectors in v, of which
    ``size`` entries are in use, by place in nnrun's room; ``curves`` are functions, name by text.
    """

    plan: Plan
    arrays: dict[int, str]
    places: dict[int, int] = field(default_factory=dict)
    size: int = 0
    curves: dict[str, str] = field(default_factory=dict)
    imports: dict[str, set[str]] = field(default_factory=dict)
    w: Writer = field(default_factory=Writer)

    def at(self, place: int, count: int) -> int:
        """Where the vector at ``place`` in the room of nnrun lies in v."""
        if place not in self.places:
            self.places[place] = self.size
            self.size += count
        return self.places[place]

    def blocks(self, at: int, stop: int) -> None:
        """What the program does from ``at`` to ``stop``."""
        p = self.plan.program
        while at < stop:
            _BLOCKS[p[at]](self, list(p[at + 2 : at + p[at + 1]]))
            at += p[at + 1]

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
    plan = Plan(bytearray(data))  # type: ignore[no-untyped-call]
    state = learn_parts.state(plan)
    m = _Modules(plan, {plan.state + 2: "S[0]"} | {place: f"S[{n}]" for n, place in enumerate(state)})
    known = _deltas_known(plan)
    forward, error, backward = _forward(m), _error(m, known), _backward(m, known)
    modules = {
        "_state": learn_parts.state_module(plan, state.values(), m.size),
        **learn_parts.file_modules(plan),
        **{
            f"_{curve}": f"from NAME_learn_state import Q, v\n\n\ndef {curve}{text}"
            for text, curve in m.curves.items()
        },
        "_update": _update_function(plan),
        "_layers": _LAYERS,
        "_forward": forward,
        "_error": error,
        "_backward": backward,
        "": learn_parts.interface(plan),
    }
    return {
        f"{name}_learn{part}.py": f"# {banner}\n{re.sub(_PLACE, f'from {name}_', text)}".encode()
        for part, text in modules.items()
    }


def _deltas_known(plan: Plan) -> int:
    """Where in the program the deltas of the last layer are done."""
    at = plan.answered
    while plan.program[at] not in (_BACK, _UPDATE):
        at += plan.program[at + 1]
    return at


def _forward(m: _Modules) -> str:
    plan = m.plan
    m.take("state", "v")
    with m.w.function("forward(t)"):
        m.w.line("# Ticks t to the last pre-activations.")
        m.blocks(2, plan.decided)
    with m.w.function("predict_ticks(t)"):
        m.w.line(f"# Ticks to the {ANSWER[DECISIONS[plan.data[21]]]}.")
        m.w.line("forward(t)")
        if learn_parts.gives_values(plan):
            m.blocks(plan.decided, plan.answered)
            learn_parts.values(m.w, plan, m.at(plan.y, plan.units))
        else:
            learn_parts.decide(m.w, plan, m.at(plan.z, plan.units))
    return m.text()


def _error(m: _Modules, stop: int) -> str:
    plan = m.plan
    m.take("state", "v")
    with m.w.function("error(target)"):
        m.w.line("# Last pre-activations, and what the answer should be, to deltas.")
        learn_parts.aim(m.w, plan, m.at(plan.targets, plan.units))
        m.blocks(plan.decided, stop)
    return ("from math import floor\n\n" if learn_parts.gives_values(plan) else "") + m.text()


def _backward(m: _Modules, start: int) -> str:
    with m.w.function("learn_ticks(t, target)"):
        m.w.line("# One step of training: ticks, and what the answer should be.")
        m.call("forward", "forward", "t")
        m.call("error", "error", "target")
        m.blocks(start, len(m.plan.program))
    return m.text()


_LAYERS = """from NAME_learn_state import v


def dense(n, x, z, y, w, b, p, q, c, s, m, e):
    k = 0
    for j in range(len(b)):
        a = (b[j] + (1 << q >> 1) >> q) + c
        for i in range(x, x + n):
            a += w[k] * v[i] >> p
            k += 1
        a >>= s
        if m:
            a = min(max(a, -m), m)
        v[z + j] = a
        v[y + j] = max(a, e)


def back(m, n, d, e, w, p, c, s, z, g):
    for i in range(n):
        a = 0
        if v[z + i] >= g:
            a = c
            k = i
            for j in range(d, d + m):
                a += w[k] * v[j] >> p
                k += n
            a = min(max(a >> s, -32767), 32767)
        v[e + i] = a
"""
"""Inputs to pre-activations (SPEC 9.5), and deltas to those of the layer below, without its derivative (9.7)."""


def _doorway(m: _Modules, b: list[int]) -> None:
    count, _, _, x = b
    m.take("state", "D")
    m.w.line("k = 0")
    with m.w.block(f"for i in range({count}):"):
        m.w.line("a = min(max(t[i] - D[k], 0), D[k + 1])")
        m.w.lines(f"v[{m.at(x, count)} + i] = a * D[k + 2] + D[k + 3] >> D[k + 4]", "k += 5")


def _dense(m: _Modules, b: list[int]) -> None:
    units, fan_in, x, z, y, weights, bias, guard, bias_shift, _, *rest = b
    vectors = m.at(x, fan_in), m.at(z, units), m.at(y, units)
    m.take("state", "S")
    m.call("layers", "dense", fan_in, *vectors, m.arrays[weights], m.arrays[bias], guard, bias_shift, *rest)


def _steps(m: _Modules, b: list[int]) -> None:
    units = b[1] >> 5
    steps = [b[n : n + 4] for n in range(1, len(b), 4)]
    base = min(steps[0][2:][n] for n in range(2) if steps[0][0] & (8 << n)) if steps[0][0] & 24 else steps[0][1]
    first, _ = learn_parts.tables(m.plan)
    w, function = Writer(), f"curve{len(m.curves)}"

    def name(place: int) -> str:
        return f"r{(place - base) // units}"

    w.line("(n, x, y):")
    with w.block("    for i in range(n):"):
        w.line("    r0 = v[x + i]")
        for what, target, a, second in steps:
            op, to = what & 7, name(target)
            left = name(a) if what & 8 else str(m.plan.room[a])
            right = "" if op >= _LOOK else name(second) if what & 16 else str(m.plan.room[second])
            if op >= _LOOK:
                at = second - first
                look = (
                    f"Q[2 * {left} + {at}] | Q[2 * {left} + {at + 1}] << 8" if op == _LOOK16 else f"Q[{left} + {at}]"
                )
                w.line(f"    {to} = {look}")
            elif op >= _MIN:
                w.line(f"    {to} = {'min' if op == _MIN else 'max'}({left}, {right})")
            else:
                w.line(f"    {to} = {left} {_OPERATORS[op]} {right}")
        w.line(f"    v[y + i] = {name(steps[-1][1])}")
    function = m.curves.setdefault(w.text(), function)
    m.call(function, function, units, m.at(base, units), m.at(steps[-1][1], units))


def _clip(m: _Modules, b: list[int]) -> None:
    units, z, result = b
    m.take("state", "v")
    with m.w.block(f"for j in range({units}):"):
        m.w.line(f"v[{m.at(result, units)} + j] = min(max(v[{m.at(z, units)} + j], -32767), 32767)")


def _below_top(m: _Modules, b: list[int]) -> None:
    units, z, result = b[0], m.at(b[1], b[0]), m.at(b[2], b[0])
    m.w.line(f"a = v[{z}]")
    with m.w.block(f"for j in range({z + 1}, {z + units}):"):
        m.w.line("a = max(a, v[j])")
    with m.w.block(f"for j in range({units}):"):
        m.w.line(f"v[{result} + j] = min(a - v[{z} + j], 32767)")


def _share(m: _Modules, b: list[int]) -> None:
    units, first, frac = b[0], m.at(b[1], b[0]), b[2]
    m.w.line("a = 0")
    with m.w.block(f"for j in range({first}, {first + units}):"):
        m.w.line("a += v[j]")
    with m.w.block(f"for j in range({first}, {first + units}):"):
        m.w.line(f"v[j] = ((v[j] << {frac}) + (a >> 1)) // a")


def _delta(m: _Modules, b: list[int]) -> None:
    units = b[0]
    y, targets, result = (m.at(place, units) for place in b[1:])
    with m.w.block(f"for j in range({units}):"):
        m.w.line(f"v[{result} + j] = min(max(v[{y} + j] - v[{targets} + j], -32767), 32767)")


def _back(m: _Modules, b: list[int]) -> None:
    units, fan_in, d, result, weights, guard, constant, shift, z, gate = b
    vectors = m.at(d, units), m.at(result, fan_in)
    m.take("state", "S")
    m.call(
        "layers", "back", units, fan_in, *vectors, m.arrays[weights], guard, constant, shift, m.at(z, fan_in), gate
    )


def _slope(m: _Modules, b: list[int]) -> None:
    units, d, slopes, half, shift = b[0], m.at(b[1], b[0]), m.at(b[2], b[0]), *b[3:]
    m.take("state", "v")
    with m.w.block(f"for j in range({units}):"):
        m.w.line(f"a = v[{d} + j] * v[{slopes} + j] + {half} >> {shift}")
        m.w.line(f"v[{d} + j] = min(max(a, -32767), 32767)")


_UPDATES = """from NAME_learn_state import S, v


def update(n, x, d, w, b, r, s, e):
    m = S[0][0] & 255
    k = S[0][0] >> 8
    s += k
    e -= k
    f = min(s, 16)
    s -= f
    k = 0
    for j in range(len(b)):
        g = min(max(v[d + j] * m, -32766), 32766)
        a = g << e if e > 0 else g + (1 << -e >> 1) >> -e
        b[j] = min(max(b[j] - a, -536870911), 536870911)
        for i in range(x, x + n):
            a = g * v[i] + (1 << s >> 1) >> s
"""

_ROUND = (
    ("a += r[k]", "r[k] = a & (1 << f) - 1"),
    ("a += r[0]", "r[0] = a & (1 << f) - 1"),
    ("r[1] = r[1] * 12829 + 13849 & 65535", "a += r[1] >> 16 - f"),
    ("a += 1 << f >> 1",),
)
"""By scheme: how the product in a is rounded."""


def _update_function(plan: Plan) -> str:
    limit = (1 << plan.data[20] - 1) - 1
    lines = (*_ROUND[plan.data[30]], f"w[k] = min(max(w[k] - (a >> f), {-limit}), {limit})", "k += 1")
    return _UPDATES + "".join(f"            {line}\n" for line in lines)


def _update(m: _Modules, b: list[int]) -> None:
    units, fan_in, x, d, weights, bias, rest = b[:7]
    vectors = m.at(x, fan_in), m.at(d, units)
    m.take("state", "S")
    m.call("update", "update", fan_in, *vectors, m.arrays[weights], m.arrays[bias], m.arrays[rest], *b[-2:])


_BLOCKS: tuple[Callable[[_Modules, list[int]], None], ...] = (
    _doorway, _dense, _steps, _clip, _below_top, _share, _delta, _back, _slope, _update,
)  # fmt: skip
