"""Runs an exported module over rows of input on a target: a small script there, integers back here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nnhw.errors import TargetError
from nnhw.exporting.board_package import flatten
from nnhw.running import c_program, on_core
from nnhw.targets import Session, get_script_target
from nnhw_codegen.integers.fixed import IntArray
from nnhw_codegen.integers.ticks import float32_bits

Entry = Literal["values", "ticks", "codes"]
ENTRIES: tuple[Entry, ...] = ("values", "ticks", "codes")

ROWS_FILE = "rows.bin"

# No function of its own: the stack of the micro:bit has no room for another call.
_SCRIPT = """\
{start}
from array import array
{more}y = array("i", [0] * {units})
t = array("i", [0] * {inputs})
f = open({rows!r}, "rb")
while True:
    v = f.read({size})
    if not v:
        break
    v = {row}
    {call}
    print(list(y), {answer})
"""

# Boards read decimal text up to a unit in the last place off: values travel as the bytes of a float32 (SPEC 8.2).
_FLOATS = 'unpack("<{inputs}f", v)'
_INTEGERS = 'array("i", v)'
_CALLS: Mapping[Entry, tuple[str, str, str]] = {
    "values": (_FLOATS, "m.ticks_from_values(v, t); m.logits_from_ticks(t, y)", "m.predict(v)"),
    "ticks": (_INTEGERS, "m.logits_from_ticks(v, y)", "m.predict_ticks(v)"),
    "codes": (_INTEGERS, "m.logits_from_codes(v, y)", "-1"),
}
"""From an entry: how a row is read, and the calls to the logits and to the answer (-1: there is no way to it)."""

_ALLOCATION = """\
import gc, micropython, {name} as m
from array import array
t = array("i", {ticks!r})
y = array("i", [0] * {units})
def run():
    m.logits_from_ticks(t, y)
    before = gc.mem_alloc()
    m.logits_from_ticks(t, y)
    return gc.mem_alloc() - before
