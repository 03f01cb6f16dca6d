"""Thumb kernel "baked": weights of at most 8 bits as immediates, up to ten neurons per pass over the inputs.

Portable twin: micropython.emitter, form "baked". Constant time: nothing depends on the values of the inputs.

    r0  inputs, then outputs     r4 to r7            sums of the first four neurons, then finished z
    r1  x                        r12, lr, r8 to r11  sums of the others: nothing can be subtracted from them,
    r2  -x                                           so their negative products are made from -x
    r3  product
"""

from __future__ import annotations

from collections.abc import Sequence

from nnhw_codegen.thumb.assembler import Assembler
from nnhw_codegen.thumb.frame import Task, balanced, register_list

LOW = ("r4", "r5", "r6", "r7")
HIGH = ("r12", "lr", "r8", "r9", "r10", "r11")
WEIGHT_LIMIT = 255


def layer(task: Task) -> None:
    """Emit one layer; every weight lies within +-WEIGHT_LIMIT."""
    for units in balanced(task.layer.units, len(LOW) + len(HIGH)):
        _pass(task, units)
    task.activate_stored()


def _pass(task: Task, units: range) -> None:
    code, weights = task.code, task.layer.weights
    sums = dict(zip((LOW + HIGH)[: len(units)], units, strict=True))
    task.pointer("r0", task.source)
    for register, unit in sums.items():
        if register in LOW:
            code.constant(register, int(task.layer.bias[unit]))
    base, started = 0, set(LOW)
    for i in range(task.layer.fan_in):
        terms = [(register, int(weights[unit, i])) for register, unit in sums.items() if weights[unit, i]]
        if terms:
            while i - base >= 32:
                code("adds r0, #128")
                base += 32
            code(f"ldr r1, [r0, #{4 * (i - base)}]")
            _Products(code, started).add(terms)
    task.pointer("r0", task.into, 4 * units[0])
    waiting = list(sums)
    while waiting:
        group, waiting = waiting[: len(LOW)], waiting[len(LOW) :]
        _finish(task, [(r, sums[r]) for r in group], started, [r for r in ("r12", "lr") if r not in waiting])


def _finish(task: Task, group: Sequence[tuple[str, int]], started: set[str], high: Sequence[str]) -> None:
    """Bias where it is still missing, shift, saturation and activation of up to four sums, then store them."""
    values = []
    for into, (register, unit) in zip(LOW, group, strict=False):
        if register != into:
            task.code.constant(into, int(task.layer.bias[unit]))
            if register in started:
                task.code(f"add {into}, {register}")
        shift = int(task.layer.shift[unit])
        if shift:
            task.code(f"asrs {into}, {into}, #{shift}")
        values.append((into, task.layer.clips(unit)))
    task.activate(values, ("r3", "r2", "r1"), high)
    task.code(f"stmia r0!, {register_list(4, len(values))}")


class _Products:
    """Adds weight * x to several sums, each product made from the one before it where that is cheaper."""

    def __init__(self, code: Assembler, started: set[str]) -> None:
        self._code = code
        self._started = started
        self._negated = False

    def add(self, terms: Sequence[tuple[str, int]]) -> None:
        """``terms`` are (sum, weight) with weights other than 0."""
        for register, weight in terms:
            if abs(weight) == 1:
                self._accumulate(register, self._signed(weight) if register not in LOW else "r1", weight)
        signed = {weight for register, weight in terms if register not in LOW}
        wanted: dict[int, list[tuple[str, int]]] = {}
        for register, weight in terms:
            if abs(weight) > 1:
                made = weight if weight in signed else -weight if -weight in signed else abs(weight)
                wanted.setdefault(made, []).append((register, weight * made))
        product = None
        while wanted:
            product = self._make(product, wanted)
            for register, sign in wanted.pop(product):
                self._accumulate(register, "r3", sign)

    def _accumulate(self, register: str, source: str, sign: int) -> None:
        if register in LOW:
            self._code(f"{'adds' if sign > 0 else 'subs'} {register}, {register}, {source}")
        else:
            self._code(f"{'add' if register in self._started else 'mov'} {register}, {source}")
            self._started.add(register)

    def _signed(self, weight: int) -> str:
        """The register with x or -x, by the sign of the weight."""
        if weight > 0:
            return "r1"
        if not self._negated:
            self._negated = True
            self._code("rsbs r2, r1, #0")
        return "r2"

    def _make(self, product: int | None, wanted: dict[int, list[tuple[str, int]]]) -> int:
        """Make the next of the ``wanted`` multiples of x in r3; returns which."""
        if product is not None:
            for candidate in wanted:
                step = _step(product, candidate)
                if step:
                    self._code(step)
                    return candidate

        # One that no other leads to, so that what it leads to follows in one cycle.
        def order(u: int) -> tuple[int, int]:
            return sum(bool(_step(v, u)) for v in wanted), -sum(bool(_step(u, v)) for v in wanted)

        chosen = min(wanted, key=order)
        size = abs(chosen)
        factor = self._signed(chosen)
        if size & (size - 1) == 0:
            self._code(f"lsls r3, {factor}, #{size.bit_length() - 1}")
        else:
            self._code(f"movs r3, #{size}", f"muls r3, {factor}")
        return chosen


def _step(a: int, b: int) -> str:
    """The one instruction that turns a * x in r3 into b * x, or nothing."""
    if b == a + 1:
        return "adds r3, r3, r1"
    if b == a - 1:
        return "subs r3, r3, r1"
    if b == -a:
        return "rsbs r3, r3, #0"
    ratio = b // a if b % a == 0 else 0
    return f"lsls r3, r3, #{ratio.bit_length() - 1}" if ratio > 1 and ratio & (ratio - 1) == 0 else ""
