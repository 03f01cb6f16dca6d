"""MicroPython on a Cortex-M4 and on a RISC-V core in QEMU, by firmware of MicroPython's own port for QEMU.

The port has no file system. Files lie in memory of the guest that is a file here too: a log of names and contents, to
which both sides append, and which the guest mounts by ``scripts/memory_disk.py.in``.
"""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nnhw.boards.scripts import script as board_script
from nnhw.errors import TargetError
from nnhw.targets.guest_line import BOOT_SECONDS, GuestLine
from nnhw.targets.target import SCRIPT_NAME, ScriptTarget, Session, check_names

FOLDER_VARIABLE = "NNHW_QEMU_FIRMWARE"
DISK_BYTES = 8 << 20
MOUNT_BYTES = 16 << 10
"""Room for the program that mounts the disk, behind the disk."""

_HEAD = struct.Struct("<BBI")
_RUN = f"""try:
 import {SCRIPT_NAME[:-3]}
except SystemExit as _error:
 if _error.args and _error.args[0]:
  raise RuntimeError("the script ended with exit code %s" % _error.args[0])
""".encode()


@dataclass(frozen=True)
class Machine:
    """A machine of QEMU: how to start it, and its memory, whose end holds the disk. ``package`` is Debian's."""

    emulator: str
    package: str
    options: tuple[str, ...]
    memory_start: int
    memory_bytes: int

    @property
    def disk_place(self) -> int:
        """Where the disk begins, in bytes from the start of the memory."""
        return self.memory_bytes - DISK_BYTES - MOUNT_BYTES

    def command(self, firmware: Path, memory: Path) -> list[str]:
        """What starts the machine with its memory in a file."""
        name, *more = self.options
        backend = f"memory-backend-file,id=ram,size={self.memory_bytes},mem-path={memory},share=on"
        return [
            self.emulator, "-M", f"{name},memory-backend=ram", *more, "-object", backend,
            "-semihosting", "-kernel", str(firmware),
        ]  # fmt: skip


class QemuSession(Session):
    """One QEMU process. A soft reset before every run gives a clean heap; files stay in the guest's memory."""

    def __init__(self, target: str, machine: Machine, firmware: Path, files: Mapping[str, bytes]) -> None:
        self._target = target
        with tempfile.NamedTemporaryFile(prefix="nnhw-") as file:  # both sides hold it open; its name may go
            file.truncate(machine.memory_bytes)
            self._memory = mmap.mmap(file.fileno(), machine.memory_bytes)
            self._start = machine.disk_place
            address = machine.memory_start + machine.disk_place
            mount = board_script("memory_disk", address=address, size=DISK_BYTES).encode()
            if len(mount) > MOUNT_BYTES:
                raise TargetError(f"{target}: the program that mounts the disk takes {len(mount)} bytes")
            self._put(self._start + DISK_BYTES, mount)
            self._put(self._start, struct.pack("<I", 4))
            where = f"uctypes.bytearray_at({address + DISK_BYTES},{len(mount)})"
            self._mount = f"import uctypes\nexec(bytes({where}),{{}})".encode()
            for name, content in files.items():
                self._append(name, content)
            self._line = GuestLine(target, machine.command(firmware, Path(file.name)))

    def run(self, script: str, timeout: float = 60.0) -> str:
        """See Session.run. The script is imported as a module, so its ``__name__`` is not ``__main__``."""
        boot = time.monotonic() + BOOT_SECONDS
        self._line.soft_reset(boot)
        self._append(SCRIPT_NAME, script.encode())
        self._execute(self._mount, boot)
        return self._execute(_RUN, time.monotonic() + timeout)

    def _execute(self, command: bytes, deadline: float) -> str:
        output, errors = self._line.execute(command, deadline)
        if errors:
            raise TargetError(f"{self._target}: {errors.strip()}", output)
        return output

    def close(self) -> None:
        self._line.close()
        self._memory.close()

    def _put(self, place: int, content: bytes) -> None:
        self._memory[place : place + len(content)] = content

    def _append(self, name: str, content: bytes) -> None:
        """Add a file to the log on the disk; it replaces an earlier one of this name."""
        (end,) = struct.unpack_from("<I", self._memory, self._start)
        entry = _HEAD.pack(len(name.encode()), 1, len(content)) + name.encode() + content
        if end + len(entry) > DISK_BYTES:
            raise TargetError(
                f"{self._target}: {name} ({len(content):,} bytes) does not fit on what is left of the disk"
            )
        self._put(self._start + end, entry)
        self._put(self._start, struct.pack("<I", end + len(entry)))


class QemuTarget(ScriptTarget):
    """One machine under the firmware NAME.elf in the folder that NNHW_QEMU_FIRMWARE names."""

    word_bits = 32
    opt_in = True

    def __init__(self, name: str, summary: str, executes: tuple[str, ...], machine: Machine) -> None:
        self.name, self.summary, self.executes, self._machine = name, summary, executes, machine

    def _firmware(self) -> Path | None:
        folder = os.environ.get(FOLDER_VARIABLE)
        return Path(folder) / f"{self.name}.elf" if folder else None

    def why_unavailable(self) -> str | None:
        machine, firmware = self._machine, self._firmware()
        if shutil.which(machine.emulator) is None:
            return f"{machine.emulator} was not found; install it with: apt install {machine.package}"
        if firmware is None or not firmware.is_file():
            found = "is not set" if firmware is None else f"has no {firmware.name}"
            return f"{FOLDER_VARIABLE} {found}: it names the folder that .ci/qemu_firmware FOLDER fills with firmware"
        return None

    def session(self, files: Mapping[str, bytes], heap: int | None = None) -> Session:
        """See ScriptTarget.session."""
        self.require()
        if heap is not None:
            raise TargetError(f"{self.name}: the heap of this firmware is fixed; leave heap at None")
        check_names(self.name, files)
        firmware = self._firmware()
        assert firmware is not None
        return QemuSession(self.name, self._machine, firmware, files)


CORTEX_M4 = QemuTarget(
    "qemu-m4",
    "a Cortex-M4 in QEMU under MicroPython: viper and Thumb code",
    ("micropython", "viper", "asm_thumb"),
    Machine("qemu-system-arm", "qemu-system-arm", ("mps2-an386",), 0x2100_0000, 16 << 20),
)
RISC_V = QemuTarget(
    "qemu-rv32",
    "a 32-bit RISC-V core in QEMU under MicroPython: viper code, as the ESP32-C3 runs it",
    ("micropython", "viper"),
    Machine("qemu-system-riscv32", "qemu-system-misc", ("virt", "-bios", "none"), 0x8000_0000, 128 << 20),
)
