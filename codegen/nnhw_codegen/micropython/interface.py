"""What every emitted MicroPython module offers its user, whatever computes the integers (SPEC 8).

predict(values)            raw values -> class index, value, or answers of yes or no as the bits of an integer
label(values)              raw values -> class name, or a tuple of the names of those that are answered with yes
predict_ticks(t)           ticks -> what predict gives: no float up to the answer
logits_from_ticks(t, y)    ticks -> outputs, all integers
logits_from_codes(x, y)    input codes -> outputs
"""

from __future__ import annotations

from collections.abc import Iterable

from nnhw_codegen.integers.program import Program
from nnhw_codegen.integers.qmodel import FORMAT
from nnhw_codegen.integers.ticks import TICK_LIMIT
from nnhw_codegen.writer import Origin, Writer, bytes_literal

ANSWER = {
    "argmax": "class index",
    "threshold": "class index",
    "values": "value (a tuple of several)",
    "multilabel": "answers, bit j that of class j",
}

MOST_UNPACKED = 8
"""Up to so many inputs are unpacked in a line. More cost fewer cycles, and fewer bytes, by ``pack_into``."""

NOT_A_NUMBER = 'raise ValueError("a value is not a number")'

BUFFER = "array('i', bytes(4 * {}))"
"""The expression for a buffer of so many words."""

SEEN = "{0} if {0} is _seen else _words({0}, {1}, 0)"
"""The expression for integers that machine code may read."""

SEEN_OUTPUTS = ("global _out", "if y is not _out:", "    _out = _words(y, {}, 1)")
"""Before machine code writes y."""

_DECISION = {
    "argmax": "The index of the largest output, the first of equals.",
    "threshold": "1 where the only output is above 0, else 0.",
    "values": "The outputs as reals.",
    "multilabel": "An integer: bit j is 1 where output j is above 0.",
}


def head(w: Writer, origin: Origin, *imports: str) -> None:
    """The docstring with the file's origin, then the imports."""
    w.line(f'"""{origin.banner}"""')
    w.lines("", *imports, "")


def constants(w: Writer, program: Program, origin: Origin) -> None:
    """What stands at the top level under a name, which is little: a name takes a board up to 40 bytes of heap.

    So the names of inputs stand in a comment.
    """
    w.line(f'MODEL = "format {FORMAT}, {origin.model_hash}"')
    w.line(f"# Inputs: {', '.join(repr(i.name) for i in program.inputs)}")
    if program.decision == "values":
        w.line(f"OUTPUT_FRAC = {_one_or_tuple(map(str, program.output_frac))}")
        w.line(f"OUTPUT_OFFSET = {_one_or_tuple(map(exact_text, program.offsets))}")
    else:
        w.line(f"OUTPUT_FRAC = {program.output_frac[0]}")


def _one_or_tuple(texts: Iterable[str]) -> str:
    several = list(texts)
    return several[0] if len(several) == 1 else f"({', '.join(several)})"


def exact_text(value: float) -> str:
    """A float32 number as an expression that every board reads exactly: decimal fractions may be off in the last place."""
    numerator, denominator = value.as_integer_ratio()
    return f"{numerator}.0" if denominator == 1 else f"{numerator} / {denominator}.0"


def _real(program: Program, unit: int) -> str:
    """The expression of an output as a real (SPEC 6.3)."""
    offset = program.offsets[unit]
    return f"y[{unit}] / {2.0 ** program.output_frac[unit]!r}" + (f" + {exact_text(offset)}" if offset else "")


def buffers(w: Writer, program: Program) -> None:
    """The buffers of floats, ticks and outputs for machine code, which takes the addresses of array objects."""
    w.line(f"_f = array('f', bytes({4 * len(program.inputs)}))")
    for name, length in (("_t", len(program.inputs)), ("_y", program.layers[-1].units)):
        w.line(f"{name} = {BUFFER.format(length)}")


