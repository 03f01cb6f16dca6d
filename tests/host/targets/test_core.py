"""The bare RP2040 core: exact results, cycles, and every fault that silicon has and the emulator lacks."""

from __future__ import annotations

import struct

import pytest

from nnhw.errors import TargetError
from nnhw.targets import get_script_target
from nnhw.targets.core.bare_core import Program
from nnhw.targets.core.core import Core
from nnhw.targets.core.instruction_effects import Access, Jump, StackGrowth, Unsupported, effect_of
from nnhw.targets.core.memory import GUARD_BYTES, STACK_BYTES, STACK_TOP

BX_LR = 0x4770


def code(*halfwords: int) -> bytes:
    return struct.pack(f"<{len(halfwords)}H", *halfwords)


@pytest.fixture
def core():
    pytest.importorskip("rp2040py", reason="rp2040-core: rp2040py is not installed")
    return Core()


def test_a_function_returns_r0_and_its_exact_cost(core):
    # adds r0, r0, r1; bx lr
    result = core.call(core.load(code(0x1840, BX_LR)), 40, 2)
    assert (result.value, result.cycles, result.instructions, result.stack) == (42, 3, 2, 0)


def test_results_wrap_at_32_bits_and_are_signed(core):
    # muls r0, r1; bx lr
    result = core.call(core.load(code(0x4348, BX_LR)), 123456, 654321)
    assert result.value == -824525248
    assert result.unsigned == (123456 * 654321) % 2**32


def test_a_loop_costs_what_the_manual_says(core):
    # subs r0, #1; bne -2; bx lr: 1 + 2 cycles a turn, the branch not taken 1, bx 2
    result = core.call(core.load(code(0x3801, 0xD1FD, BX_LR)), 100)
    assert result.cycles == 100 * 3 - 1 + 2


def test_arguments_beyond_four_are_on_the_stack(core):
    # ldr r0, [sp]; ldr r1, [sp, #4]; subs r0, r0, r1; bx lr
    function = core.load(code(0x9800, 0x9901, 0x1A40, BX_LR))
    assert core.call(function, 1, 2, 3, 4, 100, -7).value == 107


def test_buffers_are_read_and_written(core):
    # ldrsb r2, [r0, r1]; strb r2, [r0]; adds r0, r2, #0; bx lr
    function = core.load(code(0x5642, 0x7002, 0x1C10, BX_LR))
    buffer = core.data(bytes([9, 8, 0xFE, 7]))
    assert core.call(function, buffer, 2).value == -2
    assert core.read(buffer, 4) == bytes([0xFE, 8, 0xFE, 7])
    core.write(buffer + 2, b"\x05")
    assert core.call(function, buffer, 2).value == 5


def test_the_stack_depth_is_measured(core):
    # push {r4, lr}; sub sp, #16; add sp, #16; pop {r4, pc}
    assert core.call(core.load(code(0xB510, 0xB084, 0xB004, 0xBD10))).stack == 8 + 16


@pytest.mark.parametrize(
    ("opcode", "kind"),
    [
        (0x6800, "word"),  # ldr r0, [r0]
        (0x6000, "word"),  # str r0, [r0]
        (0x8800, "halfword"),  # ldrh r0, [r0]
        (0x8000, "halfword"),  # strh r0, [r0]
        (0x5E40, "halfword"),  # ldrsh r0, [r0, r1]
        (0xC806, "word"),  # ldm r0!, {r1, r2}
    ],
)
def test_a_misaligned_access_is_an_error_with_pc_and_address(core, opcode, kind):
    function = core.load(code(opcode, BX_LR))
    buffer = core.data(bytes(32))
    core.call(function, buffer, 0)
    with pytest.raises(TargetError) as caught:
        core.call(function, buffer + 1, 0)
    assert f"pc 0x{function:08x}: a misaligned {kind} access at 0x{buffer + 1:08x}" in str(caught.value)


def test_the_alignment_check_can_be_switched_off(core):
    lenient = Core(check_alignment=False)
    function = lenient.load(code(0x8800, BX_LR))
    buffer = lenient.data(bytes([1, 2, 3, 4]))
    assert lenient.call(function, buffer + 1).value == 0x0302


@pytest.mark.parametrize("offset", [-4, 8, 2**31])
@pytest.mark.parametrize(("opcode", "verb"), [(0x6800, "a read from"), (0x6000, "a write to")])
def test_an_access_outside_the_buffers_is_an_error(core, offset, opcode, verb):
    function = core.load(code(opcode, BX_LR))
    buffer = core.data(bytes(8))
    core.call(function, buffer + 4)
    with pytest.raises(TargetError, match=f"{verb} 0x{buffer + offset & 0xFFFFFFFF:08x}"):
        core.call(function, buffer + offset & 0xFFFFFFFF)


