"""C emitter: one freestanding C99 header per model, which a C++11 compiler takes as well.

No libc, no heap, no floating point, and from ticks on no branch on data.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from nnhw_codegen.c import layers
from nnhw_codegen.integers.program import Program
from nnhw_codegen.integers.qmodel import FORMAT
from nnhw_codegen.integers.ticks import TICK_LIMIT
from nnhw_codegen.writer import Origin, Writer

BAKED_WEIGHTS = 1024
"""Nets with more weights than this become loops: straight-line code takes 6 to 8 bytes of flash per weight."""

_ANSWER = {
    "argmax": "class index: the largest output, the first of equals",
    "threshold": "class index: 1 where the only output is above 0",
    "multilabel": "answers: bit j is 1 where output j is above 0",
}

Form = Literal["auto", "baked", "loops"]


def emit(program: Program, origin: Origin, form: Form = "auto") -> dict[str, bytes]:
    """The header as {file name: content}; ``form`` "auto" picks by size."""
    return {f"{origin.name}.h": source(program, origin, form).encode()}


def form_for(program: Program) -> Literal["baked", "loops"]:
    """The form that "auto" stands for."""
    return "baked" if program.weight_count <= BAKED_WEIGHTS else "loops"


def source(program: Program, origin: Origin, form: Form = "auto") -> str:
    """The header's text; every name in it starts with ``origin.name``."""
    if form == "auto":
        form = form_for(program)
    prefix, macro = origin.name, origin.name.upper()
    w = Writer()
    w.lines(f"/* {_comment(origin.banner)} */", f"#ifndef NNHW_MODEL_{macro}_H", f"#define NNHW_MODEL_{macro}_H", "")
    _constants(w, program, origin)
    _helpers(w, prefix, form)
    for number, table in enumerate(program.tables):
        layers.array(w, f"uint{table.bits}_t", f"{prefix}_table{number}", table.values)
    activations = layers.activations(w, program, prefix)
    _doorway(w, program, prefix, form)
    names = [activations.get(layer.instructions, "") for layer in program.layers]
    if form == "baked":
        _unrolled(w, program, prefix, names)
    else:
        _loops(w, program, prefix, names)
    _answers(w, program, prefix)
    _values(w, program, prefix)
    w.lines("", f"#endif /* NNHW_MODEL_{macro}_H */")
    return w.text()


def _text(text: str) -> str:
    """A C string literal, UTF-8 inside; octal escapes end after three digits, and ?? would start a trigraph."""
    plain = {ord(c) for c in map(chr, range(32, 127))} - {ord(c) for c in '"\\?'}
    return '"' + "".join(chr(b) if b in plain else f"\\{b:03o}" for b in text.encode()) + '"'


