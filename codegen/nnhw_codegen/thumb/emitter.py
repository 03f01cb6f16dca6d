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
    anything). The three buffers must not overlap. The entry at offset ``values`` is thumb.values.entry, that at
    ``predict`` takes float32 words in place of ticks, and gives -1 where one is not a number. All follow the procedure
    call standard.
    """

    code: bytes
    ticks: int
    codes: int
    values: int
    predict: int
    work_words: int


def emit(program: Program, origin: Origin, form: Form = "auto") -> dict[str, bytes]:
    """The module as {file name: content}; ``form`` "auto" picks by size."""
    return {f"{origin.name}.py": source(program, origin, form).encode()}


def form_for(program: Program) -> Literal["baked", "loops"]:
    """The form that "auto" stands for."""
    return "baked" if program.weight_count <= BAKED_WEIGHTS else "loops"


@dataclass(frozen=True)
class Parts:
    """Machine code with labels ``ticks``, ``codes`` and ``values`` (see Blob), and the data that goes behind all code.

    The activation buffers take ``work_words``; the ticks may lie at their start.
    """

    code: Assembler
    data: Assembler
    work_words: int


def machine_code(program: Program, form: Form = "auto") -> Blob:
    """The machine code of a program; raises ValueError where an activation needs more registers than there are."""
    made = parts(program, form)
    _predict(made.code, 4 * made.work_words)
    made.code.extend(made.data)
    content, places = made.code.assemble()
    ticks, codes, from_values, predict = (places[name] for name in ("ticks", "codes", "values", "predict"))
    return Blob(content, ticks, codes, from_values, predict, made.work_words + len(program.inputs))


def parts(program: Program, form: Form = "auto") -> Parts:
    """Everything that the entries lead into; raises what ``machine_code`` raises."""
    if form == "auto":
        form = form_for(program)
    labels = {table: f"table{number}" for number, table in enumerate(program.tables)}
    layers, doorway, data = Assembler("layers"), Assembler("doorway"), Assembler("data")
    place = SOURCE
    for number, dense in enumerate(program.layers):
        last = number + 1 == len(program.layers)
        into = OUTPUT if last else EVEN if number % 2 else ODD
        _layer(Task(layers, data, dense, place, into, labels, f"layer{number}"), form)
        place = into
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
    behind = Assembler("tables")
    values.entry(code, behind, program)
    for table, name in labels.items():
        behind.data(name, table.to_bytes())
    behind.extend(data)
    return Parts(code, behind, even + odd)


def _predict(code: Assembler, ticks_offset: int) -> None:
    """Float32 words at r0, outputs r1, work buffer r2 -> answer, or -1; the ticks lie behind the activation buffers."""
    code.label("predict")
    code("push {r1, r2, r4, lr}")
    code.constant("r1", ticks_offset)
    code("adds r1, r1, r2", "movs r4, r1", "bl values", "cmp r0, #0", "bne predict.bad")
    code("movs r0, r4", "pop {r1, r2}", "bl ticks", "pop {r4, pc}")
    code.label("predict.bad")
    code("movs r0, #1", "rsbs r0, r0, #0", "pop {r1, r2, r4, pc}")


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
    """The module's text. Machine code sees nothing but array('i') objects of the right length (interface.arguments)."""
    blob = machine_code(program, form)
    w = Writer()
    interface.head(w, origin, "import micropython", "from array import array", *interface.row_import(program))
    interface.constants(w, program, origin)
    _memory(w, program, blob)
    interface.arguments(w, program)
    interface.doorway(w, program, "_run(f, t, 0, _VALUES)", f"if t is not _t: _words(t, {len(program.inputs)}, 1)")
    given = interface.SEEN.format("a", len(program.inputs))
    with w.function("_forward(a, y, entry)"):
        w.lines(*[line.format(program.layers[-1].units) for line in interface.SEEN_OUTPUTS])
        w.line(f"return _run({given}, y, _work_at, entry)")
    with w.function("logits_from_ticks(t, y)", "Ticks t, any integers, to outputs y, an array('i')."):
        w.line("_forward(t, y, _TICKS)")
    with w.function("logits_from_codes(x, y)", "Input codes x to outputs y, an array('i')."):
        w.line("_forward(x, y, _CODES)")
    interface.decide(w, program)
    if program.decision == "values":
        with w.function("predict_ticks(t)", f"Ticks, any integers, to the {interface.ANSWER['values']}."):
            w.lines("_forward(t, _y, _TICKS)", "return decide(_y)")
        interface.answers(w, program)
    else:
        _shortcuts(w, program, blob)
        interface.label(w, program)
    return w.text()


