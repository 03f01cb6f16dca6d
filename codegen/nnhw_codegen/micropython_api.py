"""What every emitted MicroPython module offers its user, whatever computes the integers (SPEC 8).

predict(values)            raw values -> class index, or value
label(values)              raw values -> class name
predict_ticks(t)           ticks -> class index, or value: no float up to the answer
logits_from_ticks(t, y)    ticks -> outputs, all integers
logits_from_codes(x, y)    input codes -> outputs
"""

from __future__ import annotations

from nnhw_codegen.program import Program
from nnhw_codegen.qmodel import FORMAT
from nnhw_codegen.text import Origin, Writer, bytes_literal

ANSWER = {"argmax": "class index", "threshold": "class index", "values": "value (a tuple of several)"}

_DECISION = {
    "argmax": "The index of the largest output, the first of equals.",
    "threshold": "1 where the only output is above 0, else 0.",
    "values": "The outputs as reals.",
}


def head(w: Writer, origin: Origin, *imports: str) -> None:
    """The docstring with the file's origin, then the imports."""
    w.line(f'"""{origin.banner}"""')
    w.lines("", *imports, "")


def constants(w: Writer, program: Program, origin: Origin, buffer: str = "[0] * {}") -> None:
    """Names, and the buffers of ticks and outputs (``buffer`` is their expression for a length).

    Names of inputs stand in a comment, as each would take heap.
    """
    w.line(f"FORMAT = {FORMAT}")
    w.line(f'MODEL = "{origin.model_hash}"')
    w.line(f"# Inputs: {', '.join(repr(i.name) for i in program.inputs)}")
    w.line(f"CLASSES = {program.classes!r}")
    w.line(f"OUTPUT_FRAC = {program.output_frac}")
    if len(_steps(program)) > 1:
        w.line(f"_STEP = {tuple(float(i.step) for i in program.inputs)!r}")
    w.line(f"_t = {buffer.format(len(program.inputs))}")
    w.line(f"_y = {buffer.format(program.layers[-1].units)}")


def codes_and_tables(w: Writer, program: Program, buffer: str = "_t") -> None:
    """The buffer of input codes and the tables, where the machine code does not bring its own.

    By default codes take the place of the ticks that they come from, one by one.
    """
    w.line(f"_x = {buffer.format(len(program.inputs))}")
    for number, table in enumerate(program.tables):
        w.line(f"_T{number} = {bytes_literal(table.to_bytes())}")


def _steps(program: Program) -> set[float]:
    """The different steps of the inputs; a float each would cost a board 24 bytes of heap."""
    return {float(i.step) for i in program.inputs}


def doorway(w: Writer, program: Program) -> None:
    """``ticks_from_values``: the only floats of the module."""
    count = len(program.inputs)
    with w.function("ticks_from_values(values, t)", "Raw values to ticks t; the only floats of this module."):
        with w.block(f"if len(values) != {count}:"):
            w.line(f'raise ValueError("expected {count} values, found %d" % len(values))')
        with w.block(f"for i in range({count}):"):
            steps = _steps(program)
            step = "_STEP[i]" if len(steps) > 1 else repr(steps.pop())
            w.line(f"t[i] = floor(values[i] / {step} + 0.5)")


def decide(w: Writer, program: Program) -> None:
    """``decide``: outputs -> answer (SPEC 6), without a branch on the data."""
    units = program.layers[-1].units
    with w.function("decide(y)", _DECISION[program.decision]):
        if program.decision == "argmax":
            w.line("best = 0")
            with w.block(f"for j in range(1, {units}):"):
                w.line("best += (y[j] > y[best]) * (j - best)")
            w.line("return best")
        elif program.decision == "threshold":
            w.line("return int(y[0] > 0)")
        elif units == 1:
            w.line(f"return y[0] / {2.0**program.output_frac!r}")
        else:
            w.line(f"return tuple([v / {2.0**program.output_frac!r} for v in y])")


def answers(w: Writer, program: Program, *from_ticks: str) -> None:
    """``predict`` and, for classes, ``label``; ``from_ticks`` are the lines from ticks in _t to the answer."""
    with w.function("predict(values)", f"Raw values to the {ANSWER[program.decision]}."):
        w.lines("ticks_from_values(values, _t)", *(from_ticks or ("return predict_ticks(_t)",)))
    if program.classes:
        with w.function("label(values)", "Raw values to the name of the class."):
            w.line("return CLASSES[predict(values)]")