def _comment(text: str) -> str:
    """Text that neither ends nor opens a comment and stays on its line."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return shown.replace("*", "* ").replace("?", "? ").replace("/*", "/ *").replace("\\", "\\ ").rstrip()


def _constants(w: Writer, program: Program, origin: Origin) -> None:
    prefix, macro = origin.name, origin.name.upper()
    w.lines("#include <stddef.h>", "#include <stdint.h>", "")
    w.line(f"#define {macro}_FORMAT {FORMAT}")
    w.line(f"#define {macro}_MODEL {_text(origin.model_hash)}")
    w.line(f"#define {macro}_INPUTS {len(program.inputs)}")
    w.line(f"#define {macro}_OUTPUTS {program.layers[-1].units}")
    if program.decision != "values":
        w.line(f"#define {macro}_OUTPUT_FRAC ({program.output_frac[0]}) /* logit = output / 2^OUTPUT_FRAC */")
    w.line(f"#define {macro}_CLASSES {len(program.classes)}")
    w.line()
    w.line(f"#if defined(NNHW_EXPECT_FORMAT) && NNHW_EXPECT_FORMAT != {macro}_FORMAT")
    w.line(f'#error "{prefix}.h was made for format {FORMAT}, not for NNHW_EXPECT_FORMAT: run nnhw export again"')
    w.line("#endif")
    w.line("#if (-1 >> 1) != -1")
    w.line(f'#error "{prefix}.h needs a compiler that shifts negative integers arithmetically"')
    w.line("#endif")
    w.line("/* The same for int32_t, and uint32_t must become int32_t modulo 2^32. */")
    w.line(f"typedef char {prefix}_check[((int32_t)-1 >> 1) == -1 && (int32_t)0xFFFFFFFFu == -1 ? 1 : -1];")
    if program.classes:
        w.line()
        with w.block(f"static const char *const {prefix}_class_names[{macro}_CLASSES] = {{"):
            w.lines(*[_text(name) + "," for name in program.classes])
        w.line("};")


def _helpers(w: Writer, prefix: str, form: Form) -> None:
    for name, value in (("min", "b + (d & (d >> 31))"), ("max", "a - (d & (d >> 31))")):
        with w.braces(f"static inline int32_t {prefix}_{name}(int32_t a, int32_t b)"):
            w.lines("const int32_t d = a - b;", f"return {value};")
    with w.braces(f"static inline int32_t {prefix}_low(int32_t a)"):
        w.line("return (int32_t)((uint32_t)a << 16) >> 16;")
    with w.braces(f"static inline int32_t {prefix}_high(int32_t a)"):
        w.line(f"return (a - {prefix}_low(a)) >> 16;")
    if form == "baked":
        with w.braces(f"static inline int32_t {prefix}_weight(int32_t w)"):
            w.line("#if defined(__GNUC__) && defined(__ARM_ARCH_6M__)")
            w.line(
                "/* Hides the constant, which would become a longer chain of shifts and additions on this core. */"
            )
            w.line('__asm__ volatile("" : "+l"(w));')
            w.lines("#endif", "return w;")


def _doorway(w: Writer, program: Program, prefix: str, form: Form) -> None:
    """SPEC 3.3."""
    w.lines("", "/* Ticks, any int32_t, to input codes. */")
    if form == "loops":
        rows = [v for i in program.inputs for v in (i.low, i.low + i.span, i.gain, i.offset, i.shift)]
        layers.array(w, "int32_t", f"{prefix}_doorway", rows)
    w.line(
        "/* A tick less an end of its range may overflow; half of it less half of that end may not, and has its sign. */"
    )
    with w.braces(f"static inline int32_t {prefix}_within(int32_t tick, int32_t low, int32_t high)"):
        w.line("const int32_t below = ((tick >> 1) - ((high + 1) >> 1)) >> 31;")
        w.line("const int32_t tail = ((tick >> 1) - ((low + 1) >> 1)) >> 31;")
        w.line("return (((tick & below) | (high & ~below)) & ~tail) - (low & ~tail);")
    with w.braces(f"static inline void {prefix}_codes(const int32_t *ticks, int32_t *codes)"):
        if form == "loops":
            w.lines(f"const int32_t *p = {prefix}_doorway;", "size_t i;")
        for n, entry in enumerate(program.inputs):
            w.line(f"/* {n}: {_comment(entry.name)}, ticks of {float(entry.step)!r} */")
            if form == "baked":
                u = f"{prefix}_within(ticks[{n}], {entry.low}, {entry.low + entry.span})"
                w.line(f"codes[{n}] = ({u} * {entry.gain}{_less(-entry.offset)}) >> {entry.shift};")
        if form == "loops":
            with w.braces(f"for (i = 0; i < {len(program.inputs)}; i++)"):
                w.line(f"codes[i] = ({prefix}_within(ticks[i], p[0], p[1]) * p[2] + p[3]) >> p[4];")
                w.line("p += 5;")


def _less(value: int) -> str:
    """The subtraction of a constant, in C without a double sign."""
    return f" {'-' if value > 0 else '+'} {abs(value)}" if value else ""


def _logits_head(prefix: str) -> str:
    return f"static inline void {prefix}_logits(const int32_t *codes, int32_t *outputs)"


def _unrolled(w: Writer, program: Program, prefix: str, activations: list[str]) -> None:
    w.lines("", "/* Input codes to outputs. */")
    with w.braces(_logits_head(prefix)):
        live = layers.live_units(program.layers)
        used = np.flatnonzero(live[0]).tolist()
        w.lines(*[f"const int32_t x{i} = codes[{i}];" for i in used])
        for number, units in enumerate(live[1:-1]):
            if units.any():
                w.line("int32_t " + ", ".join(f"h{number}_{j}" for j in np.flatnonzero(units)) + ";")
        if not used:
            w.line("(void)codes;")
        read = "x{}"
        for number, (layer, activation) in enumerate(zip(program.layers, activations, strict=True)):
            last = number + 1 == len(program.layers)
            written = "outputs[{}]" if last else f"h{number}_" + "{}"
            layers.unrolled(w, layer, live[number + 1], read, written + " = {};", activation, prefix)
            read = written


def _loops(w: Writer, program: Program, prefix: str, activations: list[str]) -> None:
    x_limit = max(abs(end) for entry in program.inputs for end in entry.code_range)
    for number, (layer, activation) in enumerate(zip(program.layers, activations, strict=True)):
        w.line()
        layers.loop(w, number, layer, program.weight_bits, x_limit, activation, prefix)
        x_limit = layer.limit
    w.lines("", "/* Input codes to outputs. */")
    with w.braces(_logits_head(prefix)):
        hidden = [f"int32_t h{n}[{layer.units}];" for n, layer in enumerate(program.layers[:-1])]
        w.lines(*hidden)
        names = ["codes", *[f"h{n}" for n in range(len(hidden))], "outputs"]
        for number in range(len(program.layers)):
            w.line(f"{prefix}_layer{number}({names[number]}, {names[number + 1]});")


def _answers(w: Writer, program: Program, prefix: str) -> None:
    macro = prefix.upper()
    if program.decision == "values":
        w.lines("", "/* Ticks to outputs. Each stands for a real:")
        for unit, (frac, offset) in enumerate(zip(program.output_frac, program.offsets, strict=True)):
            w.line(f"   outputs[{unit}] / 2^{frac}" + (f" + {offset!r}" if offset else ""))
        w.line("*/")
        with w.braces(f"static inline void {prefix}_predict_ticks(const int32_t *ticks, int32_t *outputs)"):
            w.line(f"int32_t codes[{macro}_INPUTS];")
            w.lines(f"{prefix}_codes(ticks, codes);", f"{prefix}_logits(codes, outputs);")
        return
    w.lines(
        "",
        f"/* Outputs to the {_ANSWER[program.decision]}. */",
    )
    with w.braces(f"static inline int32_t {prefix}_decide(const int32_t *outputs)"):
        if program.decision == "threshold":
            w.line("return (int32_t)((uint32_t)-outputs[0] >> 31);")
        elif program.decision == "multilabel":
            w.line("uint32_t yes = 0;")
            for j in range(program.layers[-1].units):
                w.line(f"yes |= (uint32_t)-outputs[{j}] >> 31 << {j};")
            w.line("return (int32_t)yes;")
        else:
            w.line("int32_t best = 0, top = outputs[0], d;")
            for j in range(1, program.layers[-1].units):
                w.line(f"d = (top - outputs[{j}]) >> 31;")
                w.lines(f"top -= (top - outputs[{j}]) & d;", f"best += ({j} - best) & d;")
            w.line("return best;")
    w.lines("", "/* Input codes to the same. */")
    with w.braces(f"static inline int32_t {prefix}_predict_codes(const int32_t *codes)"):
        w.lines(f"int32_t outputs[{macro}_OUTPUTS];", f"{prefix}_logits(codes, outputs);")
        w.line(f"return {prefix}_decide(outputs);")
    w.lines("", "/* Ticks to the same. */")
    with w.braces(f"static inline int32_t {prefix}_predict_ticks(const int32_t *ticks)"):
        w.line(f"int32_t codes[{macro}_INPUTS];")
        w.lines(f"{prefix}_codes(ticks, codes);", f"return {prefix}_predict_codes(codes);")


def _values(w: Writer, program: Program, prefix: str) -> None:
    """SPEC 3.1, on the bits of each value alone."""
    macro = prefix.upper()
    steps = [entry.reciprocal for entry in program.inputs]
    w.lines("", "/* Raw values to ticks; returns 0, and stops, where a value is not a number (NaN), else 1. */")
    with w.braces(f"static inline int {prefix}_ticks(const float *values, int32_t *ticks)"):
        with w.block(f"static const uint16_t steps[{macro}_INPUTS][3] = {{"):
            w.lines(*[f"{{{step.high}, {step.low}, {step.last}}}," for step in steps])
        w.lines("};", "size_t i;")
        with w.braces(f"for (i = 0; i < {macro}_INPUTS; i++)"):
            w.lines(
                "const int32_t high = steps[i][0], low = steps[i][1];",
                "union { float value; uint32_t bits; } real;",
                "int32_t sign, exponent, h, l, tick = 0;",
                "real.value = values[i];",
                "sign = (int32_t)(real.bits >> 31);",
                "exponent = (int32_t)(real.bits >> 23 & 255);",
                "h = (int32_t)(real.bits >> 12 & 2047) + 2048;",
                "l = (int32_t)(real.bits & 4095);",
            )
            with w.braces("if (exponent == 255 && (real.bits & 0x7FFFFF) != 0)"):
                w.line("return 0;")
            w.line("exponent = steps[i][2] - exponent;")
            with w.braces("if (exponent < 0)"):
                w.line(f"tick = {TICK_LIMIT};")
            with w.braces("else if (exponent <= 30)"):
                w.line("tick = (h * low + l * high * 2 + ((l * low - sign) >> 12)) >> 8;")
                w.line("tick = (((h * high * 32 + tick) >> exponent) + 1) >> 1;")
                w.line(f"tick = tick > {TICK_LIMIT} ? {TICK_LIMIT} : tick;")
            w.line("ticks[i] = sign ? -tick : tick;")
        w.line("return 1;")
    if program.decision == "values":
        w.lines("", "/* Outputs to reals. */")
        with w.braces(f"static inline void {prefix}_values(const int32_t *outputs, float *values)"):
            for unit, (frac, offset) in enumerate(zip(program.output_frac, program.offsets, strict=True)):
                real = f"(float)outputs[{unit}] / (float){2.0**frac!r}"
                end = f" + (float){offset!r}" if offset else ""
                w.line(f"values[{unit}] = {real}{end};")
