"""Portable emitter: one self-contained .py that every MicroPython, and CPython, runs as it is.

Small nets become straight-line expressions with the weights baked in; large ones become loops over bytes. Both hold
integers below 2^30 only, so nothing lands on the heap during a forward pass.
"""

from __future__ import annotations

from typing import Literal

from nnhw_codegen.integers.program import Dense, Program
from nnhw_codegen.micropython import interface, loops, values
from nnhw_codegen.micropython.activation import finish, functions
from nnhw_codegen.micropython.loops import LOGITS, TICKS
from nnhw_codegen.writer import Origin, Writer

BAKED_WEIGHTS = 512
"""Nets with more weights than this become loops: a board parses about 100 bytes of heap per baked weight."""

_BAKED_CYCLES, _LOOPS_CYCLES = 340, 1100
"""Per multiplication, on a Cortex-M0+."""

Form = Literal["auto", "baked", "loops"]


def emit(program: Program, origin: Origin, form: Form = "auto") -> dict[str, bytes]:
    """The module as {file name: content}; ``form`` "auto" picks by size."""
    return {f"{origin.name}.py": source(program, origin, form).encode()}


def emit_loops(program: Program, origin: Origin, form: Form = "loops") -> dict[str, bytes]:
    """The module in loops, whatever its size."""
    return emit(program, origin, "loops")


def form_for(program: Program) -> Literal["baked", "loops"]:
    """The form that "auto" stands for."""
    return "baked" if program.weight_count <= BAKED_WEIGHTS else "loops"


def estimate(program: Program) -> int:
    """Cycles of a Cortex-M0+ from ticks to the answer, about, in the form that "auto" stands for."""
    return estimate_loops(program) if form_for(program) == "loops" else program.weight_count * _BAKED_CYCLES


def estimate_loops(program: Program) -> int:
    """The same in loops."""
    return program.weight_count * _LOOPS_CYCLES


def source(program: Program, origin: Origin, form: Form = "auto") -> str:
    """The module's text."""
    if form == "auto":
        form = form_for(program)
    w = Writer()
    interface.head(w, origin, values.IMPORT)
    interface.constants(w, program, origin)
    interface.tables(w, program)
    y = _buffers(w, program, form)
    if form == "baked":
        _baked(w, program)
    else:
        loops.emit(w, program)
    values.emit(w, [entry.reciprocal for entry in program.inputs])
    interface.decide(w, program)
    # The stack of a small board holds few frames, so ``predict`` does not go through ``predict_ticks``.
    answer = [f"logits_from_ticks({{}}, {y})", f"return decide({y})"]
    with w.function("predict_ticks(t)", f"Ticks to the {interface.ANSWER[program.decision]}."):
        w.lines(answer[0].format("t"), answer[1])
    interface.answers(w, program, answer[0].format("_t"), answer[1])
    return w.text()


def _buffers(w: Writer, program: Program, form: Form) -> str:
    """``_t``: ticks, then codes in their place, then the outputs for ``predict``; in loops also what hidden layers give.

    Returns the name of the outputs for ``predict``. A single loop would write them over the inputs that it still reads,
    and values are as many as their buffer holds: there the outputs have their own, ``_y``.
    """
    length = max(len(program.inputs), program.layers[-1].units)
    w.line(f"_t = [0] * {loops.work_length(program) if form == 'loops' else length}")
    if program.decision != "values" and (form == "baked" or len(program.layers) > 1):
        return "_t"
    w.line(f"_y = [0] * {program.layers[-1].units}")
    return "_y"


def _baked(w: Writer, program: Program) -> None:
    names = functions(w, program, least_calls=1)
    with w.function(*LOGITS):
        for n in range(len(program.inputs)):
            w.line(f"x{n} = x[{n}]")
        source = "x"
        for number, layer in enumerate(program.layers):
            last = number + 1 == len(program.layers)
            into = "g" if number % 2 else "h"
            for j in range(layer.units):
                w.line(f"r0 = {_sum(layer, j, source)}")
                finish(w, program, layer, names, layer.clips(j), f"y[{j}]" if last else f"{into}{j}")
            source = into
    with w.function(*TICKS):
        w.line("x = _t")
        for n, entry in enumerate(program.inputs):
            # min and max come first: they make small ints of ticks that are none.
            low = f" - {entry.low}" if entry.low else ""
            w.line(f"r0 = min(max(t[{n}], {entry.low}), {entry.low + entry.span}){low}")
            shift = f" >> {entry.shift}" if entry.shift else ""
            w.line(f"x[{n}] = r0 * {entry.gain} {'-' if entry.offset < 0 else '+'} {abs(entry.offset)}{shift}")
        w.line("logits_from_codes(x, y)")


def _sum(layer: Dense, unit: int, source: str) -> str:
    terms = [str(int(layer.bias[unit]))]
    for i, weight in enumerate(layer.weights[unit].tolist()):
        if weight:
            factor = "" if abs(weight) == 1 else f" * {abs(weight)}"
            terms.append(f"{'-' if weight < 0 else '+'} {source}{i}{factor}")
    shift = int(layer.shift[unit])
    return " ".join(terms) + (f" >> {shift}" if shift else "")
