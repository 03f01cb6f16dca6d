"""The serial line to a MicroPython board: run scripts, copy files so that no half of one is ever in place.

mpremote's transport carries it. Its command line would reset the board for every step and tell errors as prose only;
its Python interface is not promised to stay, so the package is pinned in pyproject.toml and used nowhere else.
"""

from __future__ import annotations

import ast
import binascii
import contextlib
import hashlib
import importlib.util
import io
import struct
from collections.abc import Iterable, Iterator
from typing import Any

from . import firmware
from .base import TargetError
from .firmware import Firmware

AUTO = "auto"
MISSING = "mpremote is not installed; install it with: pip install 'nnhw[boards]'"
STAGED = ".new"
"""What a file's name ends in until all of it has arrived."""

CHUNK_BYTES = 512
BYTE_SECONDS = 3.0
RESPONSE_SECONDS = 10.0
INTERRUPT_SECONDS = 2.0
READ_SECONDS = 120.0
INTERRUPT = b"\x03"

_WRITE = """\
from binascii import a2b_base64 as a
f=open({name!r},"wb")
w=lambda s:f.write(a(s))
"""

# A file system may refuse to rename onto a file that exists.
_RENAME = """\
import os
for n in {names!r}:
    try:
        os.rename(n + {staged!r}, n)
    except OSError:
        os.remove(n)
        os.rename(n + {staged!r}, n)
"""

_HASH = """\
from hashlib import sha256
from binascii import hexlify
b = bytearray(512)
for n in {names!r}:
    try:
        f = open(n, "rb")
    except OSError:
        continue
    h = sha256()
    while True:
        k = f.readinto(b)
        if not k:
            break
        h.update(memoryview(b)[:k])
    f.close()
    print(repr(n) + ":" + repr(hexlify(h.digest()).decode()) + ",")
"""

_READ = """\
try:
    f = open({name!r}, "rb")
except OSError:
    f = None
    print("None")
if f:
    print("[")
    b = f.read(48)
    while b:
        print(repr(b) + ",")
        b = f.read(48)
    f.close()
    print("]")
"""

_REMOVE = """\
import os
for n in {names!r}:
    try:
        os.remove(n)
    except OSError:
        continue
    print(repr(n) + ",")
"""

_FOLDERS = """\
import os
for n in {names!r}:
    try:
        os.mkdir(n)
    except OSError:
        pass
"""


SENDINGS = 4
"""Without raw paste there is no flow control, and a slow board may lose characters: a script that does not compile has
not run, so it is sent again."""

_BROKEN = "the connection broke: check the cable and run the command again"


def why_unavailable() -> str | None:
    """None when boards can be reached, else what to install."""
    return None if importlib.util.find_spec("mpremote") else MISSING


def ports() -> list[tuple[str, str]]:
    """The USB serial ports of this computer, (path, description); those of boards are among them."""
    import serial.tools.list_ports

    found = sorted(serial.tools.list_ports.comports(), key=lambda port: str(port.device))
    return [(str(p.device), str(p.description)) for p in found if p.vid is not None]


def find_port(port: str = AUTO) -> str:
    """``port``, or where it is "auto" the only one that there is. Raises TargetError."""
    if port != AUTO:
        return port
    found = ports()
    if not found:
        raise TargetError("board: no board found: plug one in by USB, or name its port, as /dev/ttyACM0 or COM3")
    if len(found) > 1:
        listed = ", ".join(f"{path} ({description})" for path, description in found)
        raise TargetError(f"board: {len(found)} ports found, name one of them: {listed}")
    return found[0][0]


