"""Which form of a module a board can load: the source, or .mpy for its architecture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from nnhw.boards import mpy_cross
from nnhw.boards.firmware import Firmware
from nnhw.errors import TargetError

FORMS = ("auto", "mpy", "py")
ARCHITECTURES = (
    None, "x86", "x64", "armv6", "armv6m", "armv7m", "armv7em", "armv7emsp", "armv7emdp", "xtensa", "xtensawin",
    "rv32imc", "rv64imc",
)  # fmt: skip
"""Architectures of native code, in the order of the numbers that .mpy files and sys.implementation._mpy use."""

MPY_VERSION = 6
KEPT_MAIN = "main_before.py"
"""What becomes of a main.py that was on the board before."""

_BY_NAME = ("main.py", "boot.py")
"""Files that the board itself starts: it looks for the source only."""


def architecture(firmware: Firmware) -> str | None:
    """The architecture of the native code that a board loads from .mpy files; None where it loads none."""
    number = (firmware.mpy or 0) >> 10 & 0xF
    return ARCHITECTURES[number] if number < len(ARCHITECTURES) else None


def why_not_mpy(content: bytes, firmware: Firmware) -> str | None:
    """None where the board loads this .mpy file, else the reason."""
    if len(content) < 4 or content[:1] != b"M":
        return "not an .mpy file"
    if firmware.mpy is None:
        return f"{firmware} loads no .mpy files"
    if content[1] != firmware.mpy & 0xFF:
        return f"the file has .mpy format {content[1]}, {firmware} loads format {firmware.mpy & 0xFF}"
    number = content[2] >> 2 & 0xF
    if not number:
        return None
    made = ARCHITECTURES[number] if number < len(ARCHITECTURES) else str(number)
    here = firmware.mpy >> 10 & 0xF
    arms = ARCHITECTURES.index("armv6m"), ARCHITECTURES.index("armv7emdp")  # each loads the code of those before it
    if number != here and not arms[0] <= number <= here <= arms[1]:
        return f"its machine code is for {made}, the board's is {architecture(firmware) or 'not to be loaded'}"
    if content[2] & 3 != firmware.mpy >> 8 & 3:
        return f"its machine code is for .mpy format {content[1]}.{content[2] & 3}, the board loads {mpy_format(firmware)}"
    return None


def mpy_format(firmware: Firmware) -> str:
    """The .mpy format that a board loads, as 6.3."""
    return "none" if firmware.mpy is None else f"{firmware.mpy & 0xFF}.{firmware.mpy >> 8 & 3}"


def loadable(
    files: Mapping[str, bytes], firmware: Firmware, form: str = "auto"
) -> tuple[dict[str, bytes], list[str]]:
    """``files`` with every module as .mpy where the board can load that, and notes on those that stay source.

    An .mpy file beside its module is taken in place of compiling where the board loads it, else left out.
    ``form`` "mpy" raises TargetError instead of leaving one as source, "py" leaves all.
    """
    chosen: dict[str, bytes] = {}
    notes: list[str] = []
    for name, content in files.items():
        if name.endswith(".mpy") and twin(name) in files:
            continue
        if form == "py" or not name.endswith(".py") or PurePosixPath(name).name in _BY_NAME:
            chosen[name] = content
            continue
        ready = files.get(name[:-3] + ".mpy")
        if ready is not None and why_not_mpy(ready, firmware) is None:
            chosen[name[:-3] + ".mpy"] = ready
            continue
        compiled, reason = _compile(name, content, firmware)
        if compiled is not None:
            chosen[name[:-3] + ".mpy"] = compiled
        elif form == "mpy":
            raise TargetError(
                f"board: {name} cannot be loaded as .mpy: {reason}; use --form py, or update the firmware"
            )
        else:
            chosen[name] = content
            notes.append(f"{name} as source: {reason}")
    return chosen, notes


def _compile(name: str, content: bytes, firmware: Firmware) -> tuple[bytes | None, str | None]:
    if firmware.mpy is None or firmware.mpy & 0xFF != MPY_VERSION:
        loads = "no .mpy files" if firmware.mpy is None else f".mpy format {firmware.mpy & 0xFF}"
        return None, f"{firmware} loads {loads}, mpy-cross makes format {MPY_VERSION}"
    try:
        compiled = mpy_cross.compile_mpy(content, PurePosixPath(name).name, architecture(firmware))
    except TargetError as error:
        return None, str(error).splitlines()[-1]
    reason = why_not_mpy(compiled, firmware)
    return (None, reason) if reason else (compiled, None)


def twin(name: str) -> str | None:
    """The other form of a module, which would be loaded in its place or beside it; None for other files."""
    if PurePosixPath(name).name in _BY_NAME:
        return None
    stem, dot, suffix = name.rpartition(".")
    return {"py": f"{stem}.mpy", "mpy": f"{stem}.py"}.get(suffix) if dot else None
