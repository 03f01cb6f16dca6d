"""Runs an exported module over rows of input on a target: a small script there, integers back here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nnhw.targets import Session, TargetError, get_script_target
from nnhw_codegen.fixed import IntArray

Entry = Literal["values", "ticks", "codes"]
ENTRIES: tuple[Entry, ...] = ("values", "ticks", "codes")

ROWS_FILE = "rows.txt"

# Text is read by every port, in blocks because a file may be unbuffered; files that iterate are not everywhere.
# No function of its own: the stack of the micro:bit has no room for another call.
_SCRIPT = """\
import {name} as m
y = [0] * {units}
t = [0] * {inputs}
f = open({rows!r})
rest = ""
while True:
    block = f.read(256)
    if not block:
        break
    lines = (rest + block).split(";")
    rest = lines.pop()
    for v in lines:
        v = [{kind}(s) for s in v.split(",")]
        {call}
        print(y, {answer})
"""

_CALLS: Mapping[Entry, tuple[str, str, str]] = {
    "values": ("float", "m.ticks_from_values(v, t); m.logits_from_ticks(t, y)", "m.predict(v)"),
    "ticks": ("int", "m.logits_from_ticks(v, y)", "m.decide(y)"),
    "codes": ("int", "m.logits_from_codes(v, y)", "m.decide(y)"),
}

_ALLOCATION = """\
import gc, micropython, {name} as m
t = {ticks!r}
y = [0] * {units}
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


_FILE_BYTES = {"microbit": 3000}
"""The largest file that fits beside a module in the file system of a target."""

_SHALLOW = ("microbit",)
"""Targets that run a script at such a depth that their stack has no room for ``predict``; it has at the prompt."""

_HEAP = {"wasm": 64 << 20}
"""Heap sizes. The garbage collector of this port does not see what only a WebAssembly local holds, and would free a
function's variables while it runs: so the heap is large enough never to be collected."""


def _blocks(rows: NDArray[Any], size: int) -> Iterator[str]:
    """All rows as text, in parts of about ``size`` bytes that hold whole rows."""
    block = ""
    for row in rows.tolist():
        block += ",".join(f"{value:.10g}" for value in row) + ";"
        if len(block) >= size:
            yield block
            block = ""
    if block:
        yield block


@dataclass(frozen=True, eq=False)
class Results:
    """What a target computed: ``logits`` (n, units); ``answers`` (n,) are class indices, 0 for a model of values."""

    logits: IntArray
    answers: IntArray


@dataclass(frozen=True)
class Exported:
    """A module on its way to a target: its name, its files, and the widths of the network."""

    name: str
    files: Mapping[str, bytes]
    sizes: tuple[int, ...]
    classifies: bool

    def run(self, target: str, entry: Entry, rows: NDArray[Any]) -> Results:
        """Run the module on ``rows`` (n, inputs): raw values, ticks or codes, as ``entry`` says. Raises TargetError."""
        kind, call, answer = _CALLS[entry]
        if not self.classifies:
            answer = "0"
        elif target in _SHALLOW:
            answer = "m.decide(y)"
        script = _SCRIPT.format(
            name=self.name,
            units=self.sizes[-1],
            inputs=self.sizes[0],
            rows=ROWS_FILE,
            kind=kind,
            call=call,
            answer=answer,
        )
        output = ""
        for text in _blocks(rows, _FILE_BYTES.get(target, 1 << 20)):
            with self._session(target, {ROWS_FILE: text.encode()}) as session:
                output += self._execute(target, session, script)
        numbers = [line.replace("[", "").replace("]", ",").split(",") for line in output.splitlines()]
        try:
            found = np.array(numbers, dtype=np.int64).reshape(len(rows), self.sizes[-1] + 1)
        except ValueError:
            raise TargetError(f"{target}: the script printed something else than integers", output) from None
        return Results(found[:, :-1], found[:, -1])

    def allocates(self, target: str, ticks: list[int]) -> int:
        """Heap bytes that one forward pass from ``ticks`` takes.

        Raises TargetError where the pass tries to allocate while the heap is locked.
        """
        script = _ALLOCATION.format(name=self.name, units=self.sizes[-1], ticks=ticks)
        with self._session(target, {}) as session:
            return int(self._execute(target, session, script))

    def _session(self, target: str, more: Mapping[str, bytes]) -> Session:
        return get_script_target(target).session({**self.files, **more}, _HEAP.get(target))

    def _execute(self, target: str, session: Session, script: str) -> str:
        try:
            return session.run(script, timeout=600.0)
        except TargetError as error:
            if "MemoryError" not in str(error):
                raise
            size = sum(map(len, self.files.values()))
            raise TargetError(
                f"{target}: {self.name}.py ({size:,} bytes) needs more memory than the target has; "
                f"--code compact, a lower precision or a smaller network takes less\n{error}",
                error.output,
            ) from None
