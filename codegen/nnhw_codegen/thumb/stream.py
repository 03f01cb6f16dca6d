"""Thumb kernel "stream": weights as 32-bit words read by ldm, up to five words per input and pass.

A word holds one weight, or, where every partial sum is proved below 2^15, two: high * 65536 + low. One muls by x then
multiplies both, and word sums add both, exactly: the low sum is the sign-extended low half, the high sum is what
remains above it. Portable twin: micropython.emitter, form "loops". Constant time.

    r0  inputs, then outputs     r2 to r6  words times x; then z in r2 to r5, scratch r6
    r1  x, then scratch          r7        stream of words
    r2  the second x of a pair   r12, lr, r8 to r10  sums       r11  end of the looped inputs
"""

from __future__ import annotations

import numpy as np

from nnhw_codegen.integers.fixed import IntArray
from nnhw_codegen.integers.program import Dense
from nnhw_codegen.thumb.frame import Task, balanced, register_list

WORDS = 5
UNROLLED = 8
"""Inputs per turn of the loop, if there is one."""

LANE_LIMIT = 1 << 15


def has_lanes(layer: Dense) -> bool:
    """True where two sums fit one word: no partial sum, nor the weights themselves, can leave 16 bits."""
    reach = max(int(layer.high.max()), -int(layer.low.min()), int(np.abs(layer.weights).max(initial=0)))
    return reach < LANE_LIMIT


def layer(task: Task, loop: bool) -> None:
    """Emit one layer; ``loop`` keeps the code short, otherwise it is straight and skips words of zeros."""
    lanes = 2 if has_lanes(task.layer) else 1
    stream: list[int] = []
    task.code.address("r7", f"{task.name}.words")
    for words in balanced(-(-task.layer.units // lanes), WORDS):
        units = range(words[0] * lanes, min(words[-1] * lanes + lanes, task.layer.units))
        _Pass(task, units, lanes, loop, stream).emit()
    task.activate_stored()
    task.data.data(f"{task.name}.words", np.array(stream, dtype="<i8").astype("<u4").tobytes())


def _packed(values: IntArray, lanes: int) -> IntArray:
    """(units, ...) -> (words, ...): units 2n and 2n + 1 as the low and the high half of word n."""
    if lanes == 1:
        return values
    words = values[0::2].copy()
    words[: values.shape[0] // 2] += values[1::2] << 16
    return words


class _Pass:
    """One pass over all inputs for the words of some neurons."""

    def __init__(self, task: Task, units: range, lanes: int, loop: bool, stream: list[int]) -> None:
        self._task = task
        self._code = task.code
        self._units = units
        self._lanes = lanes
        self._stream = stream
        chosen = slice(units.start, units.stop)
        self._weights = _packed(task.layer.weights[chosen], lanes)
        self._bias = _packed(task.layer.bias[chosen], lanes)
        count = len(self._weights)
        self._sums = ("r12", "lr", "r8", "r9", "r10")[:count]
        self._started: set[str] = set()
        self._turns = task.layer.fan_in // UNROLLED if loop else 0
        if self._turns < 2:
            self._turns = 0

    def emit(self) -> None:
        self._task.pointer("r0", self._task.source)
        looped = self._turns * UNROLLED
        if looped:
            self._loop(looped)
        base = looped
        for i in range(looped, self._task.layer.fan_in):
            words = [n for n in range(len(self._sums)) if self._weights[n, i]]
            if words:
                while i - base >= 32:
                    self._code("adds r0, #128")
                    base += 32
                self._code(f"ldr r1, [r0, #{4 * (i - base)}]")
                self._multiply(words, "r1", 2)
                self._stream += self._weights[words, i].tolist()
        self._task.pointer("r0", self._task.into, 4 * self._units.start)
        self._finish()

    def _loop(self, looped: int) -> None:
        code = self._code
        code("movs r2, #0", *(f"mov {register}, r2" for register in self._sums))
        self._started.update(self._sums)
        code.constant("r1", 4 * looped)
        code("adds r1, r1, r0", "mov r11, r1")
        again = code.new_label()
        code.label(again)
        words = list(range(len(self._sums)))
        for _ in range(UNROLLED // 2):
            if len(words) < WORDS:
                code("ldmia r0!, {r1, r2}")
                self._multiply(words, "r1", 3)
                self._multiply(words, "r2", 3)
            else:
                for _ in range(2):
                    code("ldmia r0!, {r1}")
                    self._multiply(words, "r1", 2)
        code("cmp r0, r11")
        code(f"bne {again}")
        self._stream += self._weights[:, :looped].T.ravel().tolist()

    def _multiply(self, words: list[int], x: str, first: int) -> None:
        """The next words of the stream, from register ``first`` on, times x onto the sums of these numbers."""
        self._code(f"ldmia r7!, {register_list(first, len(words))}")
        for place, word in enumerate(words, first):
            register = self._sums[word]
            self._code(f"muls r{place}, {x}")
            self._code(f"{'add' if register in self._started else 'mov'} {register}, r{place}")
            self._started.add(register)

    def _finish(self) -> None:
        """Biases from the stream, lanes apart, shift, saturation, activation, store: up to four neurons at a time."""
        at_once = 4 // self._lanes
        for start in range(0, len(self._sums), at_once):
            words = range(start, min(start + at_once, len(self._sums)))
            # The word of a pair goes to its upper register, where the high lane will stay.
            places = [2 + n * self._lanes for n in range(len(words))]
            pairs = [self._lanes == 2 and 2 * word + 1 < len(self._units) for word in words]
            held = [place + pair for place, pair in zip(places, pairs, strict=True)]
            self._code("ldmia r7!, {" + ", ".join(f"r{place}" for place in held) + "}")
            self._stream += self._bias[list(words)].tolist()
            for place, word in zip(held, words, strict=True):
                if self._sums[word] in self._started:
                    self._code(f"add r{place}, {self._sums[word]}")
            values = []
            for place, pair, word in zip(places, pairs, words, strict=True):
                unit = self._units.start + word * self._lanes
                if pair:
                    self._code(f"sxth r{place}, r{place + 1}", f"subs r{place + 1}, r{place + 1}, r{place}")
                    self._shift(place + 1, 16 + int(self._task.layer.shift[unit + 1]))
                self._shift(place, int(self._task.layer.shift[unit]))
                values += [(f"r{place + n}", self._task.layer.clips(unit + n)) for n in range(1 + pair)]
            later = self._sums[words.stop :]
            self._task.activate(values, ("r1", "r6"), [r for r in ("r12", "lr") if r not in later])
            self._code(f"stmia r0!, {register_list(2, len(values))}")

    def _shift(self, place: int, count: int) -> None:
        if count:
            self._code(f"asrs r{place}, r{place}, #{min(count, 31)}")
