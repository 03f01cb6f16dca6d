"""The .mpy files of a build."""

from __future__ import annotations

from collections.abc import Mapping

from nnhw.boards import catalog, mpy_cross
from nnhw.boards.catalog import Board
from nnhw.errors import TargetError
from nnhw_codegen.emitters import Emitter
from nnhw_codegen.files import native_mpy
from nnhw_codegen.files.native_mpy import NativeModule


def compile_modules(
    emitted: Mapping[str, bytes], requires: str, board: Board | None, native: NativeModule | None = None
) -> tuple[dict[str, bytes], list[str]]:
    """The .mpy of every module, for the board or for every architecture, and notes for the user.

    ``native`` is made in place of the only module.
    """
    sources = {file[:-3]: content for file, content in emitted.items() if file.endswith(".py")}
    if not sources:
        return {}, []
    if board is not None and board.arch is None:
        return {}, [f"no .mpy: {board.name} loads none of today's"]
    if native is not None:
        (stem,) = sources
        try:
            content = compile_native(native, stem)
        except TargetError as error:
            return {}, [f"no .mpy: {error}"]
        return {f"{stem}.mpy": content}, [
            f"copy {stem}.mpy, or {stem}.py where MicroPython is older than 1.23, never both: the .py would be loaded"
        ]
    if not requires:
        places: dict[str, str | None] = {"": None}
    elif board is not None:
        places = {"": board.arch}
    else:
        known = catalog.ARCHITECTURES[requires]
        places = {"": known[0]} if len(known) == 1 else {f"-{arch}": arch for arch in known}
    try:
        compiled = {
            f"{stem}{suffix}.mpy": mpy_cross.compile_mpy(content, f"{stem}.py", arch)
            for stem, content in sources.items()
            for suffix, arch in places.items()
        }
    except TargetError as error:
        return {}, [f"no .mpy: {error}"]
    if len(places) > 1:
        (stem,) = sources
        return compiled, [f"copy the .mpy of the board's architecture as {stem}.mpy; --board NAME makes that one"]
    return compiled, []


def compile_native(module: NativeModule, stem: str) -> bytes:
    """The native .mpy of the module ``stem``. Raises TargetError where mpy-cross is missing."""
    return native_mpy.splice(mpy_cross.compile_mpy(module.source, f"{stem}.py"), module)


def compile_step(
    files: Mapping[str, bytes], name: str, emitter: Emitter, board: Board | None
) -> tuple[dict[str, bytes], list[str]]:
    """The .mpy of a training step for nnrun: compilers on boards find some too big for one function."""
    file, requires = f"{name}_learn.py", emitter.learn_runs_in
    if emitter.learn_alone is not None or file not in files or (board is not None and not board.runs(requires)):
        return {}, []
    return compile_modules({file: files[file]}, requires, board)
