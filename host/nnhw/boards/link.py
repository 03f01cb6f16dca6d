"""The serial line to a MicroPython board: run scripts, copy files so that no half of one is ever in place.

mpremote's transport opens the port, with what each system needs for that. Its Python interface is not promised to stay,
so the package is pinned in pyproject.toml and used nowhere else.
"""

from __future__ import annotations

import ast
import binascii
import contextlib
import hashlib
import importlib.util
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from nnhw.boards import firmware
from nnhw.boards.firmware import Firmware
from nnhw.boards.line import Line, LineError, Unfinished
from nnhw.boards.scripts import script
from nnhw.errors import TargetError

AUTO = "auto"
MISSING = "mpremote is not installed; install it with: pip install 'nnhw[boards]'"
STAGED = ".new"
"""What a file's name ends in until all of it has arrived."""

CHUNK_BYTES = 512
POLL_SECONDS = 0.1
BUSY_SECONDS = 3.0
WRITE_SECONDS = 2.5
SCRIPT_SECONDS = 10.0
READ_SECONDS = 120.0

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


def _opened(open_port: Callable[[], Any], port: str) -> Any:
    """What ``open_port`` gives. A port that is there is tried again for a while: who held it may be about to let it go,
    as a process that was forked beside the one that closed it.
    """
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return open_port()
        except Exception:
            if time.monotonic() > end or not os.path.exists(port):
                raise
        time.sleep(POLL_SECONDS)


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

        self._errors = (TransportError, OSError)
        try:
            self._transport = _opened(lambda: SerialTransport(self.port, timeout=POLL_SECONDS), self.port)
            self._transport.serial.write_timeout = WRITE_SECONDS
        except (*self._errors, ValueError) as error:
            raise TargetError(
                f"{self.name}: cannot open the port ({error}): is the board plugged in, is the port open in another "
                "program, and may you use it (on Linux: group dialout)?"
            ) from error
        self._line = Line(self._transport.serial)
        try:
            self.reset()
        except BaseException:
            self.close()
            raise

    def reset(self) -> None:
        """Soft reset: no variable or import survives, files do; boot.py runs, main.py does not."""
        with self._guarded(_BROKEN):
            try:
                self._line.reset()
            except LineError as error:
                raise TargetError(
                    f"{self.name}: no MicroPython prompt: is it MicroPython, and does nothing else use the port? ({error})"
                ) from error

    def execute(self, program: str, timeout: float = SCRIPT_SECONDS, doing: str = _BROKEN) -> str:
        """What ``program`` prints. ``doing`` opens the message where the line breaks."""
        try:
            with self._guarded(doing):
                output, errors = self._line.execute(program, timeout)
        except Unfinished as unfinished:
            raise TargetError(
                f"{self.name}: the script did not finish within {timeout:g} s; it was interrupted", unfinished.output
            ) from None
        if errors:
            raise TargetError(f"{self.name}: {errors.strip()}", output)
        return output

    @contextlib.contextmanager
    def _guarded(self, doing: str) -> Iterator[None]:
        try:
            yield
        except (*self._errors, LineError) as error:
            raise TargetError(
                f"{self.name}: {doing} ({str(error).splitlines()[0] if str(error) else error!r})"
            ) from error

    def firmware(self) -> Firmware:
        """What the board runs."""
        return Firmware(*self._evaluate(firmware.PROBE))

    def _evaluate(self, program: str, timeout: float = SCRIPT_SECONDS) -> Any:
        output = self.execute(program, timeout)
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
            self.execute(script("open_file", name=staged), doing=broken)
            for start in range(0, len(content), CHUNK_BYTES):
                text = binascii.b2a_base64(content[start : start + CHUNK_BYTES], newline=False)
                self.execute(f"write({text!r})", doing=broken)
            self.execute("file.close()", doing=broken)
        except TargetError as error:
            if not any(words in str(error) for words in ("ENOSPC", "OSError: 28")):
                raise
            self.execute("try:\n file.close()\nexcept OSError: pass")
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
        self.execute(script("rename", names=list(names), staged=STAGED))

    def hashes(self, names: Iterable[str]) -> dict[str, str]:
        """The SHA-256 of those of the files that exist."""
        found: dict[str, str] = self._evaluate(script("hash", names=list(names)))
        return found

    def remove(self, names: Iterable[str]) -> list[str]:
        """Delete those of the files that exist; their names."""
        found: list[str] = self._evaluate(script("remove", names=list(names)))
        return found

    def read(self, name: str) -> bytes | None:
        """What is in a file; None where there is no such file."""
        parts: list[bytes] | None = self._evaluate(script("read", name=name), READ_SECONDS)
        return None if parts is None else b"".join(parts)

    def names(self) -> list[str]:
        """What lies in the folder that the board starts in."""
        found: list[str] = self._evaluate("import os\nprint(os.listdir())")
        return found

    def make_folders(self, names: Iterable[str]) -> None:
        """Make those of the folders that do not exist yet; a folder comes before what is in it."""
        self.execute(script("make_folders", names=list(names)))

    def restart(self) -> None:
        """Leave remote control by a soft reset, after which the board runs its main.py."""
        with self._guarded(_BROKEN):
            self._line.restart()

    def close(self) -> None:
        """Leave remote control. Closing twice is harmless."""
        with contextlib.suppress(*self._errors):
            self._line.leave()
        with contextlib.suppress(*self._errors):
            self._transport.close()

    def __enter__(self) -> Link:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
