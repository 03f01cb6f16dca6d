"""A BBC micro:bit in QEMU: a Cortex-M0 with the memory of a small board, under its own MicroPython 1.9.2.

The guest's raw REPL is driven over a socket in place of its serial line.
"""

from __future__ import annotations

import functools
import os
import shutil
import socket
import subprocess
import tempfile
import time
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from nnhw.errors import TargetError
from nnhw.targets.child import leashed
from nnhw.targets.target import SCRIPT_NAME, ScriptTarget, Session, check_names

EMULATOR = "qemu-system-arm"
FIRMWARE = Path("/usr/share/firmware-microbit-micropython/firmware.hex")
FIRMWARE_VARIABLE = "NNHW_MICROBIT_HEX"
FLASH_BYTES = 256 * 1024
BOOT_SECONDS = 20.0

# The guest's receive buffer holds 64 bytes and overflows when the guest collects garbage while bytes arrive:
# so a command never exceeds it, and the next one waits for the answer.
COMMAND_BYTES = 60

NO_SPACE = ("OSError: 28", "no more storage space")
ENTER_RAW = b"\x01"
EXECUTE = b"\x04"
RAW_PROMPT = b"raw REPL; CTRL-B to exit\r\n>"


class MicrobitSession(Session):
    """One QEMU process. A soft reset before every run gives a clean heap; files stay in the guest's flash."""

    def __init__(self, firmware: Path, files: Mapping[str, bytes]) -> None:
        self._received = b""
        self._temporary = tempfile.TemporaryDirectory(prefix="nnhw-")
        image = Path(self._temporary.name) / "flash.bin"
        image.write_bytes(read_flash_image(firmware))
        self._line, guest_end = socket.socketpair()
        with guest_end:
            process = subprocess.Popen(
                leashed([
                    EMULATOR, "-M", "microbit", "-nodefaults", "-nographic", "-monitor", "none",
                    "-device", f"loader,file={image},addr=0",
                    "-chardev", f"socket,id=line,fd={guest_end.fileno()}", "-serial", "chardev:line",
                ]),
                pass_fds=[guest_end.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )  # fmt: skip
        # Also when the session is dropped or the interpreter exits, no QEMU is left behind.
        self._end_process = weakref.finalize(self, end_process, process)
        try:
            deadline = time.monotonic() + BOOT_SECONDS
            self._read_until(b">>> ", deadline)
            self._line.sendall(ENTER_RAW)
            self._read_until(RAW_PROMPT, deadline)
            for name, content in files.items():
                self._write_file(flat_name(name), content)
        except BaseException:
            self.close()
            raise

    def run(self, script: str, timeout: float = 60.0) -> str:
        """See Session.run. The script is imported as a module, so its ``__name__`` is not ``__main__``;
        an exit code given to ``sys.exit`` is not seen.
        """
        self._soft_reset(time.monotonic() + BOOT_SECONDS)  # the run before may have left no memory to write with
        self._write_file(SCRIPT_NAME, script.encode())
        deadline = time.monotonic() + timeout
        self._soft_reset(deadline)
        output, errors = self._execute(f"import {SCRIPT_NAME[:-3]}".encode(), deadline)
        if errors:
            raise TargetError(f"microbit: {errors.strip()}", output)
        return output

    def close(self) -> None:
        self._end_process()
        self._line.close()
        self._temporary.cleanup()

    def _soft_reset(self, deadline: float) -> None:
        self._send(EXECUTE)
        self._read_until(RAW_PROMPT, deadline)

    def _write_file(self, name: str, content: bytes) -> None:
        deadline = time.monotonic() + BOOT_SECONDS + len(content) / 1000
        for command in upload_commands(name, content):
            _, errors = self._execute(command, deadline)
            if errors:
                reason = "the board's flash is full" if any(words in errors for words in NO_SPACE) else errors.strip()
                raise TargetError(f"microbit: writing {name} ({len(content)} bytes): {reason}")

    def _execute(self, command: bytes, deadline: float) -> tuple[str, str]:
        """Run one command of at most COMMAND_BYTES; returns what it printed and its traceback."""
        self._send(command + EXECUTE)
        self._read_until(b"OK", deadline)
        output = self._read_until(EXECUTE, deadline)
        try:
            errors = self._read_until(EXECUTE + b">", deadline)
        except TargetError as error:
            raise TargetError(str(error), _text(output)) from None
        return _text(output), _text(errors)

    def _send(self, data: bytes) -> None:
        if not self._end_process.alive:
            raise TargetError("microbit: the session is closed")
        self._line.sendall(data)

    def _read_until(self, end: bytes, deadline: float) -> bytes:
        """Return the bytes before ``end``; past the deadline (time.monotonic()) end the guest and raise."""
        while end not in self._received:
            self._line.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                data = self._line.recv(65536)
            except TimeoutError:
                output = _text(self._received)
                self.close()
                raise TargetError("microbit: the guest did not finish in time; it was ended", output) from None
            if not data:
                words = self._end_process() or b"no message"
                raise TargetError(f"microbit: QEMU ended: {_text(words).strip()}", _text(self._received))
            self._received += data
        before, _, self._received = self._received.partition(end)
        return before


def end_process(process: subprocess.Popen[bytes]) -> bytes:
    """Kill the process and return what it wrote to stderr."""
    process.kill()
    return process.communicate()[1]


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


def _text(data: bytes) -> str:
    return data.decode(errors="replace").replace("\r\n", "\n")
