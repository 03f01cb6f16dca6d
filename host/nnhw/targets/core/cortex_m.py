"""A Cortex-M4: exact results and instruction counts; cycles estimated.

The estimate is the table of the Cortex-M4 Technical Reference Manual (r0p1, 3.3.1) at zero wait states: a load takes 2
cycles and 1 behind another load or store, a taken branch 3. It is good to about 10 %.
"""

from __future__ import annotations

from typing import Any

from nnhw.targets.core.bare_core import CoreTarget
from nnhw.targets.core.unicorn_core import Chip, UnicornCore, why_unavailable

_TAKEN = 2
"""Cycles to refill the pipeline behind a branch: 1 to 3."""
_DIVISION = 12
"""The longest: 2 to 12."""


def cycles(before: Any, now: Any, _after: Any, jumped: bool) -> int:
    """See Cycles."""
    name: str = now.mnemonic.partition(".")[0]
    refill = _TAKEN * jumped
    if name.startswith(("push", "pop", "ldm", "stm")):
        listed = sum(operand.type == 1 for operand in now.operands) - name.startswith(("ldm", "stm"))
        return 1 + int(listed) + refill
    if name.startswith(("ldrd", "strd")):
        return 3
    if name.startswith("ldr"):
        behind_access = before is not None and before.mnemonic.startswith(("ldr", "str"))
        return 2 - int(behind_access) + refill
    if name.startswith(("sdiv", "udiv")):
        return _DIVISION
    return 1 + refill


def _open() -> tuple[Any, Any]:
    import capstone
    import unicorn
    from unicorn.arm_const import UC_CPU_ARM_CORTEX_M4

    emulator = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
    emulator.ctl_set_cpu_model(UC_CPU_ARM_CORTEX_M4)
    disassembler = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    disassembler.detail = True
    return emulator, disassembler


def _register(name: str) -> int:
    from unicorn import arm_const

    return int(getattr(arm_const, f"UC_ARM_REG_{name.upper()}"))


CHIP = Chip(
    target="cortex-m",
    architecture="armv7emsp",
    identity=b"\x70\x47",  # bx lr
    open=_open,
    registers=_register,
    arguments=("r0", "r1", "r2", "r3"),
    preserved=tuple(f"r{n}" for n in range(4, 12)),
    link="lr",
    thumb=1,
    aligned=False,
    cycles=cycles,
)


class CortexMTarget(CoreTarget):
    """The core as a target."""

    name = "cortex-m"
    summary = "a bare Cortex-M4: exact results and instruction counts, estimated cycles"
    executes = ("viper", "asm_thumb", "c")
    counts = "machine code"
    cycles = "estimated"

    def why_unavailable(self) -> str | None:
        return why_unavailable()

    def core(self) -> UnicornCore:
        return UnicornCore(CHIP)
