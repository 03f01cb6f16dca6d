"""Portable emitter: one self-contained .py that every MicroPython, and CPython, runs as it is.

Small nets become straight-line expressions with the weights baked in; large ones become loops over bytes. Both hold
integers below 2^30 only, so nothing lands on the heap during a forward pass.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from nnhw_codegen import micropython_api
from nnhw_codegen.expr import Operand, Register, Step, Table
from nnhw_codegen.program import Dense, Program
from nnhw_codegen.text import Origin, Writer, bytes_literal

BAKED_WEIGHTS = 512
"""Nets with more weights than this become loops: a board parses about 100 bytes of heap per baked weight."""

_RECORDS = 255 // 5 + 1
"""So many different records of the doorway have a place that fits a byte."""

Form = Literal["auto", "baked", "table"]


def emit(program: Program, origin: Origin, form: Form = "auto") -> dict[str, bytes]:
    """The module as {file name: content}; ``form`` "auto" picks by size."""
    return {f"{origin.name}.py": source(program, origin, form).encode()}


_ANSWER = ("logits_from_codes(_x, _y)", "return decide(_y)")
"""Called from ``predict`` itself, not through ``predict_ticks``: the stack of a small board holds few frames."""


def source(program: Program, origin: Origin, form: Form = "auto") -> str:
    """The module's text."""
    if form == "auto":
        form = "baked" if program.weight_count <= BAKED_WEIGHTS else "table"
    w = Writer()
    micropython_api.head(
        w, origin, "from math import floor", *(["from array import array"] if form == "table" else [])
    )
    micropython_api.constants(w, program, origin)
    micropython_api.codes_and_tables(w, program)
    functions = _functions(w, program)
    if form == "baked":
        _baked(w, program, functions)
    else:
        _tabled(w, program, functions)
    micropython_api.doorway(w, program)
    with w.function("logits_from_ticks(t, y)", "Ticks t to outputs y, all integers."):
        w.lines("codes_from_ticks(t, _x)", "logits_from_codes(_x, y)")
    micropython_api.decide(w, program)
    with w.function("predict_ticks(t)", f"Ticks to the {micropython_api.ANSWER[program.decision]}."):
        w.lines("codes_from_ticks(t, _x)", *_ANSWER)
    micropython_api.answers(w, program, "codes_from_ticks(_t, _x)", *_ANSWER)
    return w.text()


def _operand(operand: Operand) -> str:
    return f"r{operand.index}" if isinstance(operand, Register) else str(operand)


def _look(table: Table, number: int, index: str) -> str:
    if table.bits == 8:
        return f"_T{number}[{index}]"
    return f"_T{number}[2 * {index}] | _T{number}[2 * {index} + 1] << 8"


def _step(w: Writer, step: Step, tables: tuple[Table, ...]) -> None:
    """One activation step; min and max are branchless, d & (d >> 31) is d where d < 0, else 0."""
    target, a, b = _operand(step.target), _operand(step.a), _operand(step.b)
    if step.table is not None:
        w.line(f"{target} = {_look(step.table, tables.index(step.table), a)}")
    elif step.op in ("min", "max"):
        _select(w, step.op, target, a, b)
    else:
        sign = {"add": "+", "sub": "-", "mul": "*", "shr": ">>"}[step.op]
        w.line(f"{target} = {a} {sign} {b}")


def _select(w: Writer, op: str, target: str, a: str, b: str) -> None:
    if op == "max" and b == "0":
        w.line(f"{target} = {a} & ~({a} >> 31)")
        return
    w.line(f"d = {a} - {b}")
    w.line(f"{target} = {b} + (d & (d >> 31))" if op == "min" else f"{target} = {a} - (d & (d >> 31))")


def _functions(w: Writer, program: Program) -> list[str]:
    """Emit one function per distinct activation of more than one step; returns each layer's function name, or ""."""
    names: dict[tuple[Step, ...], str] = {}
    for layer in program.layers:
        if len(layer.steps) > 1 and layer.steps not in names:
            names[layer.steps] = f"_f{len(names)}"
            with w.function(f"{names[layer.steps]}(r0)"):
                for step in layer.steps:
                    _step(w, step, program.tables)
                w.line(f"return {_operand(layer.result)}")
    return [names.get(layer.steps, "") for layer in program.layers]


def _finish(w: Writer, program: Program, layer: Dense, function: str, clips: tuple[bool, bool], target: str) -> None:
    """From z in r0 to the output: saturate below and above where ``clips`` says so, then the activation."""
    if clips[1]:
        _select(w, "min", "r0", "r0", str(layer.limit))
    if clips[0]:
        _select(w, "max", "r0", "r0", str(-layer.limit))
    if function:
        w.line(f"{target} = {function}(r0)")
        return
    for step in layer.steps:
        _step(w, step, program.tables)
    w.line(f"{target} = {_operand(layer.result)}")


_CODES = ("codes_from_ticks(t, x)", "Ticks t (integers below 2^29 in magnitude) to input codes x.")
_LOGITS = ("logits_from_codes(x, y)", "Input codes x to outputs y, all integers.")


