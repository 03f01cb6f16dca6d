"""The places where exported code can run, one module each."""

from __future__ import annotations

from nnhw.errors import TargetError
from nnhw.targets.board import BoardTarget
from nnhw.targets.c import CompilerTarget
from nnhw.targets.core.core import Rp2040CoreTarget
from nnhw.targets.microbit import MicrobitTarget
from nnhw.targets.pico import PicoTarget
from nnhw.targets.target import ScriptTarget, Session, Target
from nnhw.targets.unix import UnixTarget
from nnhw.targets.wasm import WasmTarget
from nnhw_codegen.registry import find

TARGETS: tuple[Target, ...] = (
    WasmTarget(),
    CompilerTarget(),
    Rp2040CoreTarget(),
    UnixTarget(),
    MicrobitTarget(),
    PicoTarget(),
    BoardTarget(),
)
"""The first that runs a code is where it runs by default."""


def get(name: str) -> Target:
    """The target called ``name``. Raises TargetError, with the nearest name if there is one."""
    kind, colon, which = name.partition(":")
    for target in TARGETS:
        if colon and target.kind == kind:
            return target.at(which)
    return find(TARGETS, name, "target", TargetError)


def get_script_target(name: str) -> ScriptTarget:
    """The target called ``name``, one that runs MicroPython scripts. Raises TargetError otherwise."""
    target = get(name)
    if isinstance(target, ScriptTarget):
        return target
    able = ", ".join(other.name for other in TARGETS if isinstance(other, ScriptTarget))
    raise TargetError(f"{name}: this target runs machine code, not MicroPython scripts; those run on: {able}")


__all__ = ["TARGETS", "ScriptTarget", "Session", "Target", "TargetError", "get", "get_script_target"]
