"""Viper code of a training step: what changes biases, weights and remainders.

The rate's numbers stand in the board's program, so that it can change between two steps.
"""

from __future__ import annotations

from nnhw_codegen.learning.blocks import Rate, UpdateBlock
from nnhw_codegen.viper.learn_frame import UNROLL, advance, clip, pointer
from nnhw_codegen.writer import Writer

_RATE = {
    "multiplier": Rate.MULTIPLIER,
    "half": Rate.HALF,
    "coarse": Rate.COARSE,
    "fine": Rate.FINE,
    "mask": Rate.MASK,
    "left": Rate.BIAS_LEFT,
    "right": Rate.BIAS_RIGHT,
    "bias_half": Rate.BIAS_HALF,
}


def update(w: Writer, block: UpdateBlock) -> None:
    """One layer."""
    fan_in = block.inputs.count
    w.line(f"p = ptr32(program + {4 * block.at})")
    for name, place in _RATE.items():
        w.line(f"{name} = p[{place:d}]")
    w.line(f"w = ptr16(data + {block.weights})")
    w.lines(f"t = ptr16(data + {block.remainders})", f"b = ptr32(data + {block.biases})")
    pointer(w, "d", block.deltas)
    w.line(f"j = {block.deltas.count}")
    with w.block("while j:"):
        w.line("r = d[0]")
        # A delta of 0 changes nothing.
        with w.block("if r:"):
            w.line("r = multiplier * r")
            clip(w, "32766")
            w.lines("g = r", "r = b[0] - ((r << left) + bias_half >> right)")
            clip(w, "536870911", 29)
            w.line("b[0] = r")
            pointer(w, "x", block.inputs)
            with w.block("if coarse:"):
                w.line(f"i = {fan_in}")
                with w.block("while i:"):
                    _weight(w, 0, "g * r + half >> coarse")
                    for name, kind, size in (("x", "ptr32", 4), ("w", "ptr16", 2), ("t", "ptr16", 2)):
                        advance(w, name, size, kind)
                    w.line("i -= 1")
                for name in "wt":
                    advance(w, name, -2 * fan_in, "ptr16")
            with w.block("else:"):
                turns, left = divmod(fan_in, UNROLL) if fan_in > 2 * UNROLL else (0, fan_in)
                if turns:
                    w.line(f"i = {turns}")
                    with w.block("while i:"):
                        for n in range(UNROLL):
                            _weight(w, n, "g * r")
                        for name, kind, size in (("x", "ptr32", 4), ("w", "ptr16", 2), ("t", "ptr16", 2)):
                            advance(w, name, size * UNROLL, kind)
                        w.line("i -= 1")
                for n in range(left):
                    _weight(w, n, "g * r")
                for name in "wt" if turns else "":
                    advance(w, name, -2 * UNROLL * turns, "ptr16")
        for name in "wt":
            advance(w, name, 2 * fan_in, "ptr16")
        advance(w, "b", 4)
        advance(w, "d", 4)
        w.line("j -= 1")


def _weight(w: Writer, n: int, product: str) -> None:
    w.line(f"r = x[{n}]")
    with w.block("if r:"):
        w.lines(f"r = {product}", f"r = t[{n}] + r", f"t[{n}] = mask & r", "r = r >> fine", f"r = w[{n}] - r")
        with w.block("if (r - 1 | r) >> 16:"):
            w.line("r = 1 + (~(r - 1 >> 31) & 65534)")
        w.line(f"w[{n}] = r")
