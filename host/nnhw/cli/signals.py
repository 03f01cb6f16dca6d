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
    """SIGTERM and SIGHUP end what is inside as SystemExit, Ctrl-C as KeyboardInterrupt: all cleans up behind itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    told: list[int] = []

    def end(number: int, _: FrameType | None) -> None:
        told.append(number)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        for one in _TOLD:
            signal.signal(one, signal.SIG_IGN)  # nothing cuts off the cleaning up
        raise SystemExit(128 + number)

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, *_TOLD)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as nohup has it
            signal.signal(number, end)
    try:
        yield
    except Exception:
        _end_by(told)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_by(told: list[int]) -> None:
    """End by the signal that came, if one did: what breaks off an import may come out as another module's ImportError."""
    if told[:1] == [signal.SIGINT]:
        raise KeyboardInterrupt from None
    if told:
        raise SystemExit(128 + told[0]) from None
