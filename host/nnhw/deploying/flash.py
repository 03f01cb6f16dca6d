"""Build folder -> board: the files that it can load, copied where they differ, checked by hash and by the self-test."""

from __future__ import annotations

import ast
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath

from nnhw.boards.firmware import Firmware
from nnhw.boards.link import STAGED, Link
from nnhw.boards.loadable import KEPT_MAIN, architecture, loadable, mpy_format, twin
from nnhw.boards.scripts import script
from nnhw.errors import TargetError
from nnhw.exporting.build_folder import Build, BuildError
from nnhw_codegen import emitters

RUNTIME_FOLDER = "lib/nnrun"
CORTEX_M7 = "armv7emdp"
"""The only core with double-precision floats that MicroPython makes native code for."""
SELF_TEST_SECONDS = 120.0


@dataclass(frozen=True)
class Deployment:
    """What ``flash`` did. ``microseconds`` is the time of a prediction from ticks, measured by the board itself."""

    port: str
    firmware: Firmware
    copied: dict[str, int]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]
    notes: tuple[str, ...]
    passed: bool
    self_test: str
    microseconds: int | None
    seconds: float


def flash(
    build: Build, port: str = "auto", *, form: str = "auto", with_runtime: bool = False, main: Path | None = None
) -> Deployment:
    """Put ``build`` on the board at ``port`` and run its self-test there.

    ``form`` is "py", "mpy" or "auto"; ``with_runtime`` adds nnrun and the .nnb file; ``main`` becomes main.py, and the
    one on the board main_before.py. Raises BuildError for a build without a MicroPython module, TargetError where the
    board cannot load it or the line breaks, OSError where ``main`` cannot be read. A self-test that fails does not raise.
    """
    start = time.monotonic()
    files = _files(build, with_runtime)
    if main is not None:
        files["main.py"] = main.read_bytes()
    with Link(port) as link:
        firmware = link.firmware()
        _refuse(link.name, build, firmware)
        chosen, notes = loadable(files, firmware, form)
        copied, unchanged = _copy(link, chosen, firmware)
        removed = link.remove(name for name in map(twin, chosen) if name is not None)
        passed, output, microseconds = _self_test(link, build, with_runtime)
        if main is not None:
            link.restart()
    return Deployment(
        link.port, firmware, copied, unchanged, tuple(removed), tuple(notes), passed, output, microseconds,
        time.monotonic() - start,
    )  # fmt: skip


def _files(build: Build, with_runtime: bool) -> dict[str, bytes]:
    modules = list(build.manifest.modules)
    if not modules:
        raise BuildError(
            f"{build.directory}: was exported with --code {build.manifest.code}, which makes no MicroPython module; "
            "export it again with --code portable"
        )
    files = build.contents(
        [*modules, *build.manifest.native, "selftest.py", "vectors.jsonl"] + [f"{build.name}.nnb"] * with_runtime
    )
    return files | (runtime() if with_runtime else {})


def runtime() -> dict[str, bytes]:
    """The modules of nnrun under their names on a board."""
    sources = sorted(resources.files("nnrun").iterdir(), key=lambda file: file.name)
    return {f"{RUNTIME_FOLDER}/{f.name}": f.read_bytes() for f in sources if f.name.endswith(".py")}


def _refuse(name: str, build: Build, firmware: Firmware) -> None:
    """Raise TargetError where the board cannot run the build at all."""
    if firmware.name != "micropython":
        raise TargetError(
            f"{name}: the board runs {firmware}; nnhw copies to MicroPython: see micropython.org/download"
        )
    if not firmware.files:
        raise TargetError(
            f"{name}: {firmware} has no rename, sha256 or base64, so files cannot be copied and checked; "
            f"copy {', '.join(build.manifest.modules)} with the board's own editor, or update the firmware"
        )
    needs = emitters.get(build.manifest.code).requires
    arch = architecture(firmware) or ""
    if needs == "asm_thumb" and arch == CORTEX_M7:
        raise TargetError(
            f"{name}: this build has --code {build.manifest.code}, but the board is a Cortex-M7 ({arch}), whose data "
            "cache may still hold machine code that is to be executed; export it again with --code viper"
        )
    offers = {""}
    offers |= {"viper"} if arch or firmware.viper else set()
    offers |= {"asm_thumb"} if arch.startswith("armv") or firmware.asm_thumb else set()
    if needs not in offers:
        better = " or ".join(emitter.name for emitter in emitters.fastest_first(offers.__contains__)[:2])
        raise TargetError(
            f"{name}: this build has --code {build.manifest.code}, which needs {needs}; {firmware} "
            f"(.mpy {mpy_format(firmware)}, {arch or 'no native code'}) has none; export it again with --code {better}"
        )


def _copy(link: Link, files: Mapping[str, bytes], firmware: Firmware) -> tuple[dict[str, int], tuple[str, ...]]:
    """Copy what differs, first all under temporary names: a broken line leaves the board as it was."""
    link.remove(name + STAGED for name in files)
    there = link.hashes(files)
    wanted = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    changed = {name: content for name, content in files.items() if there.get(name) != wanted[name]}
    size = sum(map(len, changed.values()))
    if firmware.storage is not None and size > firmware.storage:
        raise TargetError(
            f"{link.name}: the file system is full: {size:,} bytes to copy, {firmware.storage:,} free; "
            "delete files on the board (mpremote fs ls, mpremote fs rm), nothing on it changed"
        )
    folders = {str(folder) for name in changed for folder in PurePosixPath(name).parents} - {"."}
    link.make_folders(sorted(folders))
    for name, content in changed.items():
        link.stage(name, content)
    if "main.py" in changed and "main.py" in there:
        link.execute(f"import os\nos.rename('main.py', {KEPT_MAIN!r})")
    link.install(changed)
    found = link.hashes(files)
    bad = [name for name in files if found.get(name) != wanted[name]]
    if bad:
        raise TargetError(f"{link.name}: {', '.join(bad)} differ on the board after copying; run the command again")
    return {name: len(content) for name, content in changed.items()}, tuple(n for n in files if n not in changed)


def _self_test(link: Link, build: Build, with_runtime: bool) -> tuple[bool, str, int | None]:
    """Whether the vectors pass on the board, what it said, and the microseconds of a prediction."""
    tests = [script("self_test")]
    if with_runtime:
        tests.append(script("runtime_test", file=f"{build.name}.nnb"))
    said: list[str] = []
    all_passed, microseconds = True, None
    for test in tests:
        link.reset()
        try:
            *lines, last = link.execute(test, SELF_TEST_SECONDS).splitlines()
            passed, time_taken = ast.literal_eval(last)
        except TargetError as error:
            lines, passed, time_taken = [_explained(str(error), link.name)], False, None
        said += lines
        all_passed &= passed
        microseconds = time_taken or microseconds
    return all_passed, "\n".join(said), microseconds


def _explained(message: str, name: str) -> str:
    message = message.removeprefix(f"{name}: ")
    if "MemoryError" in message or "memory allocation failed" in message:
        return f"the board has too little memory for this model; see 'nnhw fit'\n{message}"
    return message
