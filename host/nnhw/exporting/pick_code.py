"""Which emitter makes the code of a build: the one that was asked for, or the fastest that fits the board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nnhw.boards.catalog import Board
from nnhw.exporting.compile import compile_modules
from nnhw.exporting.request import AUTO, CODE, ExportRequest
from nnhw_codegen import emitters
from nnhw_codegen.emitters import Emitter
from nnhw_codegen.errors import InputError
from nnhw_codegen.files.native_mpy import NativeModule
from nnhw_codegen.integers import program
from nnhw_codegen.micropython import words as micropython_words
from nnhw_codegen.network.network import Column
from nnhw_codegen.writer import Origin

_TINY_HEAP = 32_000
"""Bytes; with less, code is chosen for size alone."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """An emitter, and what it made: source files, .mpy files, and ``notes`` on them for the user.

    ``native`` is what the .mpy is made of where that is machine code from here.
    """

    emitter: Emitter
    origin: Origin
    emitted: Mapping[str, bytes]
    compiled: Mapping[str, bytes]
    notes: tuple[str, ...]
    native: NativeModule | None = None

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
    whole = program.build(request.model)
    emitted = _with_encode(emitter.emit(whole, origin), f"{origin.name}.py", request.columns)
    native = None if emitter.native is None else emitter.native(whole, origin)
    if native is not None and request.columns:
        native = replace(native, source=native.source + micropython_words.source(request.columns).encode())
    compiled, notes = compile_modules(emitted, emitter.requires, request.place, native)
    return Chosen(emitter, origin, emitted, compiled, tuple(notes), native if compiled else None)


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
