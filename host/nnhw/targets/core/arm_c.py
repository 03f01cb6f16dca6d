"""C for the bare Cortex-M0+ core: compile with arm-none-eabi-gcc, link, load with Core.load_program."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from nnhw.errors import TargetError
from nnhw.targets.core.core import Program
from nnhw.targets.core.memory import FLASH_BYTES, FLASH_START, SRAM_BYTES, SRAM_START
from nnhw.targets.target import check_names

COMPILER = "arm-none-eabi-gcc"
MISSING = f"{COMPILER} was not found; install it with: apt install gcc-arm-none-eabi"
MACHINE = ("-mcpu=cortex-m0plus", "-mthumb")
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror")

LINKER_SCRIPT = f"""
MEMORY {{
    FLASH (rx) : ORIGIN = {FLASH_START:#x}, LENGTH = {FLASH_BYTES}
    SRAM (rwx) : ORIGIN = {SRAM_START:#x}, LENGTH = {SRAM_BYTES}
}}
SECTIONS {{
    .text : {{ *(.text .text.*) *(.rodata .rodata.*) . = ALIGN(4); }} > FLASH
    .data : {{ *(.data .data.*) . = ALIGN(4); }} > SRAM
    .bss (NOLOAD) : {{ bss_start = .; *(.bss .bss.* COMMON) . = ALIGN(4); bss_end = .; }} > SRAM
    /DISCARD/ : {{ *(.ARM.exidx* .ARM.extab* .comment) }}
}}
"""


def why_unavailable() -> str | None:
    """None when the cross compiler can be used, else a sentence that says what to install."""
    return None if shutil.which(COMPILER) else MISSING


def compile_c(files: Mapping[str, bytes], flags: Sequence[str] = ("-O3",)) -> Program:
    """Compile every .c file of ``files`` (the others are headers) and link them into one program.

    The C99 sources need no main; libgcc is linked, and of the C library what they use when it is installed.
    Raises TargetError with the compiler's message on a warning or an error, or when it is missing.
    """
    reason = why_unavailable()
    if reason is not None:
        raise TargetError(f"rp2040-core: {reason}")
    check_names("rp2040-core", files)
    with tempfile.TemporaryDirectory(prefix="nnhw-") as directory:
        folder = Path(directory)
        for name, content in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
        (folder / "link.ld").write_text(LINKER_SCRIPT)
        sources = [name for name in files if name.endswith(".c")]
        _tool(folder, COMPILER, *MACHINE, *STRICT, *flags, *sources, "-nostdlib", "-Tlink.ld",
              "-Wl,--build-id=none", *_libraries(), "-o", "program.elf")  # fmt: skip
        for section in ("text", "data"):
            _tool(folder, "arm-none-eabi-objcopy", "-Obinary", f"-j.{section}", "program.elf", section)
        symbols = {}
        for line in _tool(folder, "arm-none-eabi-nm", "--defined-only", "program.elf").splitlines():
            address, kind, name = line.split()
            if kind in "TtDdBbRr" and not name.startswith("$"):
                symbols[name] = int(address, 16)
        zeroed = symbols.pop("bss_end") - symbols.pop("bss_start")
        text, data = (folder / "text").read_bytes(), (folder / "data").read_bytes()
    return Program(text, data, zeroed, symbols)


def _libraries() -> tuple[str, ...]:
    """libgcc, and the small C library if there is one: gcc itself makes calls of memcpy and memset."""
    found = subprocess.run(
        [COMPILER, *MACHINE, "-print-file-name=libc_nano.a"], check=True, capture_output=True, text=True
    ).stdout.strip()
    return ("-lc_nano", "-lgcc") if Path(found).is_absolute() else ("-lgcc",)


def _tool(folder: Path, *command: str) -> str:
    done = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise TargetError(f"rp2040-core: {command[0]}:\n{done.stderr.strip()}")
    return done.stdout