print(run())
micropython.heap_lock()
m.logits_from_ticks(t, y)
micropython.heap_unlock()
"""


SCRIPT_TARGETS = ("wasm", "unix", "microbit", "board", "pico", "qemu-m4", "qemu-rv32")
CORES = ("rp2040-core", "cortex-m", "rv32-core")
RUNS_ON: Mapping[str, tuple[str, ...]] = {
    "portable": SCRIPT_TARGETS,
    "compact": SCRIPT_TARGETS,
    "viper": ("rp2040-core", "unix", "board", "pico", "qemu-m4", "qemu-rv32", "cortex-m", "rv32-core"),
    "thumb": ("rp2040-core", "microbit", "board", "pico", "qemu-m4", "cortex-m"),
    "c": ("c", *CORES),
    "nnrun": SCRIPT_TARGETS,
}
"""The targets of each code, the one to try first in front; "nnrun" is the .nnb file under the board package."""

_START_NNRUN = "import nnrun\nm = nnrun.load({model!r})"
_START_NNRUN_FLAT = """\
import gc
gc.collect()
import nnrun_kernels
gc.collect()
import nnrun_core
gc.collect()
import nnrun_reader
gc.collect()
m = nnrun_core.Core(*nnrun_reader.read({model!r})[:3])"""
_FLAT_MODULES = ("nnrun/kernels.py", "nnrun/core.py", "nnrun/reader.py")

_FILE_BYTES = {"microbit": 3000}
"""The largest file that fits beside a module in the file system of a target."""

_SHORT_FLOATS = ("microbit",)
"""Targets whose floats have 30 bits (SPEC 3.2)."""

_SHALLOW = ("microbit",)
"""Targets that run a script at such a depth that their stack has no room for ``predict``; it has at the prompt."""


def held(target: str, values: NDArray[Any]) -> NDArray[np.float32]:
    """Raw values as the floats of a target hold them."""
    bits = float32_bits(values)
    if target in _SHORT_FLOATS:
        bits &= ~3
    return np.asarray(bits.astype(np.uint32).view(np.float32))


def _blocks(entry: Entry, rows: NDArray[Any], size: int) -> Iterator[bytes]:
    """All rows as words of four bytes, in parts of about ``size`` bytes that hold whole rows."""
    words = float32_bits(rows).astype("<u4") if entry == "values" else rows.astype("<i4")
    count = max(1, size // (4 * rows.shape[1]))
    for start in range(0, len(rows), count):
        yield words[start : start + count].tobytes()


def why_not(code: str, target: str) -> str | None:
    """None where ``code`` runs on the target called ``target``, else a sentence that says where it does."""
    kind = target.partition(":")[0]
    if kind in RUNS_ON[code]:
        return None
    able = [other for other, targets in RUNS_ON.items() if kind in targets and other != "nnrun"]
    instead = f"{target} runs {' and '.join(', '.join(able).rsplit(', ', 1))} code" if able else f"{target} runs none"
    return f"{code} code runs on {' and '.join(RUNS_ON[code])}; {instead}"


@dataclass(frozen=True, eq=False)
class Results:
    """What a target computed: ``logits`` (n, units), ``answers`` (n,).

    Answers are class indices; 0 for a model of values, -1 where the entry gives no answer.
    """

    logits: IntArray
    answers: IntArray


@dataclass(frozen=True)
class Exported:
    """A module on its way to a target: its name, its files, the widths of the network, and the code it is made of."""

    name: str
    files: Mapping[str, bytes]
    sizes: tuple[int, ...]
    classifies: bool
    code: str = "portable"

    def entries(self, target: str) -> tuple[Entry, ...]:
        """The entries that the code has on a target: without its doorway for raw values, nnrun has ticks only."""
        return ("ticks",) if self.code == "nnrun" and target in _SHALLOW else ENTRIES

    def run(self, target: str, entry: Entry, rows: NDArray[Any]) -> Results:
        """Run the module on ``rows`` (n, inputs): raw values, ticks or codes, as ``entry`` says. Raises TargetError."""
        reason = why_not(self.code, target)
        if reason is not None:
            raise TargetError(f"{target}: {reason}")
        if self.code == "c":
            outputs = self.sizes[-1]
            found = c_program.run(target, self.files, self.name, self.classifies, outputs, entry, rows)
        elif target in CORES:
            module = self.files[f"{self.name}.py"]
            found = on_core.run(target, module, self.classifies, self.sizes[-1], entry, rows)
        else:
            found = self._by_script(target, entry, rows)
        return Results(found[:, :-1], found[:, -1])

    def _by_script(self, target: str, entry: Entry, rows: NDArray[Any]) -> IntArray:
        script = self._script(target, entry)
        output = ""
        for block in _blocks(entry, rows, _FILE_BYTES.get(target, 1 << 20)):
            with self._session(target, {ROWS_FILE: block}) as session:
                output += self._execute(target, session, script)
        numbers = [line.replace("[", "").replace("]", ",").split(",") for line in output.splitlines()]
        try:
            found = np.array(numbers, dtype=np.int64).reshape(len(rows), self.sizes[-1] + 1)
        except ValueError:
            raise TargetError(f"{target}: the script printed something else than integers", output) from None
        return found

    def _script(self, target: str, entry: Entry) -> str:
        row, call, answer = _CALLS[entry]
        start = f"import {self.name} as m"
        if not self.classifies:
            answer = "0"
        elif target in _SHALLOW and entry != "codes" and self.code != "nnrun":
            answer = "m.decide(y)"
        if self.code == "nnrun":
            call = call.replace("logits_from_ticks", "logits").replace("ticks_from_values", "ticks")
            start = (_START_NNRUN_FLAT if target in _SHALLOW else _START_NNRUN).format(model=f"{self.name}.nnb")
        return _SCRIPT.format(
            start=start,
            more="from struct import unpack\n" if entry == "values" else "",
            units=self.sizes[-1],
            inputs=self.sizes[0],
            rows=ROWS_FILE,
            size=4 * self.sizes[0],
            row=row.format(inputs=self.sizes[0]),
            call=call,
            answer=answer,
        )

    def allocates(self, target: str, ticks: list[int]) -> int:
        """Heap bytes that one forward pass from ``ticks`` takes.

        Raises TargetError where the pass tries to allocate while the heap is locked.
        """
        script = _ALLOCATION.format(name=self.name, units=self.sizes[-1], ticks=ticks)
        with self._session(target, {}) as session:
            return int(self._execute(target, session, script))

    def _session(self, target: str, more: Mapping[str, bytes]) -> Session:
        files = dict(self.files)
        if self.code == "nnrun" and target in _SHALLOW:
            files = flatten({name: content for name, content in files.items() if name in _FLAT_MODULES})
            files[f"{self.name}.nnb"] = self.files[f"{self.name}.nnb"]
        return get_script_target(target).session({**files, **more})

    def _execute(self, target: str, session: Session, script: str) -> str:
        try:
            return session.run(script, timeout=600.0)
        except TargetError as error:
            if "MemoryError" not in str(error):
                raise
            size = sum(map(len, self.files.values()))
            raise TargetError(
                f"{target}: {self.name} ({size:,} bytes) needs more memory than the target has; "
                f"--code compact, a lower precision or a smaller network takes less\n{error}",
                error.output,
            ) from None
