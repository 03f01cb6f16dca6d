"""Thumb emitter: one self-contained .py with ARMv6-M machine code, for boards whose MicroPython has ``asm_thumb``.

The code is data: a trampoline of one instruction calls it, so that the board compiles next to nothing. One call leads
from a buffer of ticks to the class index. It reads no absolute address, keeps its state in registers, on the stack and
in a work buffer, and takes the same number of cycles for every input. Portable twin: micropython.emitter; definition:
reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from nnhw_codegen.integers.program import Dense, Program
from nnhw_codegen.micropython import interface
from nnhw_codegen.thumb import baked, doorway_and_decision, packed, stream, values
from nnhw_codegen.thumb.assembler import Assembler
from nnhw_codegen.thumb.frame import EVEN, FRAME_WORDS, ODD, OUTPUT, SOURCE, Task
from nnhw_codegen.writer import Origin, Writer, bytes_literal

BAKED_WEIGHTS = 4096
"""Nets with more weights than this become loops over tables: a baked weight takes about 6 bytes of code."""

Form = Literal["auto", "baked", "loops"]


@dataclass(frozen=True)
class Blob:
    """Position-independent machine code, to be loaded at a multiple of four.

    Two entries take r0 = ticks (at offset ``ticks``) or codes (at offset ``codes``), r1 = outputs, r2 = a work buffer
    of ``work_words``, all int32 in word-aligned memory; r0 comes back as the class index (of a regression model as
    anything). The three buffers must not overlap. The entry at offset ``values`` is thumb.values.entry. All follow the
    procedure call standard.
    """

    code: bytes
    ticks: int
    codes: int
    values: int
    work_words: int


def emit(program: Program, origin: Origin, form: Form = "auto") -> dict[str, bytes]:
    """The module as {file name: content}; ``form`` "auto" picks by size."""
    return {f"{origin.name}.py": source(program, origin, form).encode()}


def form_for(program: Program) -> Literal["baked", "loops"]:
    """The form that "auto" stands for."""
    return "baked" if program.weight_count <= BAKED_WEIGHTS else "loops"


def machine_code(program: Program, form: Form = "auto") -> Blob:
    """The machine code of a program; raises ValueError where an activation needs more registers than there are."""
    if form == "auto":
        form = form_for(program)
    labels = {table: f"table{number}" for number, table in enumerate(program.tables)}
    layers, doorway, data = Assembler("layers"), Assembler("doorway"), Assembler("data")
    place = SOURCE
    for number, dense in enumerate(program.layers):
        last = number + 1 == len(program.layers)
        target = OUTPUT if last else EVEN if number % 2 else ODD
        _layer(Task(layers, data, dense, place, target, labels, f"layer{number}"), form)
        place = target
    doorway_and_decision.decision(layers, program)
    doorway_and_decision.doorway(doorway, data, program, loop=form == "loops")
    even, odd = _buffers(program)
    saved = sorted(layers.registers() & {"r8", "r9", "r10", "r11"}, key=lambda name: int(name[1:]))
    code = Assembler()
    code.label("codes")
    _save(code, saved)
    _frame(code, 4 * even)
    code("b layers")
    code.label("ticks")
    _save(code, saved)
    code("movs r4, r0", "movs r0, r2")  # the codes go to the even buffer, the source of the first layer
    _frame(code, 4 * even)
    code.extend(doorway)
    code.label("layers")
    code.extend(layers)
    _leave(code, saved)
    values.entry(code, data, program)
    for table, name in labels.items():
        code.data(name, table.to_bytes())
    code.extend(data)
    content, places = code.assemble()
    return Blob(content, places["ticks"], places["codes"], places["values"], even + odd)


def _layer(task: Task, form: Form) -> None:
    weights = task.layer.weights
    if stream.has_lanes(task.layer):
        stream.layer(task, loop=form == "loops" or _rather_loop(task.layer))
    elif form == "loops":
        packed.layer(task, 8 if weights.min() >= -128 and weights.max() <= 127 else 16)
    elif np.abs(weights).max() <= baked.WEIGHT_LIMIT:
        baked.layer(task)
    else:
        stream.layer(task, loop=False)


def _rather_loop(layer: Dense) -> bool:
    """True for a layer of two lanes with so many inputs that a loop costs next to nothing, and few zeros to skip."""
    return layer.fan_in > 16 and bool((layer.weights == 0).mean() < 0.25)


def _buffers(program: Program) -> tuple[int, int]:
    """Words of the even and the odd activation buffer, each a whole number of packed groups."""
    widths = [len(program.inputs), *(layer.units for layer in program.layers)]
    even, odd = max(widths[0::2]), max(widths[1::2])
    return max(even, widths[-1]) + 3 & ~3, max(odd, widths[-1]) + 3 & ~3


def _save(code: Assembler, saved: list[str]) -> None:
    """Save what the procedure call standard asks for."""
    code("push {r4-r7, lr}")
    if saved:
        code(*(f"mov r{4 + n}, {name}" for n, name in enumerate(saved)))
        code(f"push {{r4-r{3 + len(saved)}}}")


def _frame(code: Assembler, odd_offset: int) -> None:
    """Build the stack frame of frame from r0 source, r1 outputs and r2 work buffer."""
    code.constant("r3", odd_offset)
    code("adds r3, r3, r2", f"sub sp, #{4 * FRAME_WORDS - 16}", "push {r0-r3}")


def _leave(code: Assembler, saved: list[str]) -> None:
    code(f"add sp, #{4 * FRAME_WORDS}")
    if saved:
        code(f"pop {{r4-r{3 + len(saved)}}}")
        code(*(f"mov {name}, r{4 + n}" for n, name in enumerate(saved)))
    code("pop {r4-r7, pc}")


def source(program: Program, origin: Origin, form: Form = "auto") -> str:
    """The module's text. Buffers of ticks, codes and outputs are array('i') objects of the right length."""
    blob = machine_code(program, form)
    w = Writer()
    interface.head(w, origin, "import micropython", "from array import array")
    interface.constants(w, program, origin)
    interface.buffers(w, program)
    w.line(f"_work = array('i', bytes({4 * blob.work_words}))")
    w.line(f"_code = {bytes_literal(blob.code)}")
    w.lines("", "", "@micropython.asm_thumb")
    with w.block("def _run(r0, r1, r2, r3):"):
        w.line("data(2, 0x4798)  # blx r3")
    w.lines("", "", "@micropython.asm_thumb")
    with w.block("def _address(r0):"):
        w.line("mov(r0, r0)")
    w.lines("", "", "_at = _address(_code)")
    w.line(
        "# An old MicroPython passes bytes as an object; and frozen bytes may lie at any address, blocks of the heap not."
    )
    with w.block("if _at == id(_code) or _at & 3:"):
        w.lines("_code = bytearray(_code)", "_at = _address(_code)")
    w.line(f"_TICKS = _at + {blob.ticks + 1}")
    w.line(f"_CODES = _at + {blob.codes + 1}")
    w.line(f"_VALUES = _at + {blob.values + 1}")
    w.line("_work_at = _address(_work)")
    interface.doorway(w, program, "_run(f, t, 0, _VALUES)")
    with w.function("logits_from_ticks(t, y)", "Ticks t to outputs y, all integers; both array('i')."):
        w.line("_run(t, y, _work_at, _TICKS)")
    with w.function("logits_from_codes(x, y)", "Input codes x to outputs y, all integers; both array('i')."):
        w.line("_run(x, y, _work_at, _CODES)")
    interface.decide(w, program)
    if program.decision == "values":
        with w.function("predict_ticks(t)", f"Ticks t, array('i'), to the {interface.ANSWER['values']}."):
            w.lines("_run(t, _y, _work_at, _TICKS)", "return decide(_y)")
    else:
        _shortcut(w)
    interface.answers(w, program)
    return w.text()


def _shortcut(w: Writer) -> None:
    """``predict_ticks`` without bytecode between the caller and the machine code, which would cost 1,700 cycles.

    The addresses of its three other arguments are constants of its own code, known only once the module is loaded.
    """
    w.lines("", "", "# ldr r1, r2 and r3 from below; blx r3; b behind the words: outputs, work buffer, machine code")
    with w.block("try:"):
        with w.block("exec("):
            w.line('"@micropython.asm_thumb\\n"')
            w.line('"def predict_ticks(r0):\\n"')
            w.line('" align(4)\\n"')
            w.line('" data(2, 0x4902, 0x4A03, 0x4B03, 0x4798, 0xE006, 0, %d, %d, %d, %d, %d, %d)\\n"')
            w.line("% tuple([half for at in (_address(_y), _work_at, _TICKS) for half in (at & 0xFFFF, at >> 16)])")
        w.line(")")
    w.line("except (SyntaxError, MemoryError, RuntimeError):  # no assembler, or no room for it on heap or stack")
    with w.block("    def predict_ticks(t):"):
        w.line("    return _run(t, _y, _work_at, _TICKS)")
