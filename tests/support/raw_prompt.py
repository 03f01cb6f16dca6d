"""A raw prompt with Python behind, and a line that damages what goes to a board."""

from __future__ import annotations

import contextlib
import io
import re
import traceback
import warnings

from nnhw.boards import line
from nnhw.boards.line import ENTER_RAW, EXECUTE, INTERRUPT, RAW_PROMPT, SOFT_RESET


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
        for part in re.split(b"([%b])" % (ENTER_RAW + INTERRUPT + EXECUTE), data):
            if part == ENTER_RAW:
                self._said += RAW_PROMPT
            elif part == EXECUTE:
                self._said += b"OK" + self._executed()
            self._line = b"" if part in (ENTER_RAW, EXECUTE, INTERRUPT) else self._line + part

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

    def __init__(self, port: line.Port) -> None:
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
        at = -1 if self._place is None else self._place - len(self.sent)
        self.sent += data
        if 0 <= at < len(data):
            self.hit = data[at : at + 1]
            before, behind = data[:at], data[at + 1 :]
            if self._kind == "swap":
                data = before + behind[:1] + (self.hit if behind else b"") + behind[1:]
                self._held = b"" if behind else self.hit
            else:
                data = before + (2 * self.hit if self._kind == "double" else b"") + behind
        elif data:
            data, self._held = data[:1] + self._held + data[1:], b""
        self._port.write(data)
