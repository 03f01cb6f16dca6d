"""Looks at a UF2 file before an emulator does, which would run whatever is in it."""

from __future__ import annotations

import struct
from pathlib import Path

from nnhw.errors import TargetError

BLOCK = 512
_START, _SECOND, _END = 0x0A324655, 0x9E5D5157, 0x0AB16F30
_HAS_FAMILY = 0x2000
FAMILIES = {0xE48BFF56: "RP2040", 0xE48BFF57: "RP2350 (data)", 0xE48BFF59: "RP2350", 0xE48BFF5A: "RP2350 (RISC-V)"}


def check(path: Path, wanted: str = "RP2040") -> None:
    """Raise TargetError unless ``path`` is a UF2 file for the ``wanted`` chip."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise TargetError(f"pico: firmware {path}: {error.strerror}") from None
    if not content or len(content) % BLOCK:
        raise TargetError(
            f"pico: firmware {path}: not a UF2 file, {len(content):,} bytes are no whole blocks of {BLOCK}"
        )
    blocks = len(content) // BLOCK
    for number in range(blocks):
        block = content[number * BLOCK : (number + 1) * BLOCK]
        first, second, flags = struct.unpack_from("<3I", block)
        (family,) = struct.unpack_from("<I", block, 28)
        (last,) = struct.unpack_from("<I", block, BLOCK - 4)
        if (first, second, last) != (_START, _SECOND, _END):
            raise TargetError(f"pico: firmware {path}: not a UF2 file, block {number} lacks its marks")
        if flags & _HAS_FAMILY and FAMILIES.get(family, "") != wanted:
            chip = FAMILIES.get(family, f"family {family:#x}")
            raise TargetError(
                f"pico: firmware {path}: is for {chip}; give the one for the Raspberry Pi Pico ({wanted})"
            )
    (announced,) = struct.unpack_from("<I", content, 24)
    if blocks < announced:
        raise TargetError(
            f"pico: firmware {path}: is cut short, {blocks} of {announced} blocks; delete it or get it anew"
        )
