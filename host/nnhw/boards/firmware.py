"""What a board runs: asked of the board itself."""

from __future__ import annotations

from dataclasses import dataclass

from nnhw.boards.scripts import script

PROBE = script("probe")
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
