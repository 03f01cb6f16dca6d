"""A training step of one model as a viper function: the program of nnrun.learn_reader with all its numbers built in.

For machines of 32 bits and weights of 16 bits that keep a remainder each; nnrun's own kernels train everything else.
The function keeps x and r in registers; what is on the left of an operator is cheaper than what is on the right.
"""

from __future__ import annotations

from collections.abc import Callable

from nnhw_codegen.learning import board_program
from nnhw_codegen.learning.board_program import Plan
from nnhw_codegen.writer import Writer

_UNROLL = 8


def source(data: bytes, banner: str) -> bytes:
    """The module for a .nnt file; its ``run`` is the kernel that nnrun.learn takes. Raises board_program.UnsuitableError."""
    plan = board_program.plan(data)
    w = Writer()
    w.lines(f'"""{banner}"""', "", "import sys", "", "import micropython", "")
    w.lines("if sys.maxsize >> 31:", '    raise ImportError("this code is for machines of 32 bits")', "")
    w.lines(board_program.identity(data), "", "")
    w.line("@micropython.viper")
    with w.block("def run(x: ptr32, r: int, p: ptr32):"):
        w.line('"""The blocks of nnrun\'s program to program[1]; called as run(room, handle of data, program)."""')
        w.lines("room = int(x)", "data = r", "program = int(p)", "stop = p[1]", "m = 32767")
        p = plan.program
        k = 2
        while k < len(p):
            if k == plan.decided or k == plan.answered:
                with w.block(f"if stop == {k}:"):
                    w.line("return")
            _BLOCKS[p[k]](w, plan, list(p[k + 2 : k + p[k + 1]]), k)
            k += p[k + 1]
    return w.text().encode()


def _pointer(w: Writer, name: str, place: int) -> None:
    w.line(f"{name} = ptr32(room + {4 * place})")


def _clip(w: Writer, limit: str = "m", bits: int = 15) -> None:
    # Most values lie in the middle half of the range, and that is told faster.
    with w.block(f"if (r >> {bits - 1}) + 1 >> 1:"), w.block(f"if (r + {limit} | {limit} - r) >> 31:"):
        w.line(f"r = ({limit} ^ r >> 31) - (r >> 31)")


def _advance(w: Writer, name: str, size: int, kind: str = "ptr32") -> None:
    w.line(f"{name} = {kind}(int({name}) + {size})")


def _doorway(w: Writer, plan: Plan, b: list[int], k: int) -> None:
    count, door, t, x = b
    _pointer(w, "x", t)
    for n in range(count):
        at = door + 20 * n
        low, span, gain, offset, shift = (
            int.from_bytes(plan.data[at + 4 * i : at + 4 * i + 4], "little", signed=True) for i in range(5)
        )
        w.line(f"r = x[{n}] - {low}" if low >= 0 else f"r = x[{n}] + {-low}")
        with w.block("if r < 0:"):
            w.line("r = 0")
        with w.block(f"elif r > {span}:"):
            w.line(f"r = {span}")
        w.line(f"r = {gain} * r")
        w.line(f"r = r + {offset}" if offset >= 0 else f"r = r - {-offset}")
        w.line(f"x[{x - t + n}] = r >> {shift}")


def _terms(w: Writer, count: int, line: Callable[[int], str], strides: tuple[tuple[str, str, int], ...]) -> None:
    """``line`` for every term, in a loop where there are many."""
    turns, rest = divmod(count, _UNROLL) if count > 2 * _UNROLL else (0, count)
    if turns:
        w.line(f"i = {turns}")
        with w.block("while i:"):
            for n in range(_UNROLL):
                w.line(line(n))
            for name, kind, size in strides:
                _advance(w, name, size * _UNROLL, kind)
            w.line("i -= 1")
    for n in range(rest):
        w.line(line(n))
    if turns:
        for name, kind, size in strides:
            _advance(w, name, -size * _UNROLL * turns, kind)


def _dense(w: Writer, plan: Plan, b: list[int], k: int) -> None:
    units, fan_in, x, z, y, weights, bias, guard, bias_shift, half, constant, shift, limit, floor = b
    _pointer(w, "x", x)
    w.line("r = 0")
    # A weight plus 2^15 times x, shifted, is too large by x << (15 - guard) exactly.
    _terms(w, fan_in, lambda n: f"r = x[{n}] + r", (("x", "ptr32", 4),))
    w.line(f"c = {constant} - (r << {15 - guard})")
    w.lines(f"w = ptr16(data + {weights})", f"b = ptr32(data + {bias})")
    _pointer(w, "z", z)
    w.line(f"j = {units}")
    with w.block("while j:"):
        w.line(f"r = (b[0] + {half} >> {bias_shift}) + c")
        _terms(w, fan_in, lambda n: f"r = (w[{n}] * x[{n}] >> {guard}) + r", (("x", "ptr32", 4), ("w", "ptr16", 2)))
        w.line(f"r = r >> {shift}")
        if limit:
            _clip(w)
        w.line("z[0] = r")
        if y != z:
            if floor == 0:
                w.line("r = ~(r >> 31) & r")
            w.line(f"z[{y - z}] = r")
        _advance(w, "w", 2 * fan_in, "ptr16")
        _advance(w, "b", 4)
        _advance(w, "z", 4)
        w.line("j -= 1")


