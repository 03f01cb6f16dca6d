"""Viper code of a training step: what its blocks have in common."""

from __future__ import annotations

from collections.abc import Callable

from nnhw_codegen.learning.blocks import Vector
from nnhw_codegen.writer import Writer

UNROLL = 8


def pointer(w: Writer, name: str, vector: Vector) -> None:
    """Let ``name`` walk along a vector of the room."""
    w.line(f"{name} = ptr32(room + {4 * vector.place})")


def clip(w: Writer, limit: str = "m", bits: int = 15) -> None:
    """Saturate r to plus and minus ``limit``, an expression of so many bits."""
    # Most values lie in the middle half of the range, and that is told faster.
    with w.block(f"if (r >> {bits - 1}) + 1 >> 1:"), w.block(f"if (r + {limit} | {limit} - r) >> 31:"):
        w.line(f"r = ({limit} ^ r >> 31) - (r >> 31)")


def advance(w: Writer, name: str, size: int, kind: str = "ptr32") -> None:
    """Move a pointer on by ``size`` bytes."""
    w.line(f"{name} = {kind}(int({name}) + {size})")


def terms(w: Writer, count: int, line: Callable[[int], str], strides: tuple[tuple[str, str, int], ...]) -> None:
    """``line`` for every term, in a loop where there are many."""
    turns, rest = divmod(count, UNROLL) if count > 2 * UNROLL else (0, count)
    if turns:
        w.line(f"i = {turns}")
        with w.block("while i:"):
            for n in range(UNROLL):
                w.line(line(n))
            for name, kind, size in strides:
                advance(w, name, size * UNROLL, kind)
            w.line("i -= 1")
    for n in range(rest):
        w.line(line(n))
    if turns:
        for name, kind, size in strides:
            advance(w, name, -size * UNROLL * turns, kind)
