"""A training step of one model as Thumb machine code: nnrun's program with its places built in.

For boards whose MicroPython has ``asm_thumb``, and weights of 16 bits that keep a remainder each; it changes the file in
memory as nnrun's own kernels do. The code reads no absolute address and keeps its state in registers and on the stack.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nnhw_codegen.learning import board_program
from nnhw_codegen.learning.blocks import (
    BackBlock,
    BelowTopBlock,
    Block,
    BoardProgram,
    ClipBlock,
    CurveBlock,
    DeltaBlock,
    DenseBlock,
    DoorwayBlock,
    ShareBlock,
    SlopeBlock,
    UpdateBlock,
)
from nnhw_codegen.thumb.instructions import encode
from nnhw_codegen.thumb.learn_frame import DATA, PROGRAM, ROOM, StepCode
from nnhw_codegen.thumb.learn_layers import back, dense
from nnhw_codegen.thumb.learn_update import update
from nnhw_codegen.thumb.learn_vectors import below_top, clip, curve, delta, doorway, share, slope
from nnhw_codegen.writer import Writer

_PRINTERS: dict[type[Block], Callable[[StepCode, Any], None]] = {
    DoorwayBlock: doorway,
    DenseBlock: dense,
    CurveBlock: curve,
    ClipBlock: clip,
    BelowTopBlock: below_top,
    ShareBlock: share,
    DeltaBlock: delta,
    BackBlock: back,
    SlopeBlock: slope,
    UpdateBlock: update,
}

_PER_LINE = 16


def machine_code(program: BoardProgram) -> bytes:
    """What runs a program, to lie at a multiple of four inside a function that saves r4 to r7 and lr.

    It takes r0 = room, r1 = the file, r2 = program, and runs on past its end, r0 being 0.
    """
    code = StepCode()
    code("mov r4, r8", "mov r5, r9", "mov r6, r10", "mov r7, r11", "push {r4-r7}", "push {r0-r2}")
    code(f"mov {ROOM}, r0", f"mov {DATA}, r1")
    for section in program.sections:
        for block in section.blocks:
            _PRINTERS[type(block)](code, block)
        if section.blocks and section is not program.learn:
            _leave(code, section.end)
    code.pool()
    code.label("end")
    code("add sp, #12", "pop {r4-r7}", "mov r8, r4", "mov r9, r5", "mov r10, r6", "mov r11, r7", "movs r0, #0")
    return code.assemble()[0]


def _leave(code: StepCode, end: int) -> None:
    """Leave here where the program is to run to ``end``."""
    onward = code.new_label()
    code(f"ldr r0, {PROGRAM}", "ldr r0, [r0, #4]")
    code.constant("r1", end)
    code("cmp r0, r1", f"bne {onward}")
    code.address("r0", "end", 1)
    code("bx r0")
    code.label(onward)


def source(data: bytes, banner: str) -> bytes:
    """The module for a .nnt file; its ``run`` is the kernel that nnrun.learn takes. Raises board_program.UnsuitableError."""
    # The function begins with one instruction of the board's own assembler: another aligns what follows.
    content = encode("mov r8, r8").to_bytes(2, "little") + machine_code(board_program.read_suitable(data))
    halves = [int.from_bytes(content[n : n + 2], "little") for n in range(0, len(content), 2)]
    w = Writer()
    w.lines(
        f'"""{banner}"""',
        "",
        "import micropython",
        "",
        board_program.identity(data),
        "",
        "",
        "@micropython.asm_thumb",
    )
    with w.block("def run(r0, r1, r2):"):
        for first in range(0, len(halves), _PER_LINE):
            w.line(f"data(2, {', '.join(map(str, halves[first : first + _PER_LINE]))})")
    return w.text().encode()
