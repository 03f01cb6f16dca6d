"""The places where exported code can run, one module each."""

from __future__ import annotations

import difflib
from pathlib import Path

from nnhw.errors import TargetError
from nnhw.targets import qemu
from nnhw.targets.board import PREFIX, BoardTarget
from nnhw.targets.c import CompilerTarget
from nnhw.targets.core.bare_core import CoreTarget
from nnhw.targets.core.core import Rp2040CoreTarget
from nnhw.targets.core.cortex_m import CortexMTarget
from nnhw.targets.core.rv32_core import Rv32CoreTarget
from nnhw.targets.microbit import MicrobitTarget
from nnhw.targets.pico import PREFIX as PICO_PREFIX
from nnhw.targets.pico import PicoTarget
from nnhw.targets.target import ScriptTarget, Session, Target
from nnhw.targets.unix import UnixTarget
from nnhw.targets.wasm import WasmTarget

TARGETS: tuple[Target, ...] = (
    BoardTarget(),
    CompilerTarget(),
    CortexMTarget(),
    MicrobitTarget(),
    PicoTarget(),
    qemu.CORTEX_M4,
    qemu.RISC_V,
    Rp2040CoreTarget(),
    Rv32CoreTarget(),
    UnixTarget(),
    WasmTarget(),
)


def get(name: str) -> Target:
    """The target called ``name``. Raises TargetError, with the nearest name if there is one."""
    if name.startswith(PREFIX):
        return BoardTarget(name.removeprefix(PREFIX))
    if name.startswith(PICO_PREFIX):
        return PicoTarget(Path(name.removeprefix(PICO_PREFIX)))
    targets = {target.name: target for target in TARGETS}
    if name in targets:
        return targets[name]
    near = difflib.get_close_matches(name, targets, 1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise TargetError(f"there is no target {name!r}: {hint}The targets are: {', '.join(targets)}.")


def get_script_target(name: str) -> ScriptTarget:
    """The target called ``name``, one that runs MicroPython scripts. Raises TargetError otherwise."""
    target = get(name)
    if isinstance(target, ScriptTarget):
        return target
    able = ", ".join(other.name for other in TARGETS if isinstance(other, ScriptTarget))
    raise TargetError(f"{name}: this target runs machine code, not MicroPython scripts; those run on: {able}")


def get_core_target(name: str) -> CoreTarget:
    """The target called ``name``, a bare core. Raises TargetError otherwise."""
    target = get(name)
    if isinstance(target, CoreTarget):
        return target
    raise TargetError(f"{name}: this target is no bare core")


__all__ = [
    "TARGETS", "CoreTarget", "ScriptTarget", "Session", "Target", "TargetError", "get", "get_core_target",
    "get_script_target",
]  # fmt: skip
