"""What a board runs: asked of the board itself."""

from __future__ import annotations

from dataclasses import dataclass

FIRST_PROBE = "import sys\ni = sys.implementation\nprint((i.name, tuple(i.version[:3])))"
"""Prints name and version; so short that a serial line without flow control takes it."""

OLDEST = (1, 12)
"""An older MicroPython lacks what copying needs, and may lose part of a longer script on its way."""

PROBE = """\
import sys, gc
gc.collect()
def able(code):
    try:
        exec(code)
    except (SyntaxError, NotImplementedError, ValueError, NameError, AttributeError):
        return False
    return True
i = sys.implementation
try:
    import os
    files = hasattr(os, "rename")
except ImportError:
    files = False
files = files and able("from binascii import a2b_base64\\nfrom hashlib import sha256")
try:
    v = os.statvfs("")
    room = v[0] * v[3]
except (OSError, AttributeError, NameError):
    room = None
print((i.name, tuple(i.version[:3]), getattr(i, "_mpy", getattr(i, "mpy", None)),
    getattr(i, "_machine", sys.platform), gc.mem_free() if hasattr(gc, "mem_free") else None, room, files,
    able("import micropython\\n@micropython.viper\\ndef f(): pass"),
    able("import micropython\\n@micropython.asm_thumb\\ndef f(): nop()")))
"""
"""Prints the fields of Firmware as a tuple; firmware older than .mpy files understands it."""


@dataclass(frozen=True)
class Firmware:
    """What a board runs.

    mpy       sys.implementation._mpy: format in the low byte, sub-version and architecture above; None: no .mpy files
    heap      free bytes after a soft reset
    storage   free bytes of the file system; None where the port does not tell
    files     whether it has what copying needs: rename, sha256 and base64
    viper     whether it compiles viper functions itself
    asm_thumb whether it assembles Thumb functions itself
    """

    name: str
    version: tuple[int, ...]
    mpy: int | None
    machine: str
    heap: int | None
    storage: int | None
    files: bool
    viper: bool
    asm_thumb: bool

    def __str__(self) -> str:
        name = {"micropython": "MicroPython", "circuitpython": "CircuitPython"}.get(self.name, self.name)
        return f"{name} {'.'.join(map(str, self.version))}" + (f" on {self.machine}" if self.machine else "")
