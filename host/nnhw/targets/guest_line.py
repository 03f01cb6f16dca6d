"""A QEMU process whose serial line is a socket here, with MicroPython's raw prompt at its other end."""

from __future__ import annotations

import socket
import subprocess
import time
import weakref
from collections.abc import Sequence

from nnhw.errors import TargetError
from nnhw.targets.child import leashed

BOOT_SECONDS = 20.0
EXECUTE = b"\x04"
ENTER_RAW = b"\x01"
RAW_PROMPT = b"raw REPL; CTRL-B to exit\r\n>"


class GuestLine:
    """A process started with ``command``, at its raw prompt. ``target`` stands in front of every message.

    Raises TargetError where the guest does not boot. A deadline is one of time.monotonic(); where it passes, the guest
    is ended.
    """

    def __init__(self, target: str, command: Sequence[str]) -> None:
        self._target = target
        self._received = b""
        self._line, guest_end = socket.socketpair()
        with guest_end:
            character_device = f"socket,id=line,fd={guest_end.fileno()}"
            process = subprocess.Popen(
                leashed(
                    [
                        *command,
                        "-nographic",
                        "-monitor",
                        "none",
                        "-chardev",
                        character_device,
                        "-serial",
                        "chardev:line",
                    ]
                ),
                pass_fds=[guest_end.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        # Also when the session is dropped or the interpreter exits, no QEMU is left behind.
        self._end_process = weakref.finalize(self, end_process, process)
        try:
            deadline = time.monotonic() + BOOT_SECONDS
            self._read_until(b">>> ", deadline)
            self._send(ENTER_RAW)
            self._read_until(RAW_PROMPT, deadline)
        except BaseException:
            self.close()
            raise

    @property
    def alive(self) -> bool:
        """Whether the process has not been ended."""
        return self._end_process.alive

    def soft_reset(self, deadline: float) -> None:
        """Start the guest's interpreter anew, at its raw prompt."""
        self._send(EXECUTE)
        self._read_until(RAW_PROMPT, deadline)

    def execute(self, command: bytes, deadline: float) -> tuple[str, str]:
        """Run one command; returns what it printed and its traceback."""
        self._send(command + EXECUTE)
        self._read_until(b"OK", deadline)
        output = self._read_until(EXECUTE, deadline)
        try:
            errors = self._read_until(EXECUTE + b">", deadline)
        except TargetError as error:
            raise TargetError(str(error), _text(output)) from None
        return _text(output), _text(errors)

    def close(self) -> None:
        """End the process. Closing twice is harmless."""
        self._end_process()
        self._line.close()

    def _send(self, data: bytes) -> None:
        if not self.alive:
            raise TargetError(f"{self._target}: the session is closed")
        self._line.sendall(data)

    def _read_until(self, end: bytes, deadline: float) -> bytes:
        """The bytes before ``end``."""
        while end not in self._received:
            self._line.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                data = self._line.recv(65536)
            except TimeoutError:
                output = _text(self._received)
                self.close()
                reason = f"{self._target}: the guest did not finish in time; it was ended"
                raise TargetError(reason, output) from None
            if not data:
                words = self._end_process() or b"no message"
                raise TargetError(f"{self._target}: QEMU ended: {_text(words).strip()}", _text(self._received))
            self._received += data
        before, _, self._received = self._received.partition(end)
        return before


def end_process(process: subprocess.Popen[bytes]) -> bytes:
    """Kill the process and return what it wrote to stderr."""
    process.kill()
    return process.communicate()[1]


def _text(data: bytes) -> str:
    return data.decode(errors="replace").replace("\r\n", "\n")
