"""The emitters: one record each; to add one, write its file and its line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from nnhw_codegen import emit_c, emit_learn_thumb, emit_learn_viper, emit_micropython, emit_thumb, emit_viper
from nnhw_codegen.program import Program
from nnhw_codegen.text import Origin


@dataclass(frozen=True)
class Emitter:
    """``emit`` turns a program into {file name: content}; ``requires`` is what the port must offer (empty: nothing).

    ``learn`` turns a .nnt file and a banner into a module with a faster step of training, which a port that cannot run it
    does without.
    """

    name: str
    summary: str
    emit: Callable[[Program, Origin], dict[str, bytes]]
    requires: str = ""
    learn: Callable[[bytes, str], bytes] = emit_learn_viper.source


EMITTERS: tuple[Emitter, ...] = (
    Emitter("portable", "plain MicroPython, runs on every port", emit_micropython.emit),
    Emitter(
        "compact", "the same in loops: less heap to import, slower", partial(emit_micropython.emit, form="table")
    ),
    Emitter("viper", "machine code by MicroPython's own compiler", emit_viper.emit, requires="viper"),
    Emitter(
        "thumb", "ARMv6-M machine code, for every Cortex-M", emit_thumb.emit, "asm_thumb", emit_learn_thumb.source
    ),
    Emitter("c", "one freestanding C99 header", emit_c.emit),
)


def names() -> tuple[str, ...]:
    """The names of all emitters."""
    return tuple(e.name for e in EMITTERS)


def get(name: str) -> Emitter:
    """The emitter called ``name``; raises ValueError for an unknown one."""
    for emitter in EMITTERS:
        if emitter.name == name:
            return emitter
    raise ValueError(f"unknown code {name!r}; known: {', '.join(names())}")
