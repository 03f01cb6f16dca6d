"""The memory of the bare RP2040 core, with a record of what the code under test was given."""

from __future__ import annotations

from nnhw.errors import TargetError

FLASH_START = 0x10000000
FLASH_BYTES = 2 * 1024 * 1024
SRAM_START = 0x20000000
SRAM_BYTES = 264 * 1024
STACK_BYTES = 8 * 1024

# An unmapped strip round every block, wider than the largest access (nine registers by push).
GUARD_BYTES = 64
STACK_TOP = SRAM_START + SRAM_BYTES - GUARD_BYTES
STACK_LIMIT = STACK_TOP - STACK_BYTES

# Rights of a byte; what may be written may also be read.
READABLE = 1
WRITABLE = 2


class Memory:
    """Flash and SRAM as blocks; every byte outside a block is off limits.

    ``flash`` and ``sram`` are the emulator's own buffers. Blocks are placed from the start of SRAM upwards,
    under a stack of STACK_BYTES at its end. Methods raise TargetError on misuse.
    """

    def __init__(
        self, flash: bytearray | memoryview, sram: bytearray | memoryview, target: str = "rp2040-core"
    ) -> None:
        self._target = target
        self._content = {FLASH_START >> 24: memoryview(flash), SRAM_START >> 24: memoryview(sram)}
        self.sram_rights = bytearray(SRAM_BYTES)
        self._rights = {FLASH_START >> 24: bytearray(FLASH_BYTES), SRAM_START >> 24: self.sram_rights}
        self._next = SRAM_START
        self.allow(STACK_LIMIT, STACK_BYTES, WRITABLE)

    @property
    def is_empty(self) -> bool:
        """True until the first block is placed."""
        return self._next == SRAM_START

    def place(self, content: bytes, align: int, right: int) -> int:
        """Put a block into SRAM; returns its address, a multiple of ``align``."""
        address = -(-self._next // align) * align
        if address + len(content) + GUARD_BYTES > STACK_LIMIT:
            raise TargetError(
                f"{self._target}: {len(content)} bytes do not fit in what is left of the 264 KiB of SRAM"
            )
        self._next = address + len(content) + GUARD_BYTES
        self.allow(address, len(content), right)
        self.poke(address, content)
        return address

    def allow(self, address: int, count: int, right: int) -> None:
        """Give the code a right to a block."""
        start = address & 0xFFFFFF
        rights = self._rights[address >> 24]
        if start + count > len(rights):
            raise TargetError(f"{self._target}: {count} bytes do not fit at 0x{address:08x}")
        rights[start : start + count] = bytes([right]) * count

    def poke(self, address: int, content: bytes) -> None:
        """Write regardless of rights."""
        start = address & 0xFFFFFF
        self._content[address >> 24][start : start + len(content)] = content

    def peek(self, address: int, count: int) -> bytes:
        """Read regardless of rights."""
        start = address & 0xFFFFFF
        return bytes(self._content[address >> 24][start : start + count])

    def require(self, address: int, count: int, right: int, place: str = "") -> None:
        """Raise TargetError unless every byte has the right; ``place`` goes in front of the message."""
        rights, start = self._rights.get(address >> 24, b""), address & 0xFFFFFF
        allowed = rights.count(WRITABLE, start, start + count)
        if right == READABLE:
            allowed += rights.count(READABLE, start, start + count)
        if allowed != count:
            verb = "a write to" if right == WRITABLE else "a read from"
            raise TargetError(
                f"{self._target}: {place}{verb} 0x{address:08x} ({count} bytes), outside the memory given to the code"
            )
