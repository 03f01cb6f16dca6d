"""Thumb: what the layer kernels share: the stack frame, a layer with its place in it, and the loop over raw sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nnhw_codegen.integers.expr import Table
from nnhw_codegen.integers.program import Clips, Dense
from nnhw_codegen.thumb.activation import ActivationPrinter
from nnhw_codegen.thumb.assembler import Assembler

SOURCE, OUTPUT, EVEN, ODD, END = 0, 4, 8, 12, 16
"""Words of the stack frame: pointers to the codes, the outputs and the two activation buffers, then a kernel's own."""

FRAME_WORDS = 5


@dataclass(frozen=True)
class Task:
    """One layer for a kernel: read activations (int32 words) at frame word ``source``, leave outputs at ``into``.

    ``code`` takes the instructions and ``data`` what lies behind them all; ``labels`` are the tables' labels, ``name``
    is unique to the layer.
    """

    code: Assembler
    data: Assembler
    layer: Dense
    source: int
    into: int
    labels: Mapping[Table, str]
    name: str

    @property
    def direct(self) -> bool:
        """True where the activation is so simple that it runs on the sums while a kernel still holds others."""
        return self.layer.registers <= 2 and all(instruction.table is None for instruction in self.layer.instructions)

    def pointer(self, register: str, word: int, offset: int = 0) -> None:
        """Set a low register to the pointer in frame word ``word`` plus ``offset`` bytes; a large offset spoils r1."""
        self.code(f"ldr {register}, [sp, #{word}]")
        if 0 < offset <= 255:
            self.code(f"adds {register}, #{offset}")
        elif offset:
            self.code.constant("r1", offset)
            self.code(f"adds {register}, {register}, r1")

    def activate(self, values: Sequence[tuple[str, Clips]], low: Sequence[str], high: Sequence[str] = ()) -> None:
        """Saturate and activate z in low registers, each with its clips, where the layer is ``direct``."""
        clips = [clip for _, clip in values]
        if self.direct and (self.layer.instructions or any(clip.below or clip.above for clip in clips)):
            printer = ActivationPrinter(self.code, self.layer, low, high)
            printer.load(self.labels, clips)
            for register, clip in values:
                printer.apply(register, clip)

    def activate_stored(self) -> None:
        """Saturate and activate the z that a kernel has stored, where the layer is not ``direct``.

        r0 pointer, r1 z, r2 to r6 registers of the activation, r7 scratch, r12 end; others tables and constants.
        """
        if self.direct:
            return
        code = self.code
        self.pointer("r0", self.into)
        code.constant("r1", 4 * self.layer.units)
        code("adds r1, r1, r0", "mov r12, r1")
        printer = ActivationPrinter(
            code, self.layer, ("r7", "r2", "r3", "r4", "r5", "r6"), ("lr", "r8", "r9", "r10", "r11")
        )
        printer.load(self.labels, [self.layer.any_clips] * self.layer.units)
        again = code.new_label()
        code.label(again)
        code("ldr r1, [r0, #0]")
        printer.apply("r1", self.layer.any_clips)
        code("stmia r0!, {r1}", "cmp r0, r12")
        code(f"bne {again}")


def balanced(count: int, most: int) -> list[range]:
    """0..count-1 as the fewest ranges of at most ``most``, their sizes as equal as can be."""
    parts = -(-count // most)
    return [range(count * n // parts, count * (n + 1) // parts) for n in range(parts)]


def register_list(first: int, count: int) -> str:
    """The list of ``count`` low registers from r``first`` on."""
    return "{" + (f"r{first}-r{first + count - 1}" if count > 1 else f"r{first}") + "}"
