"""The emitters: one record each; to add one, write its file and its line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from nnhw_codegen.c import emitter as c_emitter
from nnhw_codegen.files.native_mpy import NativeModule
from nnhw_codegen.integers.program import Program
from nnhw_codegen.micropython import emitter as micropython_emitter
from nnhw_codegen.micropython import learn as micropython_learn
from nnhw_codegen.registry import find
from nnhw_codegen.thumb import emitter as thumb_emitter
from nnhw_codegen.thumb import learn as thumb_learn
from nnhw_codegen.thumb.native import module as thumb_native
from nnhw_codegen.viper import emitter as viper_emitter
from nnhw_codegen.viper import learn as viper_learn
from nnhw_codegen.writer import Origin

MICROPYTHON, C = "micropython", "c"
"""Of ``Emitter.runs_in``: any MicroPython, and a C compiler."""


@dataclass(frozen=True)
class Emitter:
    """All that the rest knows about one code.

    title       what a sentence calls the code
    emit        turns a program, an origin and one of ``forms``, by default "auto", into {file name: content}
    runs_in     what runs the code: "micropython" of any kind, "viper" or "asm_thumb" a MicroPython that offers it,
                "c" a compiler; ``Target.executes`` and ``Board.runs`` answer to it
    forms       how the code can lay a network out; ``form_for`` is the one that "auto" stands for
    speed_rank  where the code stands among those that export tries for a board: the fastest is 1, and the slowest takes the
                least memory. None: only where it is asked for
    estimate    of bytecode: about how many cycles of a Cortex-M0+ lie between ticks and answer
    native      turns a program and an origin into the module that becomes a native .mpy, in place of a compiled one
    learn       turns a .nnt file and a banner into a module with a faster step of training, which a port that cannot run it
                does without
    learn_runs_in  what runs that module, as ``runs_in``
    learn_alone turns a .nnt file, a name and a banner into modules that train without nnrun
    """

    name: str
    title: str
    summary: str
    emit: Callable[..., dict[str, bytes]]
    runs_in: str = MICROPYTHON
    forms: tuple[str, ...] = ("auto",)
    form_for: Callable[[Program], str] = lambda program: "auto"
    speed_rank: int | None = None
    estimate: Callable[[Program], int] = micropython_emitter.estimate_loops
    native: Callable[[Program, Origin], NativeModule] | None = None
    learn: Callable[[bytes, str], bytes] = viper_learn.source
    learn_runs_in: str = "viper"
    learn_alone: Callable[[bytes, str, str], dict[str, bytes]] | None = None

    @property
    def requires(self) -> str:
        """What a board's MicroPython must offer; empty where nothing."""
        return "" if self.runs_in in (MICROPYTHON, C) else self.runs_in

    @property
    def makes_module(self) -> bool:
        """True where MicroPython imports the code."""
        return self.runs_in != C


EMITTERS: tuple[Emitter, ...] = (
    Emitter(
        "portable",
        "portable code",
        "plain MicroPython, runs on every port",
        micropython_emitter.emit,
        forms=("baked", "loops"),
        form_for=micropython_emitter.form_for,
        speed_rank=3,
        estimate=micropython_emitter.estimate,
    ),
    Emitter(
        "compact",
        "compact code",
        "the same in loops: less heap to import, slower",
        micropython_emitter.emit_loops,
        forms=("loops",),
        form_for=lambda program: "loops",
        speed_rank=4,
        learn_alone=micropython_learn.files,
    ),
    Emitter(
        "viper",
        "viper code",
        "machine code by MicroPython's own compiler",
        viper_emitter.emit,
        "viper",
        ("baked", "loops"),
        viper_emitter.form_for,
        speed_rank=2,
    ),
    Emitter(
        "thumb",
        "Thumb code",
        "ARMv6-M machine code, for every Cortex-M",
        thumb_emitter.emit,
        "asm_thumb",
        ("baked", "loops"),
        thumb_emitter.form_for,
        speed_rank=1,
        native=thumb_native.emit,
        learn=thumb_learn.source,
        learn_runs_in="asm_thumb",
    ),
    Emitter("c", "C", "one freestanding C99 header", c_emitter.emit, C, ("baked", "loops"), c_emitter.form_for),
)


def names() -> tuple[str, ...]:
    """The names of all emitters."""
    return tuple(e.name for e in EMITTERS)


def fastest_first(runs: Callable[[str], bool]) -> list[Emitter]:
    """The emitters with a ``speed_rank`` whose ``requires`` ``runs``."""
    ranked = [(e.speed_rank, e) for e in EMITTERS if e.speed_rank is not None and runs(e.requires)]
    return [emitter for _, emitter in sorted(ranked, key=lambda pair: pair[0])]


def get(name: str) -> Emitter:
    """The emitter called ``name``; raises ValueError for an unknown one."""
    return find(EMITTERS, name, "code")