_OPERATORS = ("+", "-", "*", ">>")


def _steps(w: Writer, plan: Plan, b: list[int], k: int) -> None:
    units = b[1] >> 5
    steps = [b[n : n + 4] for n in range(1, len(b), 4)]
    base = min(steps[0][2:][n] for n in range(2) if steps[0][0] & (8 << n)) if steps[0][0] & 24 else steps[0][1]
    tables = sorted({s[3] for s in steps if s[0] & 6 == 6})
    for n, place in enumerate(tables):
        kind = "ptr16" if any(s[3] == place and s[0] & 1 for s in steps) else "ptr8"
        w.line(f"t{n} = {kind}(data + {place})")

    def name(place: int) -> str:
        return "r" if place == base else f"v{(place - base) // units}"

    _pointer(w, "x", base)
    w.line(f"j = {units}")
    with w.block("while j:"):
        w.line("r = x[0]")
        for what, target, a, second in steps:
            op, to = what & 7, name(target)
            left = name(a) if what & 8 else str(plan.room[a])
            right = name(second) if what & 16 else "" if op > 5 else str(plan.room[second])
            if op > 5:
                w.line(f"{to} = int(t{tables.index(second)}[{left}])")
            elif op > 3:
                if to == right:
                    left, right = right, left
                if to != left:
                    w.line(f"{to} = {left}")
                with w.block(f"if {to} {'>' if op == 4 else '<'} {right}:"):
                    w.line(f"{to} = {right}")
            elif op == 2 and not what & 16:
                w.line(f"{to} = {right} * {left}")
            else:
                w.line(f"{to} = {left} {_OPERATORS[op]} {right}")
        w.line(f"x[{steps[-1][1] - base}] = {name(steps[-1][1])}")
        _advance(w, "x", 4)
        w.line("j -= 1")


def _saturated(w: Writer, plan: Plan, b: list[int], k: int) -> None:
    units, z, result = b
    _pointer(w, "x", z)
    for n in range(units):
        w.line(f"r = x[{n}]")
        _clip(w)
        w.line(f"x[{result - z + n}] = r")


def _below_top(w: Writer, plan: Plan, b: list[int], k: int) -> None:
    units, z, result = b
    _pointer(w, "x", z)
    w.line("r = x[0]")
    for n in range(1, units):
        with w.block(f"if r < x[{n}]:"):
            w.line(f"r = x[{n}]")
    w.line("c = r")
    for n in range(units):
        w.line(f"r = c - x[{n}]")
        with w.block("if r > m:"):
            w.line("r = m")
        w.line(f"x[{result - z + n}] = r")


def _share(w: Writer, plan: Plan, b: list[int], k: int) -> None:
    units, first, frac = b
    _pointer(w, "x", first)
    w.line("r = x[0]")
    for n in range(1, units):
        w.line(f"r = x[{n}] + r")
    # One division for all: c becomes 2^29 over the sum, which is above 2^14.
    w.lines("e = r", "c = 0", "r = 16384", "i = 3")
    with w.block("while i:"):
        for _ in range(5):
            w.lines("r = (r << 1) - e", "c = (c << 1) + 1")
            with w.block("if r >> 31:"):
                w.lines("r = r + e", "c -= 1")
        w.line("i -= 1")
    w.line("h = e >> 1")
    for n in range(units):
        w.lines(f"r = c * x[{n}] >> {29 - frac}", f"i = (x[{n}] << {frac}) + h - r * e")
        # Too small by one at most.
        with w.block("if i >= e:"):
            w.line("r += 1")
        w.line(f"x[{n}] = r")


def _delta(w: Writer, plan: Plan, b: list[int], k: int) -> None:
    units, y, targets, result = b
    _pointer(w, "x", y)
    for n in range(units):
        w.line(f"r = x[{n}] - x[{targets - y + n}]")
        _clip(w)
        w.line(f"x[{result - y + n}] = r")