def _baked(w: Writer, program: Program, functions: list[str]) -> None:
    with w.function(*_CODES):
        for n, entry in enumerate(program.inputs):
            w.line(f"r0 = t[{n}] - {entry.low}" if entry.low else f"r0 = t[{n}]")
            _select(w, "max", "r0", "r0", "0")
            _select(w, "min", "r0", "r0", str(entry.span))
            w.line(f"x[{n}] = r0 * {entry.gain} {entry.offset:+d} >> {entry.shift}")
    with w.function(*_LOGITS):
        for n in range(len(program.inputs)):
            w.line(f"x{n} = x[{n}]")
        source = "x"
        for number, (layer, function) in enumerate(zip(program.layers, functions, strict=True)):
            last = number + 1 == len(program.layers)
            target = "g" if number % 2 else "h"
            for j in range(layer.units):
                w.line(f"r0 = {_sum(layer, j, source)}")
                clips = bool(layer.clips_low[j]), bool(layer.clips_high[j])
                _finish(w, program, layer, function, clips, f"y[{j}]" if last else f"{target}{j}")
            source = target


def _sum(layer: Dense, unit: int, source: str) -> str:
    terms = [str(int(layer.bias[unit]))]
    for i, weight in enumerate(layer.weights[unit].tolist()):
        if weight:
            factor = "" if abs(weight) == 1 else f" * {abs(weight)}"
            terms.append(f"{'-' if weight < 0 else '+'} {source}{i}{factor}")
    shift = int(layer.shift[unit])
    return " ".join(terms) + (f" >> {shift}" if shift else "")


def _tabled(w: Writer, program: Program, functions: list[str]) -> None:
    _tabled_doorway(w, program)
    offset = 1 << (program.weight_bits - 1)
    for number, (layer, function) in enumerate(zip(program.layers, functions, strict=True)):
        weights = (layer.weights + offset).astype(f"<u{program.weight_bits // 8}").tobytes()
        shifts = sorted(set(layer.shift.tolist()))
        w.lines("", f"_W{number} = {bytes_literal(weights)}")
        w.line(f"_B{number} = array('i', {bytes_literal(layer.bias.astype('<i4').tobytes())})")
        if len(shifts) > 1:
            w.line(f"_S{number} = {bytes_literal(layer.shift.astype('u1').tobytes())}")
        if number + 1 < len(program.layers):
            w.line(f"_h{number} = [0] * {layer.units}")
        shift = f"_S{number}[j]" if len(shifts) > 1 else str(shifts[0])
        with w.function(f"_layer{number}(x, y)"):
            w.lines("k = 0", f"w = _W{number}")
            with w.block(f"for j in range({layer.units}):"):
                w.line(f"r0 = _B{number}[j]")
                with w.block(f"for i in range({layer.fan_in}):"):
                    if program.weight_bits == 8:
                        w.lines(f"r0 += (w[k] - {offset}) * x[i]", "k += 1")
                    else:
                        w.lines(f"r0 += ((w[k] | w[k + 1] << 8) - {offset}) * x[i]", "k += 2")
                if shift != "0":
                    w.line(f"r0 >>= {shift}")
                clips = bool(layer.clips_low.any()), bool(layer.clips_high.any())
                _finish(w, program, layer, function, clips, "y[j]")
    with w.function(*_LOGITS):
        source = "x"
        for number in range(len(program.layers)):
            target = "y" if number + 1 == len(program.layers) else f"_h{number}"
            w.line(f"_layer{number}({source}, {target})")
            source = target


def _tabled_doorway(w: Writer, program: Program) -> None:
    """Each different record once, in _D, and by input where it begins; an array is held twice, with its bytes."""
    rows = [(i.low, i.span, i.gain, i.offset, i.shift) for i in program.inputs]
    different = list(dict.fromkeys(rows))
    low, span, gain, offset, shift = "_D[k]", "_D[k + 1]", "_D[k + 2]", "_D[k + 3]", "_D[k + 4]"
    if len(different) == 1:
        low, span, gain, offset, shift = map(str, different[0])
    else:
        w.line(f"_D = array('i', {bytes_literal(np.array(different, dtype='<i4').tobytes())})")
    by_input = 1 < len(different) < len(rows) and len(different) <= _RECORDS
    if by_input:
        w.line(f"_P = {bytes_literal(bytes(5 * different.index(row) for row in rows))}")
    with w.function(*_CODES):
        if len(different) > 1 and not by_input:
            w.line("k = 0")
        with w.block(f"for i in range({len(rows)}):"):
            if by_input:
                w.line("k = _P[i]")
            w.line(f"r0 = t[i] - {low}")
            _select(w, "max", "r0", "r0", "0")
            _select(w, "min", "r0", "r0", span)
            w.line(f"x[i] = r0 * {gain} + {offset} >> {shift}")
            if len(different) > 1 and not by_input:
                w.line("k += 5")
