"""Viper emitter: one self-contained .py whose forward pass is machine code, from a buffer of ticks to the class index.

Buffers are array('i'). Small nets have their weights baked into straight-line code; large ones are loops over bytes.
"""

from __future__ import annotations

from typing import Literal

from nnhw_codegen.integers.program import Program
from nnhw_codegen.micropython import interface
from nnhw_codegen.viper import baked, loops, statements, values
from nnhw_codegen.writer import Origin, Writer

BAKED_WEIGHTS = 3072
"""Nets with more non-zero weights become loops. A Pico compiles 2,000 baked weights itself; more need the .mpy."""

IMPORTS = ("import micropython", "from array import array", "from uctypes import addressof")

Form = Literal["auto", "baked", "loops"]


def emit(program: Program, origin: Origin, form: Form = "auto") -> dict[str, bytes]:
    """The module as {file name: content}; ``form`` "auto" picks by size."""
    return {f"{origin.name}.py": source(program, origin, form).encode()}


def form_for(program: Program) -> Literal["baked", "loops"]:
    """The form that "auto" stands for."""
    weights = sum(int((layer.weights != 0).sum()) for layer in program.layers)
    return "baked" if weights <= BAKED_WEIGHTS else "loops"


def source(program: Program, origin: Origin, form: Form = "auto") -> str:
    """The module's text."""
    if form == "auto":
        form = form_for(program)
    w = Writer()
    interface.head(w, origin, *IMPORTS, *interface.row_import(program))
    if form == "loops" or any(table.bits > 8 for table in program.tables):
        with w.function("_aligned(data)", "The bytes, copied where they cannot be read as 16-bit numbers in place."):
            w.line("return array('H', data) if addressof(data) & 1 else data")
        w.lines("", "")
    _memory(w, program, origin)
    if form == "baked":
        baked.emit(w, program)
        call = "_forward({x}, {mode}, {t}, _H, {y}{tables})"
    else:
        loops.constants(w, program)
        loops.emit(w, program)
        call = "_forward(_AW, {mode}, {x}, {t}, _H, {y}, _AB{tables})"
    values.emit(w, program)
    _interface(w, program, call.replace("{tables}", statements.table_arguments(program)))
    return w.text()


def _memory(w: Writer, program: Program, origin: Origin) -> None:
    """Buffers and tables, and their addresses."""
    interface.constants(w, program, origin)
    interface.buffers(w, program)
    w.line(f"_x = {interface.BUFFER.format(len(program.inputs))}")
    interface.tables(w, program)
    w.line(f"_h = array('i', bytes({4 * max(1, baked.start(program, len(program.layers) - 1))}))")
    w.line("# Turning a buffer into a pointer at every call costs more than passing its address; buffers never move.")
    w.line("_X, _Y, _H, _T = addressof(_x), addressof(_y), addressof(_h), addressof(_t)")
    for n, table in enumerate(program.tables):
        if table.bits > 8:
            w.line(f"_T{n} = _aligned(_T{n})")
        w.line(f"_A{n} = addressof(_T{n})")


def _interface(w: Writer, program: Program, call: str) -> None:
    """The functions of interface, on buffers that are array('i')."""
    interface.arguments(w, program)
    check = f"if t is not _t: _words(t, {len(program.inputs)}, 1)"
    interface.doorway(w, program, values.call(program), check)
    outputs = [line.format(program.layers[-1].units) for line in interface.SEEN_OUTPUTS]
    ticks, codes = (interface.SEEN.format(name, len(program.inputs)) for name in "tx")
    with w.function("logits_from_ticks(t, y)", "Ticks t, any integers, to outputs y, an array('i')."):
        w.lines(*outputs, call.format(x="_X", mode=1, t=ticks, y="y"))
    with w.function("logits_from_codes(x, y)", "Input codes x to outputs y, an array('i')."):
        w.lines(*outputs, call.format(x=codes, mode=0, t="_X", y="y"))
    forward = call.format(x="_X", mode=1, t="{}", y="_Y")
    answer = [forward, "return decide(_y)"] if program.decision == "values" else [f"return {forward}"]
    w.lines("", "", "@micropython.viper")  # with its check a tenth less than bytecode without one
    with w.block("def predict_ticks(t):"):
        w.line(f"# Ticks, any integers, to the {interface.ANSWER[program.decision]}.")
        w.lines(*[line.format(ticks) for line in answer])
    if program.decision == "values":
        interface.decide(w, program)
    _predict(w, program, call.format(x="_X", mode=1, t="_T", y="_Y"))
    interface.label(w, program)


def _predict(w: Writer, program: Program, forward: str) -> None:
    """``predict``, compiled as well: a third fewer cycles than bytecode round the machine code."""
    w.lines("", "", "@micropython.viper")
    with w.block("def predict(values):"):
        w.line(f'"""Raw values to the {interface.ANSWER[program.decision]}."""')
        interface.row(w, len(program.inputs))
        with w.block(f"if int({values.call(program, '_T')}):"):
            w.line(interface.NOT_A_NUMBER)
        if program.decision == "values":
            w.lines(forward, "return decide(_y)")
        else:
            w.line(f"return {forward}")
