"""A BBC micro:bit in QEMU: a Cortex-M0 with the memory of a small board, under its own MicroPython 1.9.2.

Files and scripts reach it over its serial line.
"""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from nnhw.errors import TargetError
from nnhw.targets.guest_line import BOOT_SECONDS, EXECUTE, GuestLine
from nnhw.targets.target import SCRIPT_NAME, ScriptTarget, Session, check_names

EMULATOR = "qemu-system-arm"
FIRMWARE = Path("/usr/share/firmware-microbit-micropython/firmware.hex")
FIRMWARE_VARIABLE = "NNHW_MICROBIT_HEX"
FLASH_BYTES = 256 * 1024

# The guest's receive buffer holds 64 bytes and overflows when the guest collects garbage while bytes arrive:
# so a command never exceeds it, and the next one waits for the answer.
COMMAND_BYTES = 60

NO_SPACE = ("OSError: 28", "no more storage space")


class MicrobitSession(Session):
    """One QEMU process. A soft reset before every run gives a clean heap; files stay in the guest's flash."""

    def __init__(self, firmware: Path, files: Mapping[str, bytes]) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="nnhw-")
        image = Path(self._temporary.name) / "flash.bin"
        image.write_bytes(read_flash_image(firmware))
        loader = f"loader,file={image},addr=0"
        self._line = GuestLine("microbit", [EMULATOR, "-M", "microbit", "-nodefaults", "-device", loader])
        try:
            for name, content in files.items():
                self._write_file(flat_name(name), content)
        except BaseException:
            self.close()
            raise

    def run(self, script: str, timeout: float = 60.0) -> str:
        """See Session.run. The script is imported as a module, so its ``__name__`` is not ``__main__``;
        an exit code given to ``sys.exit`` is not seen.
        """
        # The run before may have left no memory to write with.
        self._line.soft_reset(time.monotonic() + BOOT_SECONDS)
        self._write_file(SCRIPT_NAME, script.encode())
        deadline = time.monotonic() + timeout
        self._line.soft_reset(deadline)
        output, errors = self._line.execute(f"import {SCRIPT_NAME[:-3]}".encode(), deadline)
        if errors:
            raise TargetError(f"microbit: {errors.strip()}", output)
        return output

    def close(self) -> None:
        self._line.close()
        self._temporary.cleanup()

    def _write_file(self, name: str, content: bytes) -> None:
        deadline = time.monotonic() + BOOT_SECONDS + len(content) / 1000
        for command in upload_commands(name, content):
            _, errors = self._line.execute(command, deadline)
            if errors:
                reason = "the board's flash is full" if any(words in errors for words in NO_SPACE) else errors.strip()
                raise TargetError(f"microbit: writing {name} ({len(content)} bytes): {reason}")


class MicrobitTarget(ScriptTarget):
    """The smallest board: about 9 KB of heap, no native or viper code, inline assembler."""

    name = "microbit"
    summary = "BBC micro:bit in QEMU: Cortex-M0, MicroPython 1.9.2, a heap of about 9 KB"
    executes = ("micropython", "asm_thumb")
    word_bits = 32
    float_bits = 30
    file_bytes = 3000
    is_shallow = True
    whole_board = "microbit"

    def why_unavailable(self) -> str | None:
        if shutil.which(EMULATOR) is None:
            return f"{EMULATOR} was not found; install it with: apt install qemu-system-arm"
        if not _firmware().is_file():
            return (
                f"there is no firmware at {_firmware()}; install it with: apt install "
                f"firmware-microbit-micropython, or name a MicroPython .hex file in {FIRMWARE_VARIABLE}"
            )
        return None

    def session(self, files: Mapping[str, bytes], heap: int | None = None) -> Session:
        """See ScriptTarget.session. The file system is flat: ``nnrun/__init__.py`` becomes ``nnrun.py``."""
        self.require()
        if heap is not None:
            raise TargetError("microbit: the heap of this board is fixed; leave heap at None")
        check_names(self.name, files)
        return MicrobitSession(_firmware(), files)


def flat_name(name: str) -> str:
    """The name a file gets in the guest's flat file system. Raises TargetError when it cannot have one."""
    path = PurePosixPath(name)
    if len(path.parts) == 1:
        return name
    if path.name != "__init__.py":
        raise TargetError(
            f"microbit: {name} cannot be stored: this board has no directories; "
            "put the package into one file, or use another target"
        )
    return f"{path.parent}.py"


def upload_commands(name: str, content: bytes) -> Iterator[bytes]:
    """The raw REPL commands, each within COMMAND_BYTES, that write ``content`` to the file ``name``."""
    opening = f"_f=open({name!r},'wb')".encode()
    if len(opening) + len(EXECUTE) > COMMAND_BYTES:
        raise TargetError(f"microbit: the file name {name!r} is too long for this board")
    yield opening
    room = COMMAND_BYTES - len(b"_f.write()") - len(EXECUTE)
    start = 0
    while start < len(content):
        end = min(start + room, len(content))
        while len(repr(content[start:end])) > room:
            end -= 1
        yield b"_f.write(%a)" % content[start:end]
        start = end
    yield b"_f.close()"


@functools.lru_cache(maxsize=1)
def read_flash_image(path: Path) -> bytes:
    """The 256 KiB of flash in an Intel HEX file; records elsewhere, as the UICR, are left out.

    Raises TargetError for a file that is not Intel HEX.
    """
    image = bytearray(b"\xff" * FLASH_BYTES)
    base = 0
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        try:
            record = bytes.fromhex(line.strip().removeprefix(":"))
        except ValueError:
            record = b""
        if len(record) < 5 or len(record) != record[0] + 5 or sum(record) % 256:
            raise TargetError(f"microbit: {path}, line {number}: not a valid Intel HEX record")
        length, offset, kind, data = record[0], int.from_bytes(record[1:3], "big"), record[3], record[4:-1]
        if kind == 4:
            base = int.from_bytes(data, "big") << 16
        elif kind == 0 and base + offset + length <= FLASH_BYTES:
            image[base + offset : base + offset + length] = data
    return bytes(image)


def _firmware() -> Path:
    return Path(os.environ.get(FIRMWARE_VARIABLE) or FIRMWARE)