def _back(w: Writer, plan: Plan, b: list[int], k: int) -> None:
    units, fan_in, d, result, weights, guard, constant, shift, z, gate = b
    _pointer(w, "x", d)
    w.line("r = 0")
    for n in range(units):
        w.line(f"r = x[{n}] + r")
    w.lines(f"c = {constant} - (r << {15 - guard})", f"w = ptr16(data + {weights})")
    _pointer(w, "z", z)
    w.line(f"j = {fan_in}")
    with w.block("while j:"):
        w.line("r = z[0]")
        # Below the gate the derivative is 0; without one z never lies there.
        with w.block("if r >> 31:" if gate == 0 else f"if r < {gate}:"):
            w.line("r = 0")
        with w.block("else:"):
            w.line("r = c")
            for n in range(units):
                w.line(f"r = (w[{n * fan_in}] * x[{n}] >> {guard}) + r")
            w.line(f"r = r >> {shift}")
            _clip(w)
        w.line(f"z[{result - z}] = r")
        _advance(w, "w", 2, "ptr16")
        _advance(w, "z", 4)
        w.line("j -= 1")


def _slope(w: Writer, plan: Plan, b: list[int], k: int) -> None:
    units, d, slopes, half, shift = b
    _pointer(w, "x", d)
    w.line(f"j = {units}")
    with w.block("while j:"):
        w.line(f"r = (x[0] * x[{slopes - d}]) + {half} >> {shift}")
        _clip(w)
        w.line("x[0] = r")
        _advance(w, "x", 4)
        w.line("j -= 1")


def _update(w: Writer, plan: Plan, b: list[int], k: int) -> None:
    units, fan_in, x, d, weights, bias, rest = b[:7]
    w.line(f"p = ptr32(program + {4 * k})")
    w.lines("multiplier = p[9]", "half = p[10]", "coarse = p[11]", "fine = p[12]", "mask = p[13]", "left = p[14]")
    w.lines("right = p[15]", "bias_half = p[16]")
    w.lines(f"w = ptr16(data + {weights})", f"t = ptr16(data + {rest})", f"b = ptr32(data + {bias})")
    _pointer(w, "d", d)
    w.line(f"j = {units}")
    with w.block("while j:"):
        w.line("r = d[0]")
        # A delta of 0 changes nothing.
        with w.block("if r:"):
            w.line("r = multiplier * r")
            _clip(w, "32766")
            w.lines("g = r", "r = b[0] - ((r << left) + bias_half >> right)")
            _clip(w, "536870911", 29)
            w.line("b[0] = r")
            _pointer(w, "x", x)
            with w.block("if coarse:"):
                w.line(f"i = {fan_in}")
                with w.block("while i:"):
                    _weight(w, 0, "g * r + half >> coarse")
                    for name, kind, size in (("x", "ptr32", 4), ("w", "ptr16", 2), ("t", "ptr16", 2)):
                        _advance(w, name, size, kind)
                    w.line("i -= 1")
                for name in "wt":
                    _advance(w, name, -2 * fan_in, "ptr16")
            with w.block("else:"):
                turns, left = divmod(fan_in, _UNROLL) if fan_in > 2 * _UNROLL else (0, fan_in)
                if turns:
                    w.line(f"i = {turns}")
                    with w.block("while i:"):
                        for n in range(_UNROLL):
                            _weight(w, n, "g * r")
                        for name, kind, size in (("x", "ptr32", 4), ("w", "ptr16", 2), ("t", "ptr16", 2)):
                            _advance(w, name, size * _UNROLL, kind)
                        w.line("i -= 1")
                for n in range(left):
                    _weight(w, n, "g * r")
                for name in "wt" if turns else "":
                    _advance(w, name, -2 * _UNROLL * turns, "ptr16")
        for name in "wt":
            _advance(w, name, 2 * fan_in, "ptr16")
        _advance(w, "b", 4)
        _advance(w, "d", 4)
        w.line("j -= 1")


def _weight(w: Writer, n: int, product: str) -> None:
    w.line(f"r = x[{n}]")
    with w.block("if r:"):
        w.lines(f"r = {product}", f"r = t[{n}] + r", f"t[{n}] = mask & r", "r = r >> fine", f"r = w[{n}] - r")
        with w.block("if (r - 1 | r) >> 16:"):
            w.line("r = 1 + (~(r - 1 >> 31) & 65534)")
        w.line(f"w[{n}] = r")


_BLOCKS: tuple[Callable[[Writer, Plan, list[int], int], None], ...] = (
    _doorway, _dense, _steps, _saturated, _below_top, _share, _delta, _back, _slope, _update,
)  # fmt: skip
