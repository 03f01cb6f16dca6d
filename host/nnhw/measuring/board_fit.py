"""Will a model fit a board: flash, heap to import and to run, time per prediction, and what to do if not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from nnhw.boards import mpy_cross
from nnhw.boards.catalog import Board
from nnhw.errors import TargetError
from nnhw.exporting import vectors
from nnhw.measuring import machine_code
from nnhw.measuring.heap import HeapNeed, heap_need
from nnhw.targets import TARGETS, ScriptTarget
from nnhw_codegen import emitters
from nnhw_codegen.integers import program
from nnhw_codegen.integers.qmodel import QModel
from nnhw_codegen.writer import Origin

CODES = tuple(emitter.name for emitter in emitters.EMITTERS if emitter.makes_module)
TIGHT = 0.8
"""The share of a board's heap from which on a program has too little left for itself."""

NAME = "model"
EMULATED = {t.whole_board: t for t in TARGETS if isinstance(t, ScriptTarget) and t.whole_board}
"""Boards of which a target is the whole, with the firmware's own heap: there the verdict is found by trying."""

TRIAL = f"""\
held = bytearray({{held}})
import {NAME}
from array import array
{NAME}.logits_from_ticks(array("i", bytes(4 * {{inputs}})), array("i", bytes(4 * {{outputs}})))"""
"""Near the limit it is up to chance whether a hole is left that is large enough: what fits also does beside ``held``."""

_TOO_LITTLE = ("MemoryError", "recursion depth", "flash is full")

_MEASURED_ON = "armv6m"


@dataclass(frozen=True)
class BoardFit:
    """One kind of file of one code of a model on a board. Bytes; ``microseconds`` from ticks to the answer.

    ``flash`` is the module's file. ``to_import`` and ``to_run`` are what HeapNeed tells; ``heap_measured`` and
    ``time_measured`` tell a measurement from an estimate. ``verdict`` is "no" where the import fails, "tight" where
    ``to_run`` leaves less than a fifth of the heap, else "fits".
    """

    board: str
    precision: str
    code: str
    kind: str
    flash: int
    to_import: int
    to_run: int
    heap_measured: bool
    microseconds: float
    time_measured: bool
    verdict: str


def fit(
    models: Sequence[QModel],
    boards: Sequence[Board],
    codes: Sequence[str] = CODES,
    advance: Callable[[float, str], None] = lambda amount, text: None,
) -> list[BoardFit]:
    """Every code of every model on every board that runs it, as .mpy where the board loads it, and as source.

    ``advance`` is called with the share of the work that was done, and its name. Raises TargetError where the emulator
    or mpy-cross is missing.
    """
    found: list[BoardFit] = []
    for model in models:
        measured = _Measured(model)
        for code in codes:
            found += _fits(measured, code, [b for b in boards if b.runs(emitters.get(code).requires)])
            advance(1 / len(models) / len(codes), f"{model.precision.name} {code}")
    return found


class _Measured:
    """What does not depend on the board is measured once, and once for codes that are the same module."""

    def __init__(self, model: QModel) -> None:
        self.model = model
        self.whole = program.build(model)
        self.row = tuple(vectors.values_of(model, model.tick_range[1][None, :])[0].tolist())
        self.heap_need = cache(self._heap_need)
        self.verdict_of = cache(self._verdict_of)

    def source(self, code: str) -> bytes:
        return emitters.get(code).emit(self.whole, Origin(NAME, "a model", "0" * 16))[f"{NAME}.py"]

    def cycles(self, code: str) -> int:
        """From ticks to the answer on a Cortex-M0+; of bytecode an estimate."""
        if code in machine_code.CODES:
            return machine_code.measure(self.model, code, inputs=1).ticks_cycles
        return emitters.get(code).estimate(self.whole)

    def _heap_need(self, source: bytes, as_mpy: bool) -> HeapNeed:
        return heap_need(NAME, source, self.row, as_mpy=as_mpy)

    def _verdict_of(self, source: bytes, board: Board) -> str:
        return _tried(source, self.model.sizes, board)


def _fits(measured: _Measured, code: str, boards: Sequence[Board]) -> Iterator[BoardFit]:
    if not boards:
        return
    native = bool(emitters.get(code).requires)
    source, cycles = measured.source(code), measured.cycles(code)
    for board in boards:
        for kind in ("mpy", "py"):
            if kind == "mpy" and board.arch is None:
                continue
            arch = board.arch if native else None
            flash = len(mpy_cross.compile_mpy(source, f"{NAME}.py", arch)) if kind == "mpy" else len(source)
            need = measured.heap_need(source, kind == "mpy")
            yield BoardFit(
                board=board.name,
                precision=measured.model.precision.name,
                code=code,
                kind=kind,
                flash=flash,
                to_import=need.to_import,
                to_run=need.to_run,
                heap_measured=need.measured,
                microseconds=cycles * 1e6 / board.clock,
                time_measured=native and board.arch == _MEASURED_ON,
                verdict=measured.verdict_of(source, board)
                if board.name in EMULATED
                else _verdict(need, flash, board),
            )


def _verdict(need: HeapNeed, flash: int, board: Board) -> str:
    """What the import needs at once decides; the rest of ``to_run`` is collected where it is short."""
    if need.to_import > board.heap or flash > board.storage:
        return "no"
    return "tight" if need.to_run > TIGHT * board.heap else "fits"


def _tried(source: bytes, sizes: Sequence[int], board: Board) -> str:
    """By what the emulated board can import and compute. Raises TargetError for a fault of another kind."""
    if len(source) > board.storage:
        return "no"
    for verdict, share in (("fits", 1 - TIGHT), ("tight", 0)):
        script = TRIAL.format(held=int(share * board.heap), inputs=sizes[0], outputs=sizes[-1])
        try:
            EMULATED[board.name].run({f"{NAME}.py": source}, script)
        except TargetError as error:
            if not any(reason in str(error) for reason in _TOO_LITTLE):
                raise
        else:
            return verdict
    return "no"


def advice(found: Sequence[BoardFit], board: Board) -> str:
    """What to do on ``board``, in a sentence; ``found`` are fits of one or more models."""
    here = [f for f in found if f.board == board.name]
    if not here:
        able = ", ".join(code for code in CODES if board.runs(emitters.get(code).requires))
        return f"does not run this code; it runs {able}: see --code all"
    good = [f for f in here if f.verdict == "fits"] or [f for f in here if f.verdict == "tight"]
    if not good:
        least = min(f.to_import for f in here)
        short = f"the smallest needs {least:,} bytes of heap, {board.heap:,} are free"
        return f"does not fit: {short}; train fewer units or fewer inputs"
    best = min(good, key=lambda f: (f.microseconds, f.to_run))
    if all(f.verdict == "fits" for f in here):
        return f"every kind of file fits, fastest: --code {best.code} --precision {best.precision} as .{best.kind}"
    why = "" if best.verdict == "fits" else ", which leaves less than a fifth of the heap"
    return f"fastest that fits: --code {best.code} --precision {best.precision} as .{best.kind}{why}"
