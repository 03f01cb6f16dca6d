"""Programs that end with nnhw, however it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

_LEASH = """\
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
os.execvp(sys.argv[2], sys.argv[2:])
"""


def leashed(words: Sequence[str]) -> list[str]:
    """The command ``words`` as a child that Linux kills when this process dies, be it of SIGKILL.

    Elsewhere it is the command itself, which only an end that nnhw sees ends.
    """
    if sys.platform != "linux":
        return list(words)
    return [sys.executable, "-ISc", _LEASH, str(os.getpid()), *words]
