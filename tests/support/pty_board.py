"""A board behind a serial port: the unix port of MicroPython on a pseudo terminal, with a littlefs as its only files.

The file system is real and small, so it fills up; the cable can be pulled after a number of bytes; a power cycle keeps
the files.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import tempfile
import termios
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

from nnhw.targets import microbit
from nnhw.targets.unix import LAUNCHER

BLOCK = 512
_TAKE_TERMINAL = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
"""So that the guest hears Ctrl-C."""
_STARTED = b"MicroPython v1.25.0 on 2025-04-15; Raspberry Pi Pico with RP2040\r\n"
_STARTED += b'Type "help()" for more information.\r\n>>> '
"""What a real board says when it starts; the unix port says less."""
_RUN_MAIN = b"import os; 'main.py' in os.listdir() and exec(open('main.py').read())\r"

# The files of the board's own file system are not those of this computer; a class cannot be imported after the mount.
_BOOT = """\
import os, sys, vfs
class Blocks:
    def __init__(self, path, count):
        self.count = count
        self.file = open(path, "r+b")
    def readblocks(self, n, buf, offset=0):
        self.file.seek(n * {block} + offset)
        self.file.readinto(buf)
    def writeblocks(self, n, buf, offset=0):
        self.file.seek(n * {block} + offset)
        self.file.write(buf)
        self.file.flush()
    def ioctl(self, op, arg):
        if op == 4:
            return self.count
        if op == 5:
            return {block}
        if op == 6:
            return 0
_flash = Blocks({image!r}, {count})
try:
    _fs = vfs.VfsLfs2(_flash)
except OSError:
    vfs.VfsLfs2.mkfs(_flash)
    _fs = vfs.VfsLfs2(_flash)
vfs.umount("/")
vfs.mount(_fs, "/")
os.chdir("/")
sys.path[:] = ["", "/lib"]
{more}
del Blocks
"""

_FAKE = """\
class _Module: pass
_fake = _Module()
import {name}
for _n in dir({name}):
    if _n not in {without!r}:
        setattr(_fake, _n, getattr({name}, _n))
sys.modules[{name!r}] = _fake
"""


def fake_module(name: str, without: tuple[str, ...] = ()) -> str:
    """Boot code after which the module ``name`` lacks some names."""
    return _FAKE.format(name=name, without=without)


def fake_implementation(**facts: object) -> str:
    """Boot code after which ``sys.implementation`` tells ``facts``."""
    fake = _FAKE.format(name="sys", without=("implementation",))
    told = f"for _n, _v in {facts!r}.items(): setattr(_fake.implementation, _n, _v)"
    return f"{fake}_fake.implementation = _Module()\n{told}\n"


class PtyBoard:
    """``port`` is the path to connect to; it vanishes once ``carried``, the bytes from the computer, reach ``unplug_after``.

    Its reset button is pressed when it prints ``reset_on``.
    """

    def __init__(self, blocks: int = 512, heap: int = 1 << 20, more: str = "") -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="nnhw-board-")
        root = Path(self._directory.name)
        image = root / "flash.img"
        image.write_bytes(b"\xff" * BLOCK * blocks)
        boot = root / "boot.py"
        boot.write_text(_BOOT.format(block=BLOCK, count=blocks, image=str(image), more=more))
        self._command = [
            sys.executable,
            "-c",
            _TAKE_TERMINAL + LAUNCHER,
            str(root),
            "-X",
            f"heapsize={heap}",
            "-i",
            str(boot),
        ]
        self._raw = False
        self.carried = 0
        self.unplug_after: int | None = None
        self.reset_on: bytes | None = None
        self.plug_in()

    def plug_in(self) -> None:
        """Switch the board on; its port gets a new name."""
        self._cable, self._socket = _raw_terminal()
        self.port = os.ttyname(self._socket)
        self._unplugged = False
        self._start()
        self._relay = threading.Thread(target=self._carry, daemon=True)
        self._relay.start()

    def _start(self) -> None:
        self._line, guest = _raw_terminal()
        modes = termios.tcgetattr(guest)
        modes[3] |= termios.ISIG
        termios.tcsetattr(guest, termios.TCSANOW, modes)
        self._process = subprocess.Popen(
            self._command, stdin=guest, stdout=guest, stderr=guest, start_new_session=True
        )
        os.close(guest)

    def _soft_reset(self) -> None:
        """The unix port ends where a board starts again: in the raw prompt if it was there, else with main.py."""
        seen = self._start_again()
        if self._raw:
            os.write(self._line, b"\x01")
            while b"raw REPL" not in seen:
                seen += os.read(self._line, 4096)
            os.write(self._cable, b"OK\r\nMPY: soft reboot\r\n" + seen[seen.index(b"raw REPL") :])
        else:
            os.write(self._cable, b"MPY: soft reboot\r\n")
            os.write(self._line, _RUN_MAIN)

    def _press_reset(self) -> None:
        self.reset_on, self._raw = None, False
        self._process.kill()
        self._start_again()
        os.write(self._cable, _STARTED)

    def _start_again(self) -> bytes:
        """What the unix port says up to its prompt."""
        self._process.wait()
        os.close(self._line)
        self._start()
        seen = b""
        while not seen.endswith(b">>> "):
            seen += os.read(self._line, 4096)
        return seen

    def _carry(self) -> None:
        try:
            while True:
                ready, _, _ = select.select([self._cable, self._line], [], [])
                if self._line in ready:
                    try:
                        data = os.read(self._line, 4096)
                    except OSError:
                        if self._unplugged:
                            break
                        self._soft_reset()
                        if self._unplugged:  # while it started again
                            break
                        continue
                    os.write(self._cable, data)
                    if self.reset_on is not None and self.reset_on in data:
                        self._press_reset()
                if self._cable in ready:
                    data = os.read(self._cable, 4096)
                    self.carried += len(data)
                    if self.unplug_after is not None and self.carried >= self.unplug_after:
                        break
                    if b"\x01" in data or b"\x02" in data:
                        self._raw = data.rfind(b"\x01") > data.rfind(b"\x02")
                    os.write(self._line, data)
        except OSError:
            pass  # unplugged by the test
        finally:
            self._process.kill()
            for end in (self._cable, self._line, self._socket):
                os.close(end)

    def unplug(self) -> None:
        """Cut the power; the files stay."""
        self._unplugged = True
        self._process.kill()
        self._process.wait()
        self._relay.join(10)
        self.unplug_after = None

    def close(self) -> None:
        self.unplug()
        self._directory.cleanup()


@contextlib.contextmanager
def microbit_port(folder: Path) -> Iterator[str]:
    """The port of a micro:bit in QEMU; ``folder`` takes its flash."""
    image = folder / "flash.bin"
    image.write_bytes(microbit.read_flash_image(microbit.FIRMWARE))
    command = [microbit.EMULATOR, "-M", "microbit", "-nodefaults", "-nographic", "-monitor", "none"]
    command += ["-device", f"loader,file={image},addr=0", "-chardev", "pty,id=line", "-serial", "chardev:line"]
    emulator = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield emulator.stdout.readline().split()[4]
    finally:
        emulator.kill()
        emulator.communicate()


def _raw_terminal() -> tuple[int, int]:
    """Both ends of a pseudo terminal that changes no byte."""
    outer, inner = os.openpty()
    tty.setraw(inner)
    return outer, inner