def _memory(w: Writer, program: Program, blob: Blob) -> None:
    """The machine code, buffers, and what calls the one with the addresses of the others."""
    w.line(f"_code = {bytes_literal(blob.code)}")
    w.lines("", "", "@micropython.asm_thumb")
    with w.block("def _run(r0, r1, r2, r3):"):
        w.line("data(2, 0x4798)  # blx r3")
    w.lines("", "", "@micropython.asm_thumb")
    with w.block("def _address(r0):"):
        w.line("mov(r0, r0)")
    w.lines("", "", "@micropython.asm_thumb")
    with w.block("def _address_in(r0):"):
        w.line("ldr(r0, [r0, 12])")
    w.lines("", "", "_at = _address(_code)")
    w.line("# MicroPython 1.9 passes the object, whose fourth word is the address of the bytes.")
    with w.block("if _at == id(_code):"):
        w.line("_at = _address_in(_code)")
    w.line("# Frozen bytes may lie at any address, blocks of the heap do not.")
    with w.block("if _at & 3:"):
        w.lines("_code = bytearray(_code)", "_at = _address(_code)")
    for name, entry in (("_TICKS", blob.ticks), ("_CODES", blob.codes), ("_VALUES", blob.values)):
        w.line(f"{name} = _at + {entry + 1}")
    interface.buffers(w, program)
    w.line(f"_work = array('i', bytes({4 * blob.work_words}))")
    w.line("_work_at = _address(_work)")
    w.lines("", "")


def _shortcuts(w: Writer, program: Program, blob: Blob) -> None:
    """``predict_ticks`` and ``predict`` with as little bytecode as may be between the caller and the machine code.

    Addresses are constants of their code, known only once the module is loaded.
    """
    ticks = interface.SEEN.format("t", len(program.inputs))
    native = Writer()
    native.line("@micropython.viper")
    with native.block("def predict_ticks(t):"):
        native.line(f"return _run({ticks}, @y, @w, @t)")
    native.line("@micropython.viper")
    with native.block("def predict(values):"):
        interface.row(native, len(program.inputs))
        native.line("k = _run(@f, @y, @w, @p)")
        with native.block("if int(k) < 0:"):
            native.line(interface.NOT_A_NUMBER)
        native.line("return k")
    text = native.text().replace("%", "%%").replace("    ", " ")
    for place in "ywtfp":
        text = text.replace(f"@{place}", f"%({place})d")
    places = f"'y': _address(_y), 'w': _work_at, 't': _TICKS, 'f': _address(_f), 'p': _at + {blob.predict + 1}"
    w.lines("", "")
    with w.block("try:"):
        w.line(f"exec({text!r} % {{{places}}})")
    with w.block("except (SyntaxError, MemoryError, RuntimeError):  # no viper, or no room for it on heap or stack"):
        w.line("def predict_ticks(t):")
        w.line(f"    return _run({ticks}, _y, _work_at, _TICKS)  # the stack of a micro:bit takes no call more")
        w.lines("", "def predict(values):")
        w.line("    ticks_from_values(values, _t)")
        w.line("    return _run(_t, _y, _work_at, _TICKS)")
