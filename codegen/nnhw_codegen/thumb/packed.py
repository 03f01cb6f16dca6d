"""Thumb kernel "packed": weights of 8 or 16 bits, four neurons at once, in loops of a fixed length for any layer.

A word holds the weights of four neurons (8 bits), two words do (16 bits). Portable twin: micropython.emitter, form
"loops". Constant time.

    r0  inputs, then outputs     r4, r5    words of weights    r8 to r11  four sums, then z in r4 to r7
    r1  stream                   r6        product             lr         next output
    r2, r3  x                    r7        end of the inputs   r12        a constant of the activation
"""

from __future__ import annotations

import numpy as np

from nnhw_codegen.integers.fixed import IntArray
from nnhw_codegen.thumb.frame import END, EVEN, ODD, OUTPUT, Task, register_list

GROUP = 4
UNROLLED = 4
"""Inputs per turn of the inner loop."""

_SUMS = ("r8", "r9", "r10", "r11")


def layer(task: Task, weight_bits: int) -> None:
    """Emit one layer with weights of at most ``weight_bits`` (8 or 16) bits."""
    code, units = task.code, task.layer.units
    # A whole group is stored at the end: beyond the caller's buffer unless it goes through one of the own.
    detour = task.into == OUTPUT and units % GROUP != 0
    into = (EVEN if task.source == ODD else ODD) if detour else task.into
    groups = -(-units // GROUP)
    shifts = task.layer.shift
    shift = int(shifts[0]) if (shifts == shifts[0]).all() else None
    code.address("r1", f"{task.name}.words")
    code(f"ldr r0, [sp, #{into}]", "mov lr, r0")
    again = code.new_label()
    if groups > 1:
        code.constant("r2", 4 * GROUP * groups)
        code("adds r2, r2, r0", f"str r2, [sp, #{END}]")
        code.label(again)
    _sums(task, weight_bits)
    code(*(f"mov r{4 + n}, {register}" for n, register in enumerate(_SUMS)))
    if shift is None:
        for n in (4, 6):
            code("ldmia r1!, {r2, r3}", f"asrs r{n}, r2", f"asrs r{n + 1}, r3")
    elif shift:
        code(*(f"asrs r{4 + n}, r{4 + n}, #{shift}" for n in range(GROUP)))
    task.activate([(f"r{4 + n}", task.layer.any_clips) for n in range(GROUP)], ("r2", "r3", "r0"), ("r12",))
    code("mov r0, lr", "stmia r0!, {r4-r7}", "mov lr, r0")
    if groups > 1:
        code(f"ldr r2, [sp, #{END}]", "cmp r0, r2")
        code(f"bne {again}")
    if detour:
        code(f"ldr r0, [sp, #{into}]", f"ldr r1, [sp, #{OUTPUT}]")
        for start in range(0, units, GROUP):
            some = register_list(4, min(GROUP, units - start))
            code(f"ldmia r0!, {some}", f"stmia r1!, {some}")
    task.activate_stored()
    task.data.data(f"{task.name}.words", _stream(task, weight_bits, shift is None))


def _sums(task: Task, weight_bits: int) -> None:
    """Biases and all inputs of one group."""
    code, fan_in = task.code, task.layer.fan_in
    code(f"ldr r0, [sp, #{task.source}]", "ldmia r1!, {r4-r7}")
    code(*(f"mov {register}, r{4 + n}" for n, register in enumerate(_SUMS)))
    turns = fan_in // UNROLLED
    if turns > 1:
        code.constant("r7", 4 * UNROLLED * turns)
        code("adds r7, r7, r0")
        again = code.new_label()
        code.label(again)
        _inputs(task, weight_bits, UNROLLED)
        code("cmp r0, r7")
        code(f"bne {again}")
    else:
        turns = 0
    _inputs(task, weight_bits, fan_in - UNROLLED * turns)


def _inputs(task: Task, weight_bits: int, count: int) -> None:
    """The next ``count`` inputs, straight."""
    code = task.code
    for start in range(0, count, 2):
        xs = register_list(2, min(2, count - start))
        code(f"ldmia r0!, {xs}")
        if weight_bits == 8:
            code(f"ldmia r1!, {xs.replace('r2', 'r4').replace('r3', 'r5')}")
        for n in range(min(2, count - start)):
            if weight_bits == 8:
                _four_bytes(task, f"r{4 + n}", f"r{2 + n}")
            else:
                code("ldmia r1!, {r4, r5}")
                _two_halves(task, "r4", f"r{2 + n}", _SUMS[:2])
                _two_halves(task, "r5", f"r{2 + n}", _SUMS[2:])


def _four_bytes(task: Task, word: str, x: str) -> None:
    for register in _SUMS[:3]:
        task.code(f"sxtb r6, {word}", f"muls r6, {x}", f"add {register}, r6", f"asrs {word}, {word}, #8")
    task.code(f"muls {word}, {x}", f"add {_SUMS[3]}, {word}")


def _two_halves(task: Task, word: str, x: str, sums: tuple[str, ...]) -> None:
    task.code(f"sxth r6, {word}", f"muls r6, {x}", f"add {sums[0]}, r6")
    task.code(f"asrs {word}, {word}, #16", f"muls {word}, {x}", f"add {sums[1]}, {word}")


def _stream(task: Task, weight_bits: int, shifts: bool) -> bytes:
    """Per group: four biases, the weights input by input, and four shifts where neurons differ in them."""

    def padded(values: IntArray) -> IntArray:
        missing = -len(values) % GROUP
        return np.concatenate([values, np.zeros((missing, *values.shape[1:]), dtype=np.int64)])

    dense = task.layer
    bias, weights, shift = padded(dense.bias), padded(dense.weights), padded(dense.shift)
    parts = []
    for start in range(0, len(bias), GROUP):
        chosen = slice(start, start + GROUP)
        parts += [bias[chosen].astype("<i4").tobytes(), weights[chosen].T.astype(f"<i{weight_bits // 8}").tobytes()]
        if shifts:
            parts.append(shift[chosen].astype("<i4").tobytes())
    return b"".join(parts)
