"""How a command ends when it is told to: guests ended, folders removed, exit code 128 and the signal's number."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 128 + signal.SIGINT

_TOLD = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


@contextmanager
def unwinding() -> Iterator[None]:
    """SIGTERM and SIGHUP end what is inside as SystemExit, so that all that cleans up behind itself does so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: FrameType | None) -> None:
        for one in _TOLD:
            signal.signal(one, signal.SIG_IGN)  # nothing cuts off the cleaning up
        raise SystemExit(128 + number)

    before = {number: signal.getsignal(number) for number in _TOLD}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
