"""The emitters: one record each; to add one, write its file and its line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from nnhw_codegen.c import emitter as c_emitter
from nnhw_codegen.integers.program import Program
from nnhw_codegen.micropython import emitter as micropython_emitter
from nnhw_codegen.micropython import learn as micropython_learn
from nnhw_codegen.thumb import emitter as thumb_emitter
from nnhw_codegen.thumb import learn as thumb_learn
from nnhw_codegen.viper import emitter as viper_emitter
from nnhw_codegen.viper import learn as viper_learn
from nnhw_codegen.writer import Origin


@dataclass(frozen=True)
class Emitter:
    """``emit`` turns a program into {file name: content}; ``requires`` is what the port must offer (empty: nothing).

    ``learn`` turns a .nnt file and a banner into a module with a faster step of training, which a port that cannot run it
    does without. ``learn_alone`` turns it, a name and a banner into modules that train without nnrun.
    """

    name: str
    summary: str
    emit: Callable[[Program, Origin], dict[str, bytes]]
    requires: str = ""
    learn: Callable[[bytes, str], bytes] = viper_learn.source
    learn_alone: Callable[[bytes, str, str], dict[str, bytes]] | None = None


EMITTERS: tuple[Emitter, ...] = (
    Emitter("portable", "plain MicroPython, runs on every port", micropython_emitter.emit),
    Emitter(
        "compact",
        "the same in loops: less heap to import, slower",
        partial(micropython_emitter.emit, form="table"),
        learn_alone=micropython_learn.files,
    ),
    Emitter("viper", "machine code by MicroPython's own compiler", viper_emitter.emit, requires="viper"),
    Emitter("thumb", "ARMv6-M machine code, for every Cortex-M", thumb_emitter.emit, "asm_thumb", thumb_learn.source),
    Emitter("c", "one freestanding C99 header", c_emitter.emit),
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
