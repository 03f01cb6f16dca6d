"""The Cortex-M0+ core of an RP2040 running bare machine code: exact 32-bit results and cycle counts.

The core is rp2040py's. It lets code do what a real one punishes with a HardFault or a silent error, so every
memory access is checked here before it happens.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field

from nnhw.errors import TargetError
from nnhw.targets.core import instruction_effects
from nnhw.targets.core.memory import FLASH_START, READABLE, SRAM_START, STACK_TOP, WRITABLE, Memory
from nnhw.targets.target import Target

RETURN_ADDRESS = 0x0F000000
# What registers hold on entry, so that code that relies on them shows, and that r4-r11 can be compared after.
POISON = 0xA5C30000
PRESERVED = range(4, 12)

MISSING = "the RP2040 emulator is not installed; install it with: pip install 'nnhw[emulators]'"

Check = Callable[[], None]


@dataclass(frozen=True)
class CallResult:
    """The outcome of a call: r0 as a signed 32-bit ``value``, and what the call cost.

    ``cycles`` at zero wait states, ``instructions`` executed, and ``stack`` bytes at the deepest point.
    """

    value: int
    cycles: int
    instructions: int
    stack: int

    @property
    def unsigned(self) -> int:
        """r0 as an unsigned 32-bit number."""
        return self.value & 0xFFFFFFFF


@dataclass(frozen=True)
class Program:
    """A linked program: ``text`` for FLASH_START, ``data`` and then ``bss`` zero bytes for SRAM_START.

    ``symbols`` maps the names of functions and variables to their addresses.
    """

    text: bytes
    data: bytes
    bss: int
    symbols: dict[str, int] = field(repr=False)


class Core:
    """A core with empty memory; load code, place data, call.

    With ``check_alignment`` false a misaligned access is let through. Every method raises TargetError on
    misuse; ``call`` does so, naming pc and address, when the code misbehaves.
    """

    def __init__(self, check_alignment: bool = True) -> None:
        Rp2040CoreTarget().require()
        from rp2040py.rp2040 import RP2040
        from rp2040py.utils.logging import ConsoleLogger, LogLevel

        chip = RP2040()
        chip.logger = ConsoleLogger(LogLevel.ERROR)  # it would print a warning for every misaligned access
        self._core = chip.core
        self._check_alignment = check_alignment
        self._memory = Memory(chip.flash, chip.sram)
        self._code: list[range] = []
        self._symbols: dict[str, int] = {}
        self._checks: dict[int, Check | None] = {}
        self._deepest = 0
        self.traps: dict[int, str] = {}
        """Addresses outside the memory with what it means when code jumps there."""

    def load(self, code: bytes, align: int = 4) -> int:
        """Place machine code in SRAM, readable and executable; returns its address (without Thumb bit)."""
        address = self._memory.place(code, align, READABLE)
        self._code.append(range(address, address + len(code), 2))
        return address

    def data(self, content: bytes, align: int = 4) -> int:
        """Place a buffer in SRAM, readable and writable; returns its address."""
        return self._memory.place(content, align, WRITABLE)

    def load_program(self, program: Program) -> None:
        """Place a linked program; must come before any load or data. Functions can be called by name."""
        if self._symbols or not self._memory.is_empty:
            raise TargetError("rp2040-core: a linked program must be loaded first, and only one")
        self._memory.allow(FLASH_START, len(program.text), READABLE)
        self._memory.poke(FLASH_START, program.text)
        self._code.append(range(FLASH_START, FLASH_START + len(program.text), 2))
        content = program.data + bytes(program.bss)
        if content:
            self._memory.place(content, 4, WRITABLE)
        self._symbols = dict(program.symbols)

    def symbol(self, name: str) -> int:
        """The address of a function or variable of the linked program."""
        if name not in self._symbols:
            raise TargetError(f"rp2040-core: the program has no symbol {name!r}")
        return self._symbols[name]

    def read(self, address: int, count: int) -> bytes:
        """``count`` bytes from ``address``, which must lie in loaded or allocated memory."""
        self._memory.require(address, count, READABLE)
        return self._memory.peek(address, count)

    def write(self, address: int, content: bytes) -> None:
        """Overwrite memory allocated with ``data``, or variables of the linked program."""
        self._memory.require(address, len(content), WRITABLE)
        self._memory.poke(address, content)

    def call(self, function: int | str, *words: int, max_instructions: int = 20_000_000) -> CallResult:
        """Call the function at an address, or of the linked program by name, under the AAPCS.

        ``words`` are signed or unsigned 32-bit arguments: the first four go to r0-r3, the rest to the stack.
        Raises TargetError when the code touches memory it was not given, makes a misaligned access, leaves
        its code, does not preserve r4-r11 and sp, or exceeds ``max_instructions``.
        """
        address = self.symbol(function) & ~1 if isinstance(function, str) else function & ~1
        for word in words:
            if not -(2**31) <= word < 2**32:
                raise TargetError(f"rp2040-core: the argument {word} does not fit in 32 bits")
        core, registers = self._core, self._core.registers
        on_stack = words[4:]
        stack = (STACK_TOP - 4 * len(on_stack)) & ~7
        for position, word in enumerate(on_stack):
            self._memory.poke(stack + 4 * position, (word & 0xFFFFFFFF).to_bytes(4, "little"))
        for number in range(13):
            registers[number] = POISON + number
        for number, word in enumerate(words[:4]):
            registers[number] = word & 0xFFFFFFFF
        core.sp, core.lr, core.pc = stack, RETURN_ADDRESS | 1, address
        self._deepest = stack
        before = core.cycles
        instructions = self._execute(max_instructions)
        changed = [f"r{number}" for number in PRESERVED if registers[number] != POISON + number]
        if core.sp != stack:
            changed.append("sp")
        if changed:
            raise TargetError(f"rp2040-core: the function at 0x{address:08x} did not preserve {', '.join(changed)}")
        value = registers[0] - (registers[0] >> 31 << 32)
        return CallResult(value, core.cycles - before, instructions, stack - self._deepest)

    def _execute(self, max_instructions: int) -> int:
        """Step until the code returns; the number of instructions executed."""
        registers, step, checks = self._core.registers, self._core.execute_instruction, self._checks
        for count in range(max_instructions):
            pc = registers[15]
            if pc not in checks:
                if pc == RETURN_ADDRESS:
                    return count
                checks[pc] = self._check_for(pc)
            check = checks[pc]
            if check is not None:
                check()
            step()
        raise TargetError(
            f"rp2040-core: the code did not return within {max_instructions} instructions; "
            f"pc is 0x{registers[15]:08x}"
        )

    def _check_for(self, pc: int) -> Check | None:
        """What to check before each execution of the instruction at ``pc``; None for nothing."""
        if not any(pc in code for code in self._code):
            reason = self.traps.get(pc, f"it jumped to 0x{pc:08x}, where no code is loaded")
            raise TargetError(f"rp2040-core: the code failed: {reason}")
        halfwords = self._memory.peek(pc, 4)
        opcode, following = int.from_bytes(halfwords[:2], "little"), int.from_bytes(halfwords[2:], "little")
        effect = instruction_effects.effect_of(opcode, following, pc)
        if isinstance(effect, instruction_effects.Access):
            return self._access_check(pc, effect)
        if isinstance(effect, instruction_effects.StackGrowth):
            return functools.partial(self._check_growth, effect.size)
        if isinstance(effect, instruction_effects.Jump):
            return functools.partial(self._check_jump, pc, effect.register)
        if isinstance(effect, instruction_effects.Unsupported):
            raise TargetError(
                f"rp2040-core: pc 0x{pc:08x}: 0x{opcode:04x} is not an ARMv6-M instruction "
                "that a function may contain"
            )
        return None

    def _access_check(self, pc: int, access: instruction_effects.Access) -> Check | None:
        """The check of a load or store, quick for what lies in SRAM, as most do.

        It looks at the rights of the first and the last byte alone: no access spans a guard strip.
        """
        base, added, offset = access.base, access.added, access.offset
        right = WRITABLE if access.writes else READABLE
        if base is None:
            self._check_access(pc, access, offset)
            return None
        registers, sram = self._core.registers, self._memory.sram_rights
        misaligned = access.size - 1 if self._check_alignment else 0
        to_last = access.size * access.items - 1
        end = SRAM_START + len(sram) - to_last
        pushes = access.writes and base == instruction_effects.STACK_POINTER

        def check() -> None:
            address = registers[base] + offset
            if added is not None:
                address += registers[added]
            if (
                address & misaligned
                or not SRAM_START <= address < end
                or sram[address - SRAM_START] < right
                or sram[address - SRAM_START + to_last] < right
            ):
                self._check_access(pc, access, address & 0xFFFFFFFF)
            if pushes and address < self._deepest:
                self._deepest = address

        return check

    def _check_access(self, pc: int, access: instruction_effects.Access, address: int) -> None:
        if address % access.size and self._check_alignment:
            kind = {2: "halfword", 4: "word"}[access.size]
            raise TargetError(
                f"rp2040-core: pc 0x{pc:08x}: a misaligned {kind} access at 0x{address:08x} "
                "(a Cortex-M0+ stops with a HardFault)"
            )
        right = WRITABLE if access.writes else READABLE
        self._memory.require(address, access.size * access.items, right, f"pc 0x{pc:08x}: ")

    def _check_growth(self, size: int) -> None:
        self._deepest = min(self._deepest, self._core.sp - size)

    def _check_jump(self, pc: int, register: int) -> None:
        address = self._core.registers[register]
        if not address & 1:
            raise TargetError(
                f"rp2040-core: pc 0x{pc:08x}: a jump to 0x{address:08x}, whose Thumb bit is not set "
                "(a Cortex-M0+ stops with a HardFault)"
            )


class Rp2040CoreTarget(Target):
    """The core as a target: it runs machine code through ``core()``, not scripts."""

    name = "rp2040-core"
    summary = "Cortex-M0+ core of an RP2040: exact machine code results and cycle counts, no firmware"
    executes = ("viper", "asm_thumb", "c")
    word_bits = 32
    counts = "machine code"

    def why_unavailable(self) -> str | None:
        return None if importlib.util.find_spec("rp2040py") else MISSING

    def core(self, check_alignment: bool = True) -> Core:
        """A core with empty memory. Raises TargetError when the emulator is not installed."""
        return Core(check_alignment)
