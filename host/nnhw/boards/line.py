"""The line to a MicroPython board: no script runs there unless every character of it has arrived.

The raw prompt compiles whatever arrives, and a serial line without flow control loses characters. So a receiver goes
first (templates/receiver.py.in): the board tells length and checksum of the receiver's text before it is used. From then
on it takes a part of a script only with the right place, length and checksum, and runs a script once, when all is there.
What arrives damaged is sent again. Parts grow until one is damaged: a busy micro:bit keeps no more than 64 characters.
"""

from __future__ import annotations

import re
import time
from typing import Protocol

from nnhw.boards import scripts

INTERRUPT, ENTER_RAW, LEAVE_RAW, EXECUTE = b"\x03", b"\x01", b"\x02", b"\x04"
RAW_PROMPT = b"raw REPL; CTRL-B to exit\r\n>"
SOFT_RESET = b"soft reboot\r\n"

SHORTEST_PART, LONGEST_PART = 24, 1024
"""Characters of a part as they are sent; the shortest one fits into 64 characters with all that goes round it."""
OFFER_PART = 44
"""Likewise for the receiver itself, which has less round it."""
SENDINGS = 8
ANSWER_SECONDS = 2.0
"""How long a board may take to tell that a part arrived; past it, the end of the part is what was lost."""
SILENCE_SECONDS = 12.0
"""The longest time without progress, before a script runs."""
MODULUS = 33554393
"""The largest prime below 2^25: a board's integers stay below 2^30."""

_COMPLETE = re.compile(rb"\x04[^\x04]*\x04")
_END = re.compile(rb"\x04")
_STARTED_AGAIN = re.compile(rb'raw REPL; CTRL-B to exit|Type "help\(\)" for more information')
_START, _ADD, _USE = b"source=b'';v=None", b"source+=", b"exec(source)"
_SUM = b"v=0\nfor c in source:v=((v<<5)+c)%%%d" % MODULUS
_TELL = b'print(end="\\x02%d %%d %%d\\x03"%%(len(source),v))'
"""In 64 characters each, with all that goes round them."""
_OWN_FRAMES = re.compile(r'  File "<stdin>".*\n  File "<string>", line \d+, in receive\n')
_ESCAPED = [b"%c" % c if 32 <= c < 127 and c not in b"\\\"'" else b"\\x%02x" % c for c in range(256)]
_ESCAPED[ord("\n")] = rb"\n"


class Port(Protocol):
    """What is used of a serial.Serial; ``read`` waits a short time only."""

    @property
    def in_waiting(self) -> int: ...
    def read(self, size: int, /) -> bytes: ...
    def write(self, data: bytes, /) -> object: ...


class LineError(Exception):
    """The board does not answer, or not as it should."""


class Unfinished(Exception):
    """A script was interrupted when its time was up. ``output`` is what it had printed."""

    def __init__(self, output: str) -> None:
        super().__init__(output)
        self.output = output


def checksum(text: bytes, start: int = 0) -> int:
    """What the board computes of a text: base 32 modulo a prime. No change of one character goes unseen, and no two
    neighbors that change places.
    """
    value = start
    for byte in text:
        value = ((value << 5) + byte) % MODULUS
    return value


def literal(text: bytes) -> bytes:
    """``text`` as bytes for MicroPython. The only quotes are its ends, so that no damage turns text into statements."""
    return b"b'" + b"".join(_ESCAPED[byte] for byte in text) + b"'"


def part_of(text: bytes, start: int, characters: int) -> bytes:
    """The longest part of ``text`` from ``start`` on that takes no more than so many characters in its literal."""
    end, room = start, characters
    while end < len(text) and (room := room - len(_ESCAPED[text[end]])) >= 0:
        end += 1
    return text[start:end]


