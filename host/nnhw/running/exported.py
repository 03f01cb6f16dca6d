"""Runs an exported module over rows of input on a target: a small script there, integers back here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nnhw.errors import TargetError
from nnhw.exporting.board_package import flatten
from nnhw.running import c_program, on_core
from nnhw.targets import TARGETS, CoreTarget, ScriptTarget, Session, Target, get, get_script_target
from nnhw_codegen import emitters
from nnhw_codegen.emitters import MICROPYTHON, C
from nnhw_codegen.integers.fixed import IntArray
from nnhw_codegen.integers.ticks import float32_bits
from nnhw_codegen.registry import listed
from nnhw_codegen.writer import fill_template

Entry = Literal["values", "ticks", "codes"]
ENTRIES: tuple[Entry, ...] = ("values", "ticks", "codes")

ROWS_FILE = "rows.bin"

# Boards read decimal text up to a unit in the last place off: values travel as the bytes of a float32 (SPEC 8.2).
_FLOATS = 'unpack("<{inputs}f", v)'
_INTEGERS = 'array("i", v)'


@dataclass(frozen=True)
class _Way:
    """How a script goes from a row's bytes in v to the logits in y, by calls, and to the answer, where there is a way."""

    row: str
    calls: str
    answer: str = "-1"


_WAYS: Mapping[Entry, _Way] = {
    "values": _Way(_FLOATS, "m.ticks_from_values(v, t); m.logits_from_ticks(t, y)", "m.predict(v)"),
    "ticks": _Way(_INTEGERS, "m.logits_from_ticks(v, y)", "m.predict_ticks(v)"),
    "codes": _Way(_INTEGERS, "m.logits_from_codes(v, y)"),
}

NNRUN = "nnrun"
"""In place of a code: the .nnb file under the board package."""

_FLAT_MODULES = ("nnrun/kernels.py", "nnrun/core.py", "nnrun/reader.py")


def _template(kind: str, /, **values: object) -> str:
    return fill_template("nnhw.running", f"{kind}.py", **values)


def held(target: str, values: NDArray[Any]) -> NDArray[np.float32]:
    """Raw values as the floats of a target hold them (SPEC 3.2)."""
    bits = float32_bits(values) & -(1 << (32 - get(target).float_bits))
    return np.asarray(bits.astype(np.uint32).view(np.float32))


def _blocks(entry: Entry, rows: NDArray[Any], size: int) -> Iterator[bytes]:
    """All rows as words of four bytes, in parts of about ``size`` bytes that hold whole rows."""
    words = float32_bits(rows).astype("<u4") if entry == "values" else rows.astype("<i4")
    count = max(1, size // (4 * rows.shape[1]))
    for start in range(0, len(rows), count):
        yield words[start : start + count].tobytes()


def runs_in(code: str) -> str:
    """What runs ``code``, the name of an emitter or NNRUN: as ``Emitter.runs_in``. Raises ValueError."""
    return MICROPYTHON if code == NNRUN else emitters.get(code).runs_in


def runs_on(code: str) -> tuple[Target, ...]:
    """The targets of ``code``, the one to try first in front."""
    return tuple(target for target in TARGETS if runs_in(code) in target.executes)


def why_not(code: str, target: str) -> str | None:
    """None where ``code`` runs on the target called ``target``, else a sentence that says where it does."""
    place = get(target)
    if runs_in(code) in place.executes:
        return None
    instead = f"{target} runs {listed(place.codes)} code" if place.codes else f"{target} runs none"
    return f"{code} code runs on {listed([other.kind for other in runs_on(code)])}; {instead}"


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
        return ("ticks",) if self.code == NNRUN and get_script_target(target).is_shallow else ENTRIES

    def run(self, target: str, entry: Entry, rows: ArrayLike) -> Results:
        """Run the module on ``rows`` (n, inputs): raw values, ticks or codes, as ``entry`` says. Raises TargetError."""
        rows = np.asarray(rows)
        reason = why_not(self.code, target)
        if reason is not None:
            raise TargetError(f"{target}: {reason}")
        place = get(target)
        if runs_in(self.code) == C:
            outputs = self.sizes[-1]
            found = c_program.run(place, self.files, self.name, self.classifies, outputs, entry, rows)
        elif isinstance(place, ScriptTarget):
            found = self._by_script(place, entry, rows)
        else:
            assert isinstance(place, CoreTarget)
            module = self.files[f"{self.name}.py"]
            found = on_core.run(place, module, self.classifies, self.sizes[-1], entry, rows)
        return Results(found[:, :-1], found[:, -1])

    def _by_script(self, target: ScriptTarget, entry: Entry, rows: NDArray[Any]) -> IntArray:
        script = self._script(target, entry)
        output = ""
        for block in _blocks(entry, rows, target.file_bytes):
            with self._session(target, {ROWS_FILE: block}) as session:
                output += self._execute(target, session, script)
        numbers = [line.replace("[", "").replace("]", ",").split(",") for line in output.splitlines()]
        try:
            found = np.array(numbers, dtype=np.int64).reshape(len(rows), self.sizes[-1] + 1)
        except ValueError:
            raise TargetError(f"{target.name}: the script printed something else than integers", output) from None
        return found

    def _script(self, target: ScriptTarget, entry: Entry) -> str:
        way = _WAYS[entry]
        calls, answer, start = way.calls, way.answer, f"import {self.name} as m"
        if not self.classifies:
            answer = "0"
        elif target.is_shallow and entry != "codes" and self.code != NNRUN:
            answer = "m.decide(y)"
        if self.code == NNRUN:
            calls = calls.replace("logits_from_ticks", "logits").replace("ticks_from_values", "ticks")
            start = _template("nnrun_flat" if target.is_shallow else "nnrun", name=self.name)
        # No function of its own: the stack of the micro:bit has no room for another call.
        return _template(
            "rows",
            start=start,
            imports="from struct import unpack" if entry == "values" else "",
            units=self.sizes[-1],
            inputs=self.sizes[0],
            rows=ROWS_FILE,
            size=4 * self.sizes[0],
            row=way.row.format(inputs=self.sizes[0]),
            call=calls,
            answer=answer,
        )

    def allocates(self, target: str, ticks: list[int]) -> int:
        """Heap bytes that one forward pass from ``ticks`` takes.

        Raises TargetError where the pass tries to allocate while the heap is locked.
        """
        script = _template("allocation", name=self.name, units=self.sizes[-1], ticks=ticks)
        place = get_script_target(target)
        with self._session(place, {}) as session:
            return int(self._execute(place, session, script))

    def _session(self, target: ScriptTarget, more: Mapping[str, bytes]) -> Session:
        files = {
            name: content for name, content in self.files.items() if target.loads_mpy or not name.endswith(".mpy")
        }
        if self.code == NNRUN and target.is_shallow:
            files = flatten({name: content for name, content in files.items() if name in _FLAT_MODULES})
            files[f"{self.name}.nnb"] = self.files[f"{self.name}.nnb"]
        return target.session({**files, **more})

    def _execute(self, target: ScriptTarget, session: Session, script: str) -> str:
        try:
            return session.run(script, timeout=600.0)
        except TargetError as error:
            if "MemoryError" not in str(error):
                raise
            size = sum(map(len, self.files.values()))
            raise TargetError(
                f"{target.name}: {self.name} ({size:,} bytes) needs more memory than the target has; "
                f"--code compact, a lower precision or a smaller network takes less\n{error}",
                error.output,
            ) from None
