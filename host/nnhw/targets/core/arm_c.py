"""C for the bare cores: compile with gcc for the core, link, load with its load_program."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnhw.errors import TargetError
from nnhw.targets.core.bare_core import Program
from nnhw.targets.core.memory import FLASH_BYTES, FLASH_START, SRAM_BYTES, SRAM_START
from nnhw.targets.target import check_names

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror")


@dataclass(frozen=True)
class Toolchain:
    """A cross compiler for a core.

    ``prefix`` of its programs, ``machine`` flags, ``package`` of Debian, and the small C ``library``, which gcc itself calls
    for memcpy and memset: it is linked where it is installed.
    """

    target: str
    prefix: str
    machine: tuple[str, ...]
    package: str
    library: str

    def libraries(self) -> tuple[str, ...]:
        """What to link: libgcc, behind the C library if there is one."""
        command = [f"{self.prefix}-gcc", *self.machine, f"-print-file-name=lib{self.library}.a"]
        found = subprocess.run(command, check=False, capture_output=True, text=True)
        has_library = found.returncode == 0 and Path(found.stdout.strip()).is_absolute()
        return (f"-l{self.library}", "-lgcc") if has_library else ("-lgcc",)


CORTEX_M0_PLUS = Toolchain(
    "rp2040-core", "arm-none-eabi", ("-mcpu=cortex-m0plus", "-mthumb"), "gcc-arm-none-eabi", "c_nano"
)
CORTEX_M4 = Toolchain("cortex-m", "arm-none-eabi", ("-mcpu=cortex-m4", "-mthumb"), "gcc-arm-none-eabi", "c_nano")
RISC_V = Toolchain(
    "rv32-core",
    "riscv64-unknown-elf",
    ("-march=rv32imc", "-mabi=ilp32", "--specs=picolibc.specs"),
    "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
    "c",
)

TOOLCHAINS = (CORTEX_M0_PLUS, CORTEX_M4, RISC_V)


def toolchain_of(target: str) -> Toolchain:
    """The cross compiler for the core called ``target``."""
    return next(chain for chain in TOOLCHAINS if chain.target == target)


LINKER_SCRIPT = f"""
MEMORY {{
    FLASH (rx) : ORIGIN = {FLASH_START:#x}, LENGTH = {FLASH_BYTES}
    SRAM (rwx) : ORIGIN = {SRAM_START:#x}, LENGTH = {SRAM_BYTES}
}}
SECTIONS {{
    .text : {{ *(.text .text.*) *(.rodata .rodata.* .srodata .srodata.*) . = ALIGN(4); }} > FLASH
    .data : {{ *(.data .data.* .sdata .sdata.*) . = ALIGN(4); }} > SRAM
    .bss (NOLOAD) : {{ bss_start = .; *(.bss .bss.* .sbss .sbss.* COMMON) . = ALIGN(4); bss_end = .; }} > SRAM
    /DISCARD/ : {{ *(.ARM.exidx* .ARM.extab* .comment .riscv.attributes) }}
}}
"""


def why_unavailable(toolchain: Toolchain = CORTEX_M0_PLUS) -> str | None:
    """None when the cross compiler can be used, else a sentence that says what to install."""
    compiler = f"{toolchain.prefix}-gcc"
    return (
        None
        if shutil.which(compiler)
        else f"{compiler} was not found; install it with: apt install {toolchain.package}"
    )


def compile_c(
    files: Mapping[str, bytes], flags: Sequence[str] = ("-O3",), toolchain: Toolchain = CORTEX_M0_PLUS
) -> Program:
    """Compile every .c file of ``files`` (the others are headers) and link them into one program.

    The C99 sources need no main; libgcc is linked, and of the C library what they use when it is installed.
    Raises TargetError with the compiler's message on a warning or an error, or when it is missing.
    """
    reason = why_unavailable(toolchain)
    if reason is not None:
        raise TargetError(f"{toolchain.target}: {reason}")
    check_names(toolchain.target, files)
    with tempfile.TemporaryDirectory(prefix="nnhw-") as directory:
        folder = Path(directory)
        for name, content in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
        (folder / "link.ld").write_text(LINKER_SCRIPT)
        sources = [name for name in files if name.endswith(".c")]
        _tool(toolchain, folder, "gcc", *toolchain.machine, *STRICT, *flags, *sources, "-nostdlib", "-Tlink.ld",
              "-Wl,--build-id=none,--no-gc-sections", *toolchain.libraries(), "-o", "program.elf")  # fmt: skip
        for section in ("text", "data"):
            _tool(toolchain, folder, "objcopy", "-Obinary", f"-j.{section}", "program.elf", section)
        symbols = {}
        for line in _tool(toolchain, folder, "nm", "--defined-only", "program.elf").splitlines():
            address, kind, name = line.split()
            if kind in "TtDdBbRr" and not name.startswith("$"):
                symbols[name] = int(address, 16)
        zeroed = symbols.pop("bss_end") - symbols.pop("bss_start")
        text, data = (folder / "text").read_bytes(), (folder / "data").read_bytes()
    return Program(text, data, zeroed, symbols)


def _tool(toolchain: Toolchain, folder: Path, name: str, *options: str) -> str:
    command = (f"{toolchain.prefix}-{name}", *options)
    done = subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise TargetError(f"{toolchain.target}: {command[0]}:\n{done.stderr.strip()}")
    return done.stdout
