"""Thumb: the module that becomes a native .mpy: bytecode round functions whose machine code is put in later.

What an entry does not take itself comes to ``_slow``: it makes arrays of it, or raises what bytecode raises.
"""

from __future__ import annotations

from nnhw_codegen.files.native_mpy import RUN_TIME_TABLE, NativeModule
from nnhw_codegen.integers.program import Program
from nnhw_codegen.micropython import interface
from nnhw_codegen.thumb.native import entries as native
from nnhw_codegen.writer import Origin, Writer

_TICK_END = 1 << 28
"""No end of a range lies beyond (SPEC 3.3)."""


def emit(program: Program, origin: Origin) -> NativeModule:
    """The module and its machine code, for every Cortex-M: each loads armv6m code."""
    made = native.functions(program)
    w = Writer()
    interface.head(w, origin, "from array import array")
    interface.constants(w, program, origin)
    interface.buffers(w, program)
    for name in made.functions:
        w.line(f"def {name}(): pass")
    _slow(w, program, made)
    work = f"array('i', bytes({4 * made.work_words}))" if made.work_words else "_t"
    arguments = (repr(RUN_TIME_TABLE), "_slow", made.main, work, "array('i', (7, 9))", "(1.5, 2.5)", "[1.5, 2.5]")
    w.lines("", "")
    w.line(f"if not _bind({', '.join((*arguments, 'bytearray()', repr(b''), *made.stubs))}):")
    w.line('    raise ImportError("arrays are laid out in another way: use the .py")')
    w.line("del _bind")
    interface.decide(w, program)
    if program.decision == "values":
        with w.function("predict_ticks(t)"):
            w.lines("logits_from_ticks(t, _y)", "return decide(_y)")
        interface.answers(w, program)
    else:
        interface.label(w, program)
    if "predict_many" not in made.stubs:
        for name, one in (("predict_many", "predict"), ("predict_many_ticks", "predict_ticks")):
            with w.function(f"{name}(rows, out)"):
                _many(w, len(program.inputs), one)
    reentrant = program.decision != "values" and not made.work_words
    return NativeModule(w.text().encode(), made.functions, "armv6m", reentrant)


def _many(w: Writer, count: int, one: str) -> None:
    with w.block(f"if len(rows) != {count} * len(out):"):
        w.line(f'raise ValueError("expected rows of {count}, one for each answer")')
    with w.block("for i in range(len(out)):"):
        w.line(f"out[i] = {one}(rows[{count} * i:{count} * i + {count}])")


def _slow(w: Writer, program: Program, made: native.Native) -> None:
    """``_slow(g, a, *b)``: entry g with arguments that it did not take."""
    count, units = len(program.inputs), program.layers[-1].units
    from_values = [name for name in ("predict", "ticks_from_values") if name in made.stubs]
    with w.function("_slow(g, a, *b)"):
        if "predict_many" in made.stubs:
            with w.block("if g is predict_many or g is predict_many_ticks:"):
                w.lines("rows, out = a, b[0]", "one = predict if g is predict_many else predict_ticks")
                _many(w, count, "one")
                w.line("return")
        with w.block("if a is _f or a is _t:"):
            w.line(f"raise TypeError(\"expected array('i') of {count} ticks or codes, {units} outputs\")")
        with w.block(f"if len(a) != {count}:"):
            w.line(f'raise ValueError("expected {count} values, found %d" % len(a))')
        w.line("x = _t")
        with w.block(f"if {' or '.join(f'g is {name}' for name in from_values)}:"):
            w.line("x = _f")
        with w.block(f"for i in range({count}):"):
            w.line("v = a[i]")
            with w.block("if x is _f:"):
                w.line("x[i] = v")
                with w.block("if x[i] != x[i]:"):
                    w.line(interface.NOT_A_NUMBER)
            with w.block("else:"):
                w.line(f"x[i] = max(-{_TICK_END}, min(v, {_TICK_END}))")
        w.line("return g(x, *b)")