class Link:
    """A board under remote control, as a context manager. A soft reset has given it a clean heap.

    Every method raises TargetError: with the board's traceback, when time is up, or when the line broke.
    """

    def __init__(self, port: str = AUTO) -> None:
        reason = why_unavailable()
        if reason is not None:
            raise TargetError(f"board: {reason}")
        self.port = find_port(port)
        self.name = f"board:{self.port}"
        from mpremote.transport import TransportError
        from mpremote.transport_serial import SerialTransport

        self._errors = (TransportError, OSError, struct.error, IndexError)
        try:
            self._transport = SerialTransport(self.port, timeout=BYTE_SECONDS)
        except (*self._errors, ValueError) as error:
            raise TargetError(
                f"{self.name}: cannot open the port ({error}): is the board plugged in, is the port open in another "
                "program, and may you use it (on Linux: group dialout)?"
            ) from error
        try:
            self.reset()
        except BaseException:
            self.close()
            raise

    def reset(self) -> None:
        """Soft reset: no variable or import survives, files do; boot.py runs, main.py does not."""
        doing = "no MicroPython prompt: is it MicroPython, and does nothing else use the port?"
        with self._guarded(doing), contextlib.redirect_stdout(io.StringIO()):
            self._transport.enter_raw_repl(timeout_overall=RESPONSE_SECONDS)

    def execute(self, script: str, timeout: float = 20.0, doing: str = _BROKEN) -> str:
        """What ``script`` prints. ``doing`` opens the message where the line breaks."""
        for _ in range(SENDINGS):
            with self._guarded(doing):
                self._transport.exec_raw_no_follow(script)
                output = self._until_end(timeout)
                errors = self._until_end(RESPONSE_SECONDS)
            if self._transport.use_raw_paste or "SyntaxError" not in errors:
                break
        if errors:
            raise TargetError(f"{self.name}: {errors.strip()}", output)
        return output

    def _until_end(self, timeout: float) -> str:
        data: bytes = self._transport.read_until(1, b"\x04", timeout=None, timeout_overall=timeout)
        text = data.rstrip(b"\x04").decode(errors="replace").replace("\r\n", "\n")
        if not data.endswith(b"\x04"):
            self._transport.serial.write(INTERRUPT)
            for _ in range(2):  # the ends of output and traceback
                self._transport.read_until(1, b"\x04", timeout=None, timeout_overall=INTERRUPT_SECONDS)
            raise TargetError(
                f"{self.name}: the script did not finish within {timeout:g} s; it was interrupted", text
            )
        return text

    @contextlib.contextmanager
    def _guarded(self, doing: str) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise TargetError(
                f"{self.name}: {doing} ({str(error).splitlines()[0] if str(error) else error!r})"
            ) from error

    def firmware(self) -> Firmware:
        """What the board runs."""
        name, version = self._evaluate(firmware.FIRST_PROBE)
        if version < firmware.OLDEST:
            return Firmware(name, version, None, "", None, None, files=False, viper=False, asm_thumb=False)
        return Firmware(*self._evaluate(firmware.PROBE))

    def _evaluate(self, script: str, timeout: float = 20.0) -> Any:
        output = self.execute(script, timeout)
        try:
            return ast.literal_eval(output.strip())
        except (ValueError, SyntaxError):
            raise TargetError(f"{self.name}: unexpected answer {output.strip()[:200]!r}", output) from None

    def stage(self, name: str, content: bytes) -> None:
        """Send a file under a temporary name and check its hash there; ``install`` puts it in place.

        The folder in its name must exist. What was under ``name`` stays as it is.
        """
        staged = name + STAGED
        broken = f"the connection broke while copying {name}; nothing on the board changed, run the command again"
        try:
            self.execute(_WRITE.format(name=staged), doing=broken)
            for start in range(0, len(content), CHUNK_BYTES):
                text = binascii.b2a_base64(content[start : start + CHUNK_BYTES], newline=False)
                self.execute(f"w({text!r})", doing=broken)
            self.execute("f.close()", doing=broken)
        except TargetError as error:
            if not any(words in str(error) for words in ("ENOSPC", "OSError: 28")):
                raise
            self.execute("try:\n f.close()\nexcept OSError: pass")
            self.remove([staged])
            raise TargetError(
                f"{self.name}: the file system is full: no room for {name} ({len(content):,} bytes); "
                "delete files on the board (mpremote fs ls, mpremote fs rm), nothing on it changed"
            ) from None
        if self.hashes([staged]).get(staged) != hashlib.sha256(content).hexdigest():
            self.remove([staged])
            raise TargetError(
                f"{self.name}: {name} arrived damaged; nothing on the board changed, run the command again"
            )

    def install(self, names: Iterable[str]) -> None:
        """Put staged files in place."""
        self.execute(_RENAME.format(names=list(names), staged=STAGED))

    def hashes(self, names: Iterable[str]) -> dict[str, str]:
        """The SHA-256 of those of the files that exist."""
        found: dict[str, str] = self._evaluate("print('{')\n" + _HASH.format(names=list(names)) + "print('}')\n")
        return found

    def remove(self, names: Iterable[str]) -> list[str]:
        """Delete those of the files that exist; their names."""
        found: list[str] = self._evaluate("print('[')\n" + _REMOVE.format(names=list(names)) + "print(']')\n")
        return found

    def read(self, name: str) -> bytes | None:
        """What is in a file; None where there is no such file."""
        parts: list[bytes] | None = self._evaluate(_READ.format(name=name), READ_SECONDS)
        return None if parts is None else b"".join(parts)

    def names(self) -> list[str]:
        """What lies in the folder that the board starts in."""
        found: list[str] = self._evaluate("import os\nprint(os.listdir())")
        return found

    def make_folders(self, names: Iterable[str]) -> None:
        """Make those of the folders that do not exist yet; a folder comes before what is in it."""
        self.execute(_FOLDERS.format(names=list(names)))

    def restart(self) -> None:
        """Leave remote control by a soft reset, after which the board runs its main.py."""
        with self._guarded(_BROKEN):
            self._transport.exit_raw_repl()
            self._transport.serial.write(b"\x04")

    def close(self) -> None:
        """Leave remote control. Closing twice is harmless."""
        with contextlib.suppress(*self._errors):
            if self._transport.in_raw_repl:
                self._transport.exit_raw_repl()
        with contextlib.suppress(*self._errors):
            self._transport.close()

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