class Line:
    """A board at its raw prompt. Every method raises LineError, or OSError where the line broke."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._received = b""
        self._offer = self._script = 0
        self._part, self._growing = SHORTEST_PART, True

    def reset(self) -> None:
        """Soft reset, then the receiver: no variable or import survives, files do; boot.py runs, main.py does not."""
        deadline = time.monotonic() + SILENCE_SECONDS
        self._forget()
        while True:
            self._send(INTERRUPT + ENTER_RAW)
            if self._find(RAW_PROMPT, deadline) is None:
                continue
            self._send(EXECUTE)
            if self._find(SOFT_RESET, deadline) is not None:
                break
        while self._find(RAW_PROMPT, deadline) is None:
            pass  # boot.py runs
        self.install_receiver(deadline)

    def install_receiver(self, deadline: float) -> None:
        """Send the receiver; it is used once the board has told the length and the checksum of what arrived."""
        text = scripts.script("receiver").encode()
        commands, start = [_START], 0
        while start < len(text):
            part = part_of(text, start, OFFER_PART)
            commands.append(_ADD + literal(part))
            start += len(part)
        for _ in range(SENDINGS):
            self._offer += 1
            self._forget()
            told = b"\x02%d %d %d\x03" % (self._offer, len(text), checksum(text))
            if (
                all(self._command(command, b"OK\x04\x04", deadline) for command in [*commands, _SUM])
                and self._command(_TELL % self._offer, told, deadline)
                and self._command(_USE, b"\x02ready\x03", deadline)
            ):
                return
        raise LineError(f"the line damaged what was sent {SENDINGS} times")

    def execute(self, script: str, timeout: float) -> tuple[str, str]:
        """What ``script`` prints, and its traceback or "". Raises Unfinished after ``timeout`` seconds."""
        text = script.encode() or b"\n"
        self._script += 1
        self._forget()
        answer = re.compile(
            rb"\x02(run) %d\x03|\x02have %d (\d+)\x03[^\x04]*\x04[^\x04]*\x04|\x04([^\x04]*)\x04"
            % (self._script, self._script)
        )
        arrived = sendings = 0
        deadline = time.monotonic() + SILENCE_SECONDS
        while True:
            self._send(self._frame(text, arrived))
            found = self._find(answer, deadline)
            runs, has, error = found.groups() if found else (None, None, b"")
            if runs:
                return self._until_end(timeout)
            if has and int(has) == len(text):
                raise LineError("the answer to a script was lost")
            if has and int(has) > arrived:
                arrived, sendings, deadline = int(has), 0, time.monotonic() + SILENCE_SECONDS
                if self._growing:
                    self._part = min(2 * self._part, LONGEST_PART)
                continue
            sendings += 1
            if b"'receive'" in (error or b""):
                raise LineError("the board started again")
            if sendings == SENDINGS:
                told = (error or b"").decode(errors="replace").strip().splitlines()
                raise LineError(
                    f"a script was damaged {SENDINGS} times on its way" + (f": {told[-1]}" if told else "")
                )
            self._part, self._growing = max(self._part // 2, SHORTEST_PART), False

    def leave(self) -> None:
        """Back to the friendly prompt."""
        self._send(ENTER_RAW + LEAVE_RAW)

    def restart(self) -> None:
        """Soft reset to the friendly prompt; the board runs its main.py."""
        self.leave()
        self._send(EXECUTE)

    def _frame(self, text: bytes, start: int) -> bytes:
        """One call of the receiver, behind what clears the line."""
        part = part_of(text, start, self._part)
        check = checksum(part, self._script * 961 + start * 31 + len(text))
        header = b"receive(%d,%d,%d,%d," % (self._script, start, len(text), check)
        return ENTER_RAW + header + literal(part) + b")" + EXECUTE

    def _until_end(self, timeout: float) -> tuple[str, str]:
        limit = time.monotonic() + timeout
        while not (end := _END.search(self._received)):
            if _STARTED_AGAIN.search(self._received):
                raise LineError("the board started again")
            if time.monotonic() >= limit:
                return self._interrupt()
            self._read()
        output = self._received[: end.start()]
        self._received = self._received[end.end() :]
        if (errors := self._find(_END, time.monotonic() + SILENCE_SECONDS, SILENCE_SECONDS)) is None:
            raise LineError("the end of an answer is missing")
        return _text(output), _OWN_FRAMES.sub("", _text(errors.string[: errors.start()]))

    def _interrupt(self) -> tuple[str, str]:
        output = self._received
        self._send(INTERRUPT)
        self._find(_COMPLETE, time.monotonic() + ANSWER_SECONDS)
        raise Unfinished(_text(output))

    def _command(self, command: bytes, expected: bytes, deadline: float) -> bool:
        """Whether the answer to a statement at the raw prompt, ends included, holds what is expected."""
        self._send(ENTER_RAW + command + EXECUTE)
        found = self._find(_COMPLETE, deadline)
        return found is not None and expected in found.string[: found.end()]

    def _find(
        self, what: bytes | re.Pattern[bytes], deadline: float, seconds: float | None = None
    ) -> re.Match[bytes] | None:
        """Read until ``what`` has arrived; None where it does not within ``seconds``. Raises LineError past ``deadline``."""
        pattern = re.compile(re.escape(what)) if isinstance(what, bytes) else what
        limit = time.monotonic() + (ANSWER_SECONDS if seconds is None else seconds)
        while not (found := pattern.search(self._received)):
            now = time.monotonic()
            if now >= deadline:
                raise LineError("no answer")
            if now >= limit:
                return None
            self._read()
        self._received = self._received[found.end() :]
        return found

    def _read(self) -> None:
        self._received += self._port.read(max(1, self._port.in_waiting))

    def _forget(self) -> None:
        """Drop what arrived unasked."""
        self._received = b""
        if self._port.in_waiting:
            self._port.read(self._port.in_waiting)

    def _send(self, data: bytes) -> None:
        self._port.write(data)


def _text(data: bytes) -> str:
    return data.decode(errors="replace").replace("\r\n", "\n")