def test_the_first_byte_past_a_buffer_is_out_of_reach(core):
    function = core.load(code(0x7800, BX_LR))  # ldrb r0, [r0]
    buffer = core.data(b"abc")
    assert core.call(function, buffer + 2).value == ord("c")
    with pytest.raises(TargetError, match="outside the memory given"):
        core.call(function, buffer + 3)


def test_code_cannot_be_written_by_the_guest(core):
    function = core.load(code(0x6000, BX_LR))
    with pytest.raises(TargetError, match="a write to"):
        core.call(function, function)


def test_a_stack_overflow_is_an_error(core):
    function = core.load(code(0xB5FF, 0xE7FD))  # push {r0-r7, lr}; b to itself
    with pytest.raises(TargetError, match="a write to") as caught:
        core.call(function)
    assert f"0x{STACK_TOP - STACK_BYTES:08x}"[:7] in str(caught.value)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ((0x2401, BX_LR), "r4"),  # movs r4, #1
        ((0x46B8, 0x4680, BX_LR), "r8"),  # mov r8, r7; mov r8, r0
        ((0xB401, BX_LR), "sp"),  # push {r0}
    ],
)
def test_a_register_not_preserved_is_named(core, body, named):
    function = core.load(code(*body))
    with pytest.raises(TargetError, match=f"did not preserve {named}$"):
        core.call(function)


def test_an_endless_loop_meets_the_instruction_limit(core):
    with pytest.raises(TargetError, match="did not return within 1000 instructions"):
        core.call(core.load(code(0xE7FE)), max_instructions=1000)


def test_running_off_the_code_is_an_error(core):
    function = core.load(code(0x2001))
    with pytest.raises(TargetError, match=f"jumped to 0x{function + 2:08x}, where no code is loaded"):
        core.call(function)


def test_a_jump_without_the_thumb_bit_is_an_error(core):
    function = core.load(code(0x4700, BX_LR))  # bx r0
    with pytest.raises(TargetError, match="Thumb bit is not set"):
        core.call(function, function + 2)


@pytest.mark.parametrize("opcode", [0xBE00, 0xDE00, 0xDF00, 0xB672, 0xBF30, 0xB100, 0xEA00, 0xF3EF])
def test_an_instruction_that_armv6m_code_may_not_hold_is_an_error(core, opcode):
    with pytest.raises(TargetError, match=f"0x{opcode:04x} is not an ARMv6-M instruction"):
        core.call(core.load(code(opcode, 0x8000, BX_LR)))


def test_misuse_is_reported(core):
    with pytest.raises(TargetError, match="does not fit in 32 bits"):
        core.call(core.load(code(BX_LR)), 2**32)
    with pytest.raises(TargetError, match="300000 bytes do not fit"):
        core.data(bytes(300000))
    with pytest.raises(TargetError, match="outside the memory"):
        core.read(0x20030000, 1)
    with pytest.raises(TargetError, match="no symbol 'infer'"):
        core.call("infer")
    with pytest.raises(TargetError, match="must be loaded first"):
        core.load_program(Program(b"", b"", 0, {}))


def test_alignment_of_placed_blocks_is_respected(core):
    first, second = core.data(b"x", align=1), core.data(b"y", align=16)
    assert second % 16 == 0
    assert second - first > GUARD_BYTES


def test_the_core_runs_no_scripts():
    with pytest.raises(TargetError, match=r"rp2040-core: .*machine code, not MicroPython scripts.*wasm"):
        get_script_target("rp2040-core")


def test_every_opcode_is_read_as_the_disassembler_reads_it():
    capstone = pytest.importorskip("capstone")
    disassembler = capstone.Cs(
        capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS | capstone.CS_MODE_V8
    )
    sizes = {"ldr": 4, "str": 4, "ldrh": 2, "strh": 2, "ldrsh": 2, "ldrb": 1, "strb": 1, "ldrsb": 1}
    multiples = {"push": True, "stm": True, "pop": False, "ldm": False}
    compared = 0
    for opcode in range(0xE800):
        effect = effect_of(opcode, 0, 0)
        if isinstance(effect, Unsupported):
            continue
        name, operands = next(
            ((i.mnemonic, i.op_str) for i in disassembler.disasm(code(opcode), 0)), ("undefined", "")
        )
        name = name.removesuffix(".w").removesuffix("ia")
        if name in sizes:
            assert (effect.size, effect.writes, effect.items) == (sizes[name], name.startswith("str"), 1)
        elif name in multiples:
            named = operands.split("{")[1].rstrip("}").split(", ")
            assert (effect.size, effect.writes, effect.items) == (4, multiples[name], len(named))
        else:
            assert not isinstance(effect, Access), (hex(opcode), name)
            assert isinstance(effect, Jump) == (name in ("bx", "blx"))
            assert isinstance(effect, StackGrowth) == (name == "sub" and operands.startswith("sp,"))
        compared += 1
    assert compared > 0xD000
