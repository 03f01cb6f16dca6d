"""An Xtensa core with windowed registers (dc232b, in QEMU), as that of the ESP32 has them: exact results, no counts.

A small program in the core's memory takes commands from its standard input: fill memory, send memory, call a function.
Accesses are not checked against what the code was given; what the core itself refuses ends it.
"""

from __future__ import annotations

import shutil
import socket
import struct
import subprocess
import tempfile
import weakref
from pathlib import Path

from nnhw.errors import TargetError
from nnhw.targets.child import leashed
from nnhw.targets.core.bare_core import BareCore, CallResult, CoreTarget
from nnhw.targets.guest_line import end_process

EMULATOR = "qemu-system-xtensa"
RESET = 0xFE000000
VECTORS = 0xD0000000
"""The core sees its memory from here on."""
KERNEL_EXCEPTION, DOUBLE_EXCEPTION = VECTORS + 0x300, VECTORS + 0x3C0
COMMAND = VECTORS + 0x1000
STACK = VECTORS + 0x10000
PLACES = range(VECTORS + 0x20000, VECTORS + 0x800000)
GUARD_BYTES = 64
ANSWER_SECONDS = 60.0

FILL, SEND, CALL = 1, 2, 3
WINDOWS_ON = 0x40000
"""Of the processor status: registers are windowed, no exception is being handled."""
WINDOW_START, STATUS, CAUSE, FAULT_PC, FAULT_ADDRESS = 73, 230, 232, 177, 238
"""Numbers of special registers."""


