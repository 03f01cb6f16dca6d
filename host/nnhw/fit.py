"""Will a model fit a board: flash, heap to import and to run, time per prediction, and what to do if not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from nnhw import bench, vectors
from nnhw.boards import Board
from nnhw.heap_need import HeapNeed, heap_need
from nnhw.targets import TargetError, get_script_target, mpy
from nnhw_codegen import emitters, program
from nnhw_codegen.emit_micropython import BAKED_WEIGHTS
from nnhw_codegen.qmodel import QModel
from nnhw_codegen.text import Origin

CODES = ("portable", "compact", "viper", "thumb")
TIGHT = 0.8
"""The share of a board's heap from which on a program has too little left for itself."""

_EMULATED = {"microbit": "microbit"}
"""Boards of which a target is the whole, with the firmware's own heap: there the verdict is found by trying."""

_NAME = "model"
_MEASURED_ON = "armv6m"
_CYCLES = {"portable": 340, "compact": 1100}
"""Per multiplication, of bytecode on a Cortex-M0+: straight-line expressions, and loops over bytes."""


@dataclass(frozen=True)
class Fit:
    """One form of one code of a model on a board. Bytes; ``microseconds`` from ticks to the answer.

    ``flash`` is the module's file. ``to_import`` and ``to_run`` are what must be free on the heap after boot;
    ``heap_measured`` and ``time_measured`` tell a measurement from an estimate. ``verdict`` is "fits", "tight" or "no".
    """

    board: str
    precision: str
    code: str
    form: str
    flash: int
    to_import: int
    to_run: int
    heap_measured: bool
    microseconds: float
    time_measured: bool
    verdict: str


def fit(models: Iterable[QModel], boards: Sequence[Board], codes: Iterable[str] = CODES) -> list[Fit]:
    """Every code of every model on every board that runs it, as .mpy where the board loads it, and as source.

    Raises TargetError where the emulator or mpy-cross is missing.
    """
    found: list[Fit] = []
    for model in models:
        for code in codes:
            found += _fits(model, code, [b for b in boards if b.runs(emitters.get(code).requires)])
    return found


def _fits(model: QModel, code: str, boards: Sequence[Board]) -> Iterator[Fit]:
    if not boards:
        return
    emitter = emitters.get(code)
    whole = program.build(model)
    source = emitter.emit(whole, Origin(_NAME, "a model", "0" * 16))[f"{_NAME}.py"]
    row = tuple(vectors.values_of(model, model.tick_range[1][None, :])[0].tolist())
    cycles = (
        bench.measure(model, code, inputs=1).ticks_cycles if emitter.requires else _estimate(whole.weight_count, code)
    )
    needs: dict[str, HeapNeed] = {}
    for board in boards:
        for form in ("mpy", "py"):
            if form == "mpy" and board.arch is None:
                continue
            if form not in needs:
                needs[form] = heap_need(_NAME, source, row, as_mpy=form == "mpy")
            arch = board.arch if emitter.requires else None
            flash = len(mpy.compile_mpy(source, f"{_NAME}.py", arch)) if form == "mpy" else len(source)
            yield Fit(
                board=board.name,
                precision=model.precision.name,
                code=code,
                form=form,
                flash=flash,
                to_import=needs[form].to_import,
                to_run=needs[form].to_run,
                heap_measured=needs[form].measured,
                microseconds=cycles * 1e6 / board.clock,
                time_measured=bool(emitter.requires) and board.arch == _MEASURED_ON,
                verdict=_tried(source, board) if board.name in _EMULATED else _verdict(needs[form], flash, board),
            )


def _estimate(weights: int, code: str) -> int:
    """Cycles of bytecode; large models are loops even as portable code."""
    return weights * _CYCLES["compact" if weights > BAKED_WEIGHTS else code]


def _verdict(need: HeapNeed, flash: int, board: Board) -> str:
    if need.to_run > board.heap or flash > board.storage:
        return "no"
    return "tight" if need.to_run > TIGHT * board.heap else "fits"


def _tried(source: bytes, board: Board) -> str:
    """Whether the emulated board imports the module. Raises TargetError where it is not installed."""
    target = get_script_target(_EMULATED[board.name])
    target.require()
    try:
        target.run({f"{_NAME}.py": source}, f"import {_NAME}")
    except TargetError:
        return "no"
    return "fits"


def advice(found: Sequence[Fit], board: Board) -> str:
    """What to do on ``board``, in a sentence; ``found`` are fits of one or more models."""
    here = [f for f in found if f.board == board.name]
    if not here:
        able = ", ".join(code for code in CODES if board.runs(emitters.get(code).requires))
        return f"does not run this code; it runs {able}: see --code all"
    good = [f for f in here if f.verdict == "fits"] or [f for f in here if f.verdict == "tight"]
    if not good:
        least = min(f.to_run for f in here)
        short = f"the smallest form needs {least:,} bytes of heap, {board.heap:,} are free"
        return f"does not fit: {short}; train fewer units or fewer inputs"
    best = min(good, key=lambda f: (f.microseconds, f.to_run))
    if all(f.verdict == "fits" for f in here):
        return f"every form fits, fastest: --code {best.code} --precision {best.precision} as .{best.form}"
    why = "" if best.verdict == "fits" else ", which leaves less than a fifth of the heap"
    return f"fastest that fits: --code {best.code} --precision {best.precision} as .{best.form}{why}"
