"""What an ARMv6-M instruction will touch, read off its encoding before the emulator executes it."""

from __future__ import annotations

from typing import NamedTuple

STACK_POINTER = 13


class Access(NamedTuple):
    """A load or store of ``items`` times ``size`` bytes at base register + added register + offset.

    ``base`` and ``added`` are register numbers or None. The address must be a multiple of ``size``.
    """

    size: int
    writes: bool
    base: int | None
    added: int | None = None
    offset: int = 0
    items: int = 1


class Jump(NamedTuple):
    """A bx or blx: the register must hold an address with its Thumb bit set."""

    register: int


class StackGrowth(NamedTuple):
    """A subtraction from the stack pointer, in bytes."""

    size: int


class Unsupported(NamedTuple):
    """Not an ARMv6-M instruction, or one that has no place in a compiled function."""

    opcode: int


Effect = Access | Jump | StackGrowth | Unsupported | None

# str strh strb ldrsb ldr ldrh ldrb ldrsh, by bits 11-9 of a register-offset transfer: size, writes
_REGISTER_OFFSET = (
    (4, True),
    (2, True),
    (1, True),
    (1, False),
    (4, False),
    (2, False),
    (1, False),
    (2, False),
)
# By bits 15-11 of an immediate-offset transfer
_IMMEDIATE_OFFSET = {
    0b01100: (4, True),
    0b01101: (4, False),
    0b01110: (1, True),
    0b01111: (1, False),
    0b10000: (2, True),
    0b10001: (2, False),
}


def effect_of(opcode: int, following: int, pc: int) -> Effect:
    """What the instruction at address ``pc`` touches besides registers; None for nothing.

    ``opcode`` is its halfword and ``following`` the next one, which completes a 32-bit ``bl``.
    """
    top = opcode >> 11
    if top == 0b01001:  # ldr literal
        return Access(4, False, None, offset=((pc + 4) & ~3) + 4 * (opcode & 0xFF))
    if opcode >> 12 == 0b0101:
        size, writes = _REGISTER_OFFSET[opcode >> 9 & 7]
        return Access(size, writes, opcode >> 3 & 7, opcode >> 6 & 7)
    if top in _IMMEDIATE_OFFSET:
        size, writes = _IMMEDIATE_OFFSET[top]
        return Access(size, writes, opcode >> 3 & 7, offset=size * (opcode >> 6 & 31))
    if top in (0b10010, 0b10011):  # str and ldr relative to the stack pointer
        return Access(4, top == 0b10010, STACK_POINTER, offset=4 * (opcode & 0xFF))
    if top in (0b11000, 0b11001):  # stm and ldm
        return _multiple(opcode, top == 0b11000, opcode >> 8 & 7, opcode & 0xFF)
    if opcode >> 12 == 0b1011:
        return _miscellaneous(opcode)
    if opcode >> 8 == 0x47 and opcode & 7 == 0:
        return Jump(opcode >> 3 & 15)
    if opcode >> 11 == 0b11110 and following & 0xD000 == 0xD000:  # bl
        return None
    if opcode >> 8 in (0x47, 0xDE, 0xDF) or opcode >= 0xE800:  # malformed bx, udf, svc, 32-bit
        return Unsupported(opcode)
    return None


def _miscellaneous(opcode: int) -> Effect:
    """The instructions that begin with 1011."""
    if opcode >> 9 == 0b1011010:  # push: bit 8 stands for lr
        return _multiple(opcode, True, STACK_POINTER, opcode & 0x1FF)
    if opcode >> 9 == 0b1011110:  # pop: bit 8 stands for pc
        return _multiple(opcode, False, STACK_POINTER, opcode & 0x1FF)
    if opcode >> 7 == 0b101100001:
        return StackGrowth(4 * (opcode & 0x7F))
    add_to_stack_pointer = opcode >> 7 == 0b101100000
    extend = opcode >> 8 == 0xB2
    reverse = opcode >> 8 == 0xBA and opcode >> 6 & 3 != 2
    no_operation = opcode == 0xBF00
    if add_to_stack_pointer or extend or reverse or no_operation:
        return None
    return Unsupported(opcode)


def _multiple(opcode: int, writes: bool, base: int, listed: int) -> Effect:
    """A transfer of every register whose bit is set in ``listed``; an empty list is undefined."""
    items = listed.bit_count()
    if not items:
        return Unsupported(opcode)
    pushes = writes and base == STACK_POINTER
    return Access(4, writes, base, offset=-4 * items if pushes else 0, items=items)
