"""A core emulated by Unicorn: exact results and instruction counts, cycles estimated by a table of timings.

Every access of the code to memory, and every address that it jumps to, is checked against what it was given.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nnhw.errors import TargetError
from nnhw.targets.core.bare_core import BareCore, CallResult, Program
from nnhw.targets.core.memory import (
    FLASH_BYTES,
    FLASH_START,
    READABLE,
    SRAM_BYTES,
    SRAM_START,
    STACK_LIMIT,
    STACK_TOP,
    WRITABLE,
    Memory,
)

RETURN_ADDRESS = 0x0F000000
STOPS_BYTES = 0x10000
"""The page that holds RETURN_ADDRESS and the traps: code that comes there ends the call."""
POISON = 0xA5C30000
_MISSING = "the emulator Unicorn is not installed; install it with: pip install 'nnhw[emulators]'"

Cycles = Callable[[Any, Any, Any, bool], int]
"""From the instruction before (None at the start), an instruction, the one after it (None at the end), and whether it
jumped: its cycles by a table."""

Block = tuple[Any, ...]
"""Instructions that are executed one after the other."""


@dataclass(frozen=True)
class Chip:
    """What Unicorn and Capstone need to know of a core, and the names of its registers there.

    ``arguments`` are passed in registers, ``preserved`` must hold after a call what they held before it. ``thumb`` is 1
    where pointers to code have their lowest bit set. ``aligned`` tells that accesses must be multiples of their size.
    """

    target: str
    architecture: str
    identity: bytes
    open: Callable[[], tuple[Any, Any]]
    registers: Callable[[str], int]
    arguments: tuple[str, ...]
    preserved: tuple[str, ...]
    link: str
    thumb: int
    aligned: bool
    cycles: Cycles


class UnicornCore(BareCore):
    """See BareCore."""

    def __init__(self, chip: Chip) -> None:
        reason = why_unavailable()
        if reason is not None:
            raise TargetError(f"{chip.target}: {reason}")
        import unicorn

        self._chip = chip
        self.architecture, self.identity, self.traps = chip.architecture, chip.identity, {}
        self._uc, self._disassembler = chip.open()
        self._flash, self._sram = (ctypes.create_string_buffer(size) for size in (FLASH_BYTES, SRAM_BYTES))
        for start, buffer in ((FLASH_START, self._flash), (SRAM_START, self._sram)):
            self._uc.mem_map_ptr(start, len(buffer), unicorn.UC_PROT_ALL, ctypes.addressof(buffer))
        self._uc.mem_map(RETURN_ADDRESS, STOPS_BYTES)
        flash, sram = (memoryview(buffer).cast("B") for buffer in (self._flash, self._sram))
        self._memory = Memory(flash, sram, chip.target)
        self._code: list[range] = []
        self._symbols: dict[str, int] = {}
        self._blocks: dict[int, Block] = {}
        self._cycles_of: dict[tuple[int | None, ...], int] = {}
        self._before: Block | None = None
        self._current: Block | None = None
        self._instructions = self._cycles = self._limit = 0
        self._deepest = STACK_TOP
        self._fault: str | None = None
        self._before_fault: dict[int, bytes] = {}
        self._uc.hook_add(unicorn.UC_HOOK_BLOCK, self._block)
        self._uc.hook_add(unicorn.UC_HOOK_MEM_READ, self._access, READABLE)
        self._uc.hook_add(unicorn.UC_HOOK_MEM_WRITE, self._access, WRITABLE)
        self._uc.hook_add(unicorn.UC_HOOK_MEM_INVALID, self._invalid)

    def pointer(self, code: int) -> int:
        return code | self._chip.thumb

    def load(self, code: bytes, align: int = 4) -> int:
        address = self._memory.place(code, align, READABLE)
        self._code.append(range(address, address + len(code)))
        return address

    def data(self, content: bytes, align: int = 4) -> int:
        return self._memory.place(content, align, WRITABLE)

    def load_program(self, program: Program) -> None:
        if self._symbols or not self._memory.is_empty:
            raise TargetError(f"{self._chip.target}: a linked program must be loaded first, and only one")
        self._memory.allow(FLASH_START, len(program.text), READABLE)
        self._memory.poke(FLASH_START, program.text)
        self._code.append(range(FLASH_START, FLASH_START + len(program.text)))
        content = program.data + bytes(program.bss)
        if content:
            self._memory.place(content, 4, WRITABLE)
        self._symbols = dict(program.symbols)

    def read(self, address: int, count: int) -> bytes:
        self._memory.require(address, count, READABLE)
        return self._memory.peek(address, count)

    def write(self, address: int, content: bytes) -> None:
        self._memory.require(address, len(content), WRITABLE)
        self._memory.poke(address, content)

    def call(self, function: int | str, *words: int, max_instructions: int = 20_000_000) -> CallResult:
        """See BareCore.call.

        Raises TargetError when the code touches memory it was not given, makes a misaligned access where the core has
        none, leaves its code, or does not preserve the registers and the stack pointer that a callee has to.
        """
        chip, number = self._chip, self._chip.registers
        if isinstance(function, str):
            if function not in self._symbols:
                raise TargetError(f"{chip.target}: the program has no symbol {function!r}")
            function = self._symbols[function]
        address = function & ~chip.thumb
        on_stack = words[len(chip.arguments) :]
        stack = (STACK_TOP - 4 * len(on_stack)) & ~15
        self._memory.poke(stack, b"".join((word & 0xFFFFFFFF).to_bytes(4, "little") for word in on_stack))
        poison = {name: POISON + n for n, name in enumerate(chip.preserved)}
        arguments = zip(chip.arguments, (word & 0xFFFFFFFF for word in words), strict=False)
        link = {chip.link: RETURN_ADDRESS | chip.thumb, "sp": stack}
        for name, value in {**poison, **dict(arguments), **link}.items():
            self._uc.reg_write(number(name), value)
        self._before = self._current = self._fault = None
        self._before_fault = {}
        self._deepest = stack
        self._instructions, self._cycles, self._limit = 0, 0, max_instructions
        self._run(address)
        changed = [name for name, value in poison.items() if self._uc.reg_read(number(name)) != value]
        changed += ["sp"] * (self._uc.reg_read(number("sp")) != stack)
        if changed:
            where = f"the function at 0x{address:08x}"
            raise TargetError(f"{chip.target}: {where} did not preserve {', '.join(changed)}")
        value = self._uc.reg_read(number(chip.arguments[0]))
        return CallResult(value - (value >> 31 << 32), self._cycles, self._instructions, stack - self._deepest)

    def _run(self, address: int) -> None:
        import unicorn

        try:
            self._uc.emu_start(address | self._chip.thumb, RETURN_ADDRESS + STOPS_BYTES)
        except unicorn.UcError as error:
            pc = self._uc.reg_read(self._chip.registers("pc"))
            self._fault = self._fault or f"pc 0x{pc:08x}: {error}"
        for place, content in self._before_fault.items():
            self._memory.poke(place, content)
        if self._fault is not None:
            raise TargetError(f"{self._chip.target}: {self._fault}")

    def _stop(self, fault: str | None = None) -> None:
        """End the call; of several faults the first counts."""
        self._fault = self._fault or fault
        self._uc.emu_stop()

    def _block(self, _uc: Any, address: int, size: int, _user: Any) -> None:
        """Before every run of instructions without a jump: count those of the run before, whose end this one shows."""
        if RETURN_ADDRESS <= address < RETURN_ADDRESS + STOPS_BYTES:
            self._stop(f"the code failed: {self.traps[address]}" if address in self.traps else None)
            self._finish(None)
            return
        block = self._blocks.get(address) or self._decode(address, size)
        if block is None:
            return
        self._instructions += len(block)
        if self._instructions > self._limit:
            self._stop(f"the code did not return within {self._limit} instructions; pc is 0x{address:08x}")
        self._finish(block)

    def _finish(self, following: Block | None) -> None:
        """Add the cycles of the current block, which ``following`` ends."""
        before, block = self._before, self._current
        if block is not None:
            key = tuple(each[0].address if each else None for each in (before, block, following))
            if key not in self._cycles_of:
                row = (before[-1] if before else None, *block, following[0] if following else None)
                end = block[-1].address + block[-1].size
                jumped = [False] * (len(block) - 1) + [following is None or following[0].address != end]
                timed = zip(row, row[1:], row[2:], jumped, strict=False)
                self._cycles_of[key] = sum(self._chip.cycles(*each) for each in timed)
            self._cycles += self._cycles_of[key]
        self._before, self._current = block, following

    def _decode(self, address: int, size: int) -> Block | None:
        last = address + size - 1
        if not any(address in code and last in code for code in self._code):
            self._stop(f"the code failed: it jumped to 0x{address:08x}, where no code is loaded")
            return None
        block = tuple(self._disassembler.disasm(self._memory.peek(address, size), address))
        if sum(instruction.size for instruction in block) != size:
            self._stop(f"pc 0x{address:08x}: an instruction that the disassembler does not know")
            return None
        self._blocks[address] = block
        return block

    def _access(self, _uc: Any, _kind: int, address: int, size: int, _value: int, right: int) -> None:
        """Before every load and store. No access spans a guard strip, so the rights of its ends are enough."""
        start, rights = address - SRAM_START, self._memory.sram_rights
        misaligned = self._chip.aligned and address % size
        if (
            misaligned
            or not 0 <= start <= SRAM_BYTES - size
            or rights[start] < right
            or rights[start + size - 1] < right
        ):
            self._check_access(address, size, right)
        if right == WRITABLE and STACK_LIMIT <= address < self._deepest:
            self._deepest = address

    def _check_access(self, address: int, size: int, right: int) -> None:
        if self._chip.aligned and address % size:
            self._stop(f"{self._place()}a misaligned access of {size} bytes at 0x{address:08x}")
            return
        try:
            self._memory.require(address, size, right, self._place())
        except TargetError as error:
            if right == WRITABLE and address >> 24 in (FLASH_START >> 24, SRAM_START >> 24):
                self._before_fault.setdefault(address, self._memory.peek(address, size))  # it is stored nevertheless
            self._stop(str(error).removeprefix(f"{self._chip.target}: "))

    def _place(self) -> str:
        """Where the code is, as a beginning of a message."""
        return f"pc 0x{self._uc.reg_read(self._chip.registers('pc')):08x}: "

    def _invalid(self, _uc: Any, _kind: int, address: int, size: int, _value: int, _user: Any) -> bool:
        self._fault = (
            f"{self._place()}an access to 0x{address:08x} ({size} bytes), outside the memory given to the code"
        )
        return False


def why_unavailable() -> str | None:
    """None when Unicorn and Capstone can be used, else a sentence that says what to install."""
    return None if all(map(importlib.util.find_spec, ("unicorn", "capstone"))) else _MISSING