def arguments(w: Writer, program: Program) -> None:
    """What lets viper see nothing but array('i') objects of the right length, which it reads as they are.

    To tell one takes 12,000 cycles of a Pico, and heap, so the last one is remembered. What else holds integers is
    copied into ``_t``.
    """
    w.line(
        "# The array('i') that brought integers last, and the one that took outputs: they are not looked at again."
    )
    w.line("_seen, _out = _t, _y")
    with w.function("_words(a, n, out)"):
        w.line("global _seen")
        with w.block("if len(a) == n:"):
            with w.block("try:"), w.block("if type(a) is array and repr(a[:0]) == \"array('i')\":"):
                with w.block("if not out:"):
                    w.line("_seen = a")
                w.line("return a")
            with w.block("except MemoryError:  # in an interrupt: it is copied each time"):
                w.line("pass")
            with w.block("if not out:"):
                with w.block("for i in range(n):"):
                    w.line(f"_t[i] = min(max(a[i], {-TICK_LIMIT}), {TICK_LIMIT})")
                w.line("return _t")
        w.line('raise ValueError("expected %d integers%s" % (n, " in an array(\'i\')" * out))')


def tables(w: Writer, program: Program) -> None:
    """The tables, where the machine code does not bring its own."""
    for number, table in enumerate(program.tables):
        w.line(f"_T{number} = {bytes_literal(table.to_bytes())}")


def row(w: Writer, count: int) -> None:
    """Put values into f, an array('f'), by MicroPython's own code: it refuses a wrong number, and what is no number."""
    w.line("f = _f")
    if count <= MOST_UNPACKED:
        w.line(f"{', '.join(f'f[{n}]' for n in range(count))}{',' * (count == 1)} = values")
    else:
        with w.block(f"if int(len(values)) != {count}:"):  # int: for viper, which compares no objects with numbers
            w.line(f'raise ValueError("expected {count} values, found %d" % len(values))')
        w.line(f'pack_into("{count}f", f, 0, *values)')


def row_import(program: Program) -> tuple[str, ...]:
    """What ``row`` needs."""
    return ("from struct import pack_into",) if len(program.inputs) > MOST_UNPACKED else ()


def doorway(w: Writer, program: Program, call: str, *check: str) -> None:
    """``ticks_from_values`` for machine code: ``call`` makes ticks t of float32 f, true where one is not a number.

    ``check`` are lines that look at t first.
    """
    with w.function("ticks_from_values(values, t)", "Raw values to ticks t, an array('i')."):
        w.lines(*check)
        row(w, len(program.inputs))
        with w.block(f"if {call}:"):
            w.line(NOT_A_NUMBER)


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
        elif program.decision == "multilabel":
            w.line("m = 0")
            with w.block(f"for j in range({units}):"):
                w.line("m |= (y[j] > 0) << j")
            w.line("return m")
        else:
            w.line(f"return {', '.join(_real(program, unit) for unit in range(units))}")


def answers(w: Writer, program: Program, *from_ticks: str) -> None:
    """``predict`` and, for classes, ``label``; ``from_ticks`` are the lines from ticks in _t to the answer."""
    with w.function("predict(values)", f"Raw values to the {ANSWER[program.decision]}."):
        w.lines("ticks_from_values(values, _t)", *(from_ticks or ("return predict_ticks(_t)",)))
    label(w, program)


def label(w: Writer, program: Program) -> None:
    """``label``, for classes."""
    if program.classes:
        # A list, since a board makes one of interned strings, which take half the heap of those in a tuple.
        w.lines("", "", f"_names = {list(program.classes)!r}")
        several = program.decision == "multilabel"
        told = "a tuple of the names that are answered with yes" if several else "the name of the class"
        with w.function("label(values)", f"Raw values to {told}."):
            if several:
                w.line("m = predict(values)")
                w.line(f"return tuple([_names[j] for j in range({len(program.classes)}) if m >> j & 1])")
            else:
                w.line("return _names[predict(values)]")
