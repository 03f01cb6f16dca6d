"""ARMv6-M instructions: unified assembly text -> halfword, every operand checked; only forms that emitted code uses."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache


class AssemblyError(ValueError):
    """Text that is no known instruction, an operand out of range, or a label that is missing or too far away."""


Field = Callable[[int], int]
"""Operand value -> its bits in the opcode; raises AssemblyError outside its range."""


def _low(position: int) -> Field:
    def field(register: int) -> int:
        if register > 7:
            raise AssemblyError("only r0 to r7 can stand here")
        return register << position

    return field


def _any_target(register: int) -> int:
    return (register & 8) << 4 | register & 7


def _any_source(register: int) -> int:
    return register << 3


def _imm(position: int, bits: int, scale: int = 1, least: int = 0) -> Field:
    def field(value: int) -> int:
        top = ((1 << bits) - 1) * scale
        if value % scale or not least <= value <= top:
            raise AssemblyError(f"constant must be a multiple of {scale} in {least}..{top}, found {value}")
        return value // scale << position

    return field


def _list(extra: int = 15) -> Field:
    """r0 to r7 and at most the one register ``extra``, which is bit 8."""

    def field(registers: int) -> int:
        special = registers >> extra & 1 if extra > 7 else 0
        if registers & ~(0xFF | 1 << extra) or not registers:
            raise AssemblyError("impossible register list")
        return registers & 0xFF | special << 8

    return field


# r: register, #: constant, {}: register list. Where a shape has several forms, the first that takes the operands wins.
_FORMS: dict[str, tuple[tuple[int, tuple[Field, ...]], ...]] = {
    "movs r, #": ((0x2000, (_low(8), _imm(0, 8))),),
    "movs r, r": ((0x0000, (_low(0), _low(3))),),
    "mov r, sp": ((0x4668, (_low(0),)),),
    "mov r, r": ((0x4600, (_any_target, _any_source)),),
    "adds r, r, r": ((0x1800, (_low(0), _low(3), _low(6))),),
    "subs r, r, r": ((0x1A00, (_low(0), _low(3), _low(6))),),
    "adds r, r, #": ((0x1C00, (_low(0), _low(3), _imm(6, 3))),),
    "subs r, r, #": ((0x1E00, (_low(0), _low(3), _imm(6, 3))),),
    "adds r, #": ((0x3000, (_low(8), _imm(0, 8))),),
    "subs r, #": ((0x3800, (_low(8), _imm(0, 8))),),
    "add r, r": ((0x4400, (_any_target, _any_source)),),
    "add sp, #": ((0xB000, (_imm(0, 7, 4),)),),
    "sub sp, #": ((0xB080, (_imm(0, 7, 4),)),),
    "cmp r, #": ((0x2800, (_low(8), _imm(0, 8))),),
    "cmp r, r": ((0x4280, (_low(0), _low(3))), (0x4500, (_any_target, _any_source))),
    "cmn r, r": ((0x42C0, (_low(0), _low(3))),),
    "adcs r, r": ((0x4140, (_low(0), _low(3))),),
    "sbcs r, r": ((0x4180, (_low(0), _low(3))),),
    "ands r, r": ((0x4000, (_low(0), _low(3))),),
    "eors r, r": ((0x4040, (_low(0), _low(3))),),
    "lsls r, r": ((0x4080, (_low(0), _low(3))),),
    "asrs r, r": ((0x4100, (_low(0), _low(3))),),
    "bics r, r": ((0x4380, (_low(0), _low(3))),),
    "muls r, r": ((0x4340, (_low(0), _low(3))),),
    "mvns r, r": ((0x43C0, (_low(0), _low(3))),),
    "rsbs r, r, #": ((0x4240, (_low(0), _low(3), _imm(0, 0))),),
    "lsls r, r, #": ((0x0000, (_low(0), _low(3), _imm(6, 5, least=1))),),
    "lsrs r, r, #": ((0x0800, (_low(0), _low(3), _imm(6, 5, least=1))),),
    "asrs r, r, #": ((0x1000, (_low(0), _low(3), _imm(6, 5, least=1))),),
    "sxtb r, r": ((0xB240, (_low(0), _low(3))),),
    "sxth r, r": ((0xB200, (_low(0), _low(3))),),
    "ldr r, [r, #]": ((0x6800, (_low(0), _low(3), _imm(6, 5, 4))),),
    "str r, [r, #]": ((0x6000, (_low(0), _low(3), _imm(6, 5, 4))),),
    "ldr r, [sp, #]": ((0x9800, (_low(8), _imm(0, 8, 4))),),
    "str r, [sp, #]": ((0x9000, (_low(8), _imm(0, 8, 4))),),
    "str r, [r, r]": ((0x5000, (_low(0), _low(3), _low(6))),),
    "ldrb r, [r, r]": ((0x5C00, (_low(0), _low(3), _low(6))),),
    "ldrh r, [r, r]": ((0x5A00, (_low(0), _low(3), _low(6))),),
    "ldrsb r, [r, r]": ((0x5600, (_low(0), _low(3), _low(6))),),
    "ldrsh r, [r, r]": ((0x5E00, (_low(0), _low(3), _low(6))),),
    "ldrb r, [r, #]": ((0x7800, (_low(0), _low(3), _imm(6, 5))),),
    "ldrh r, [r, #]": ((0x8800, (_low(0), _low(3), _imm(6, 5, 2))),),
    "strb r, [r, #]": ((0x7000, (_low(0), _low(3), _imm(6, 5))),),
    "strh r, [r, #]": ((0x8000, (_low(0), _low(3), _imm(6, 5, 2))),),
    "ldmia r!, {}": ((0xC800, (_low(8), _list(0))),),
    "stmia r!, {}": ((0xC000, (_low(8), _list(0))),),
    "push {}": ((0xB400, (_list(14),)),),
    "pop {}": ((0xBC00, (_list(15),)),),
    "bx r": ((0x4700, (_any_source,)),),
    "blx r": ((0x4780, (_any_source,)),),
}

SHAPES = tuple(_FORMS)
"""Every instruction form, branches and literals apart."""

REGISTERS = {f"r{n}": n for n in range(13)} | {"lr": 14, "pc": 15}
_TOKEN = re.compile(r"\{[^}]*\}|\b(?:r\d+|lr|pc)\b|#-?\d+")


def _register(name: str) -> int:
    if name not in REGISTERS:
        raise AssemblyError(f"unknown register {name!r}")
    return REGISTERS[name]


def _register_set(text: str) -> int:
    bits = 0
    for part in filter(None, re.split(r"[{},\s]+", text)):
        first, _, last = part.partition("-")
        for n in range(_register(first), _register(last or first) + 1):
            bits |= 1 << n
    return bits


@lru_cache(maxsize=4096)
def encode(text: str) -> int:
    """The halfword of one instruction without label or literal; raises AssemblyError naming the text."""
    values: list[int] = []

    def read(match: re.Match[str]) -> str:
        token = match[0]
        if token[0] == "#":
            values.append(int(token[1:]))
            return "#"
        values.append(_register_set(token) if token[0] == "{" else _register(token))
        return "{}" if token[0] == "{" else "r"

    try:
        shape = _TOKEN.sub(read, text)
        error = AssemblyError("no such instruction form")
        for base, fields in _FORMS.get(shape, ()):
            try:
                bits = [field(value) for field, value in zip(fields, values, strict=True)]
            except AssemblyError as found:
                error = found
                continue
            return base | sum(bits)
        raise error
    except AssemblyError as error:
        raise AssemblyError(f"{text!r}: {error}") from None