class Assembler:
    """The few instructions that the program takes, in the formats of the Xtensa ISA; each is 3 bytes.

    ``literals`` are words before the code, which starts at ``start``.
    """

    def __init__(self, start: int, literals: tuple[int, ...] = ()) -> None:
        self.start, self._literals = start, literals
        self._words: list[int] = []

    @property
    def here(self) -> int:
        """The address of the next instruction."""
        return self.start + 3 * len(self._words)

    @property
    def image(self) -> bytes:
        """Literals and code, the latter from ``start`` on."""
        words = b"".join(word.to_bytes(3, "little") for word in self._words)
        return struct.pack(f"<{len(self._literals)}I", *self._literals) + words

    def add(self, word: int, r: int = 0, s: int = 0, t: int = 0) -> None:
        """An instruction of the form RRR."""
        self._words.append(word | r << 12 | s << 8 | t << 4)

    def literal(self, t: int, number: int) -> None:
        """l32r: load literal ``number``."""
        place = self.start - 4 * (len(self._literals) - number)
        self.add(1 | (place - (self.here + 3 & ~3)) // 4 % 2**16 << 8, t=t)

    def movi(self, t: int, value: int) -> None:
        self.add(0xA002 | value << 16, t=t)

    def mov(self, r: int, s: int) -> None:
        self.add(0x200000, r, s, s)

    def load(self, t: int, s: int, offset: int) -> None:
        self.add(0x2002 | offset // 4 << 16, s=s, t=t)

    def store(self, t: int, s: int, offset: int) -> None:
        self.add(0x6002 | offset // 4 << 16, s=s, t=t)

    def read_special(self, t: int, number: int) -> None:
        self.add(0x030000 | number << 8, t=t)

    def write_special(self, t: int, number: int) -> None:
        self.add(0x130000 | number << 8, t=t)

    def branch_not_zero(self, s: int, to: int) -> None:
        self.add(0x56 | (to - self.here - 4) % 2**12 << 12, s=s)

    def jump(self, to: int) -> None:
        self.add(6 | (to - self.here - 4) % 2**18 << 6)

    def simulator_call(self, number: int, a3: int | None = None) -> None:
        """simcall: 1 exit, 3 read and 4 write with a3 file, a4 address, a5 length; what it gave is in a2."""
        self.movi(2, number)
        if a3 is not None:
            self.movi(3, a3)
        self.add(0x005100)


def _receive(a: Assembler) -> None:
    """Read a6 bytes to the address in a7; an end of the input ends the program."""
    again = a.here
    a.mov(4, 7)
    a.mov(5, 6)
    a.simulator_call(3, 0)
    a.branch_not_zero(2, a.here + 3 * 4)
    a.simulator_call(1, 0)
    a.add(0x800000, 7, 7, 2)  # add
    a.add(0xC00000, 6, 6, 2)  # sub
    a.branch_not_zero(6, again)


def program() -> bytes:
    """What lies at the reset address: a jump, literals, and the loop over commands of 24 bytes."""
    a = Assembler(RESET + 16, (WINDOWS_ON, STACK, COMMAND))
    a.movi(2, 1)
    a.write_special(2, WINDOW_START)
    a.literal(2, 0)
    a.write_special(2, STATUS)
    a.add(0x002010)  # rsync
    a.literal(1, 1)
    loop = a.here
    a.literal(7, 2)
    a.movi(6, 24)
    _receive(a)
    a.literal(7, 2)
    a.load(2, 7, 0)
    # Code of 3 bytes an instruction: a command that is not this one jumps behind its code.
    for command, code in ((FILL, _fill), (SEND, _send), (CALL, _call)):
        part = Assembler(0)
        code(part)
        length = len(part.image)
        a.movi(3, command)
        a.add(0xC00000, 3, 2, 3)
        a.branch_not_zero(3, a.here + 3 + length + 3)
        code(a)
        a.jump(loop)
    a.simulator_call(1, 0)
    first = Assembler(RESET)
    first.jump(RESET + 16)
    return first.image.ljust(4, b"\0") + a.image


def _fill(a: Assembler) -> None:
    a.load(6, 7, 8)
    a.load(7, 7, 4)
    _receive(a)


def _send(a: Assembler) -> None:
    a.load(4, 7, 4)
    a.load(5, 7, 8)
    a.simulator_call(4, 1)


def _call(a: Assembler) -> None:
    for number in range(4):
        a.load(10 + number, 7, 8 + 4 * number)
    a.load(8, 7, 4)
    a.add(0xE0, s=8)  # callx8
    a.movi(2, 0)
    a.store(2, 7, 0)
    a.store(10, 7, 4)
    a.mov(4, 7)
    a.movi(5, 16)
    a.simulator_call(4, 1)


def handler(start: int) -> bytes:
    """Code for an exception: answers with its cause, where it happened and the address accessed, and ends."""
    a = Assembler(start, (COMMAND,))
    a.literal(4, 0)
    a.movi(2, 1)
    a.store(2, 4, 0)
    for place, number in enumerate((CAUSE, FAULT_PC, FAULT_ADDRESS), 1):
        a.read_special(2, number)
        a.store(2, 4, 4 * place)
    a.movi(5, 16)
    a.simulator_call(4, 1)
    a.simulator_call(1, 0)
    return a.image


class XtensaCore(BareCore):
    """See BareCore; ``call`` takes four words."""

    architecture = "xtensawin"
    identity = b"\x36\x41\x00\x90\x00\x00"  # entry a1, 32; retw

    def __init__(self) -> None:
        XtensaCoreTarget().require()
        self.traps = {}
        self._next = PLACES.start
        self._line, guest_end = socket.socketpair()
        self._line.settimeout(ANSWER_SECONDS)
        self._image = tempfile.NamedTemporaryFile(prefix="nnhw-")  # noqa: SIM115, lives as long as the core
        Path(self._image.name).write_bytes(program())
        loader = f"loader,file={self._image.name},addr={RESET:#x},force-raw=on"
        with guest_end:
            process = subprocess.Popen(
                leashed([
                    EMULATOR, "-M", "sim", "-cpu", "dc232b", "-m", "16M", "-semihosting", "-nographic",
                    "-monitor", "none", "-serial", "none", "-device", loader,
                ]),
                stdin=guest_end.fileno(),
                stdout=guest_end.fileno(),
                stderr=subprocess.PIPE,
            )  # fmt: skip
        self._end_process = weakref.finalize(self, end_process, process)
        for vector in (KERNEL_EXCEPTION, DOUBLE_EXCEPTION):
            self._fill(vector - 4, handler(vector))

    def load(self, code: bytes, align: int = 4) -> int:
        return self.data(code, align)

    def data(self, content: bytes, align: int = 4) -> int:
        address = -(-self._next // align) * align
        if address + len(content) > PLACES.stop:
            raise TargetError(f"xtensa-core: {len(content)} bytes do not fit into what is left of the memory")
        self._next = address + len(content) + GUARD_BYTES
        self._fill(address, content)
        return address

    def read(self, address: int, count: int) -> bytes:
        self._require(address, count)
        self._command(SEND, address, count)
        return self._answer(count)

    def write(self, address: int, content: bytes) -> None:
        self._require(address, len(content))
        self._fill(address, content)

    def call(self, function: int | str, *words: int, max_instructions: int = 20_000_000) -> CallResult:
        """See BareCore.call; an endless function is ended by time, after a minute."""
        if isinstance(function, str) or len(words) > 4:
            raise TargetError("xtensa-core: a function is called by its address, with at most 4 words")
        self._command(CALL, function, *(word & 0xFFFFFFFF for word in words))
        failed, value, pc, address = struct.unpack("<IiII", self._answer(16))
        if failed:
            trap = self.traps.get(pc, f"exception {value} at pc 0x{pc:08x}, address 0x{address:08x}")
            raise TargetError(f"xtensa-core: the code failed: {trap}")
        return CallResult(value, 0, 0, 0)

    def _require(self, address: int, count: int) -> None:
        if not PLACES.start <= address <= self._next - count:
            raise TargetError(f"xtensa-core: no {count} bytes were placed at 0x{address:08x}")

    def _fill(self, address: int, content: bytes) -> None:
        if content:
            self._command(FILL, address, len(content))
            self._line.sendall(content)

    def _command(self, *words: int) -> None:
        try:
            self._line.sendall(struct.pack("<6I", *words, *[0] * (6 - len(words))))
        except OSError as error:
            raise TargetError(f"xtensa-core: the core has ended: {error}") from None

    def _answer(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            try:
                part = self._line.recv(count - len(found))
            except TimeoutError:
                self._end_process()
                raise TargetError(f"xtensa-core: the code did not return within {ANSWER_SECONDS:g} s") from None
            if not part:
                words = (self._end_process() or b"no message").decode(errors="replace")
                raise TargetError(f"xtensa-core: QEMU ended: {words.strip()}")
            found += part
        return found


class XtensaCoreTarget(CoreTarget):
    """The core as a target."""

    name = "xtensa-core"
    summary = "a bare Xtensa core with windowed registers in QEMU: exact results of code as the ESP32 runs it"
    executes = ("viper",)
    cycles = ""

    def why_unavailable(self) -> str | None:
        found = shutil.which(EMULATOR)
        return None if found else f"{EMULATOR} was not found; install it with: apt install qemu-system-misc"

    def core(self) -> XtensaCore:
        return XtensaCore()
