"""A raw prompt with Python behind, and a line that damages what goes to a board."""

from __future__ import annotations

import contextlib
import io
import traceback
import warnings

from nnhw.targets import board_line
from nnhw.targets.board_line import ENTER_RAW, EXECUTE, INTERRUPT, RAW_PROMPT, SOFT_RESET


class Prompt:
    """The raw prompt as MicroPython has it, as a port."""

    def __init__(self) -> None:
        self._line = self._said = b""
        self._names: dict[str, object] = {}

    @property
    def in_waiting(self) -> int:
        return len(self._said)

    def read(self, size: int) -> bytes:
        said, self._said = self._said[:size], self._said[size:]
        return said

    def write(self, data: bytes) -> None:
        for byte in data:
            character = bytes([byte])
            if character == ENTER_RAW:
                self._said += RAW_PROMPT
            elif character == EXECUTE:
                self._said += b"OK" + self._executed()
            self._line = b"" if character in (ENTER_RAW, EXECUTE, INTERRUPT) else self._line + character

    def _executed(self) -> bytes:
        if not self._line:
            self._names = {}
            return b"\r\nMPY: " + SOFT_RESET + RAW_PROMPT
        errors = ""
        with contextlib.redirect_stdout(io.StringIO()) as printed, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                exec(compile(self._line, "<stdin>", "exec", dont_inherit=True), self._names)
            except Exception as error:
                errors = "".join(traceback.format_exception_only(error))
        return printed.getvalue().encode() + EXECUTE + errors.encode() + EXECUTE + b">"


class Damaging:
    """A port on which the character at ``place``, counted from ``arm`` on, suffers: it is ``hit``."""

    def __init__(self, port: board_line.Port) -> None:
        self._port = port
        self.arm(None, "")

    def arm(self, place: int | None, kind: str) -> None:
        self._place, self._kind = place, kind
        self._held = self.sent = self.hit = b""

    @property
    def in_waiting(self) -> int:
        return self._port.in_waiting

    def read(self, size: int) -> bytes:
        return self._port.read(size)

    def write(self, data: bytes) -> None:
        changed = b""
        for number, byte in enumerate(data, len(self.sent)):
            if number != self._place:
                changed += bytes([byte]) + self._held
                self._held = b""
                continue
            self.hit = bytes([byte])
            if self._kind == "swap":
                self._held = self.hit
            elif self._kind == "double":
                changed += 2 * self.hit
        self.sent += data
        self._port.write(changed)
