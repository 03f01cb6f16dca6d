"""Which emitter makes the code of a build: the one that was asked for, or the fastest that fits the board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nnhw.boards.catalog import Board
from nnhw.exporting.compile import compile_modules
from nnhw.exporting.request import AUTO, CODE, ExportRequest
from nnhw_codegen import emitters
from nnhw_codegen.emitters import Emitter
from nnhw_codegen.errors import InputError
from nnhw_codegen.integers import program
from nnhw_codegen.micropython import words as micropython_words
from nnhw_codegen.network.network import Column
from nnhw_codegen.writer import Origin

_TINY_HEAP = 32_000
"""Bytes; with less, code is chosen for size alone."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """An emitter, and what it made: source files, .mpy files, and ``notes`` on them for the user."""

    emitter: Emitter
    origin: Origin
    emitted: Mapping[str, bytes]
    compiled: Mapping[str, bytes]
    notes: tuple[str, ...]

    @property
    def modules(self) -> tuple[str, ...]:
        """The files for MicroPython to import."""
        return tuple(file for file in self.emitted if file.endswith(".py"))


def pick_code(request: ExportRequest) -> Chosen:
    """The code for a request: the first of its candidates that takes half the board's heap at most, else the last.

    Raises ValueError for an unknown code or board, and for code that the board does not run.
    """
    place = request.place
    *earlier, last = _candidates(request.code, place)
    for emitter in earlier:
        chosen = _made(request, emitter)
        if place is None or sum(map(len, (chosen.compiled or chosen.emitted).values())) <= place.heap // 2:
            return chosen
    return _made(request, last)


def _made(request: ExportRequest, emitter: Emitter) -> Chosen:
    origin = request.origin(emitter.name)
    emitted = emitter.emit(program.build(request.model), origin)
    emitted = _with_encode(emitted, f"{origin.name}.py", request.columns)
    compiled, notes = compile_modules(emitted, emitter.requires, request.place)
    return Chosen(emitter, origin, emitted, compiled, tuple(notes))


def _with_encode(emitted: dict[str, bytes], module: str, columns: Sequence[Column]) -> dict[str, bytes]:
    """``emitted`` with ``encode`` at the end of ``module``, where there is one and the inputs are not just numbers."""
    if not columns or module not in emitted:
        return emitted
    return {**emitted, module: emitted[module] + micropython_words.source(columns).encode()}


def _candidates(code: str, board: Board | None) -> list[Emitter]:
    """The emitters to try, best first."""
    if code != AUTO:
        emitter = emitters.get(code)
        if board is not None and not board.runs(emitter.requires):
            able = ", ".join(e.name for e in emitters.EMITTERS if board.runs(e.requires))
            raise InputError(f"{board.name} does not run {code} code, which needs {emitter.requires}; it runs {able}")
        return [emitter]
    if board is None:
        return [emitters.get(CODE)]
    ranked = emitters.fastest_first(board.runs)
    return ranked[-1:] if board.heap < _TINY_HEAP else ranked
