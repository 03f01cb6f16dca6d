"""A 32-bit RISC-V core: exact results and instruction counts; cycles estimated.

The estimate is the table of instruction timings in the documents of Hazard3, the RISC-V core of the RP2350, with its fast
multiplier and memory without wait states: a load takes 2 cycles where the next instruction needs it, a jump 2. It is good to
a few per cent there; for the ESP32-C3 and C6 it is an order of magnitude.
"""

from __future__ import annotations

from typing import Any

from nnhw.targets.core.bare_core import CoreTarget
from nnhw.targets.core.unicorn_core import Chip, UnicornCore, why_unavailable

_LOADS = ("lw", "lh", "lb", "lhu", "lbu", "lwsp")
_STORES_AND_BRANCHES = ("sw", "sh", "sb", "b", "j")
_DIVISION = 19


def _sources(instruction: Any) -> set[int]:
    """The registers that an instruction reads."""
    name = instruction.mnemonic.removeprefix("c.")
    operands = [o.reg if o.type == 1 else o.mem.base for o in instruction.operands if o.type in (1, 3)]
    registers = {o.reg for o in instruction.operands if o.type == 1}
    compressed_result = instruction.mnemonic.startswith("c.") and name in (
        "add",
        "addi",
        "sub",
        "and",
        "or",
        "xor",
        "slli",
    )
    if name.startswith(_STORES_AND_BRANCHES) or compressed_result:
        return registers | set(operands)
    return set(operands[1:])


def cycles(_before: Any, now: Any, after: Any, jumped: bool) -> int:
    """See Cycles."""
    name = now.mnemonic.removeprefix("c.")
    if name in _LOADS:
        return 1 + (after is not None and now.operands[0].reg in _sources(after))
    if name.startswith(("div", "rem")):
        return _DIVISION
    return 1 + jumped


def _open() -> tuple[Any, Any]:
    import capstone
    import unicorn

    emulator = unicorn.Uc(unicorn.UC_ARCH_RISCV, unicorn.UC_MODE_RISCV32)
    disassembler = capstone.Cs(capstone.CS_ARCH_RISCV, capstone.CS_MODE_RISCV32 | capstone.CS_MODE_RISCVC)
    disassembler.detail = True
    return emulator, disassembler


def _register(name: str) -> int:
    from unicorn import riscv_const

    return int(getattr(riscv_const, f"UC_RISCV_REG_{name.upper()}"))


CHIP = Chip(
    target="rv32-core",
    architecture="rv32imc",
    identity=b"\x67\x80\x00\x00",  # ret
    open=_open,
    registers=_register,
    arguments=tuple(f"a{n}" for n in range(8)),
    preserved=tuple(f"s{n}" for n in range(12)),
    link="ra",
    thumb=0,
    aligned=True,
    cycles=cycles,
)


class Rv32CoreTarget(CoreTarget):
    """The core as a target."""

    name = "rv32-core"
    summary = "a bare RISC-V core (rv32imc): exact results and instruction counts, estimated cycles"
    executes = ("viper", "c")
    counts = "machine code"
    cycles = "estimated"

    def why_unavailable(self) -> str | None:
        return why_unavailable()

    def core(self) -> UnicornCore:
        return UnicornCore(CHIP)
