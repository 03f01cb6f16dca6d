"""What every bare core promises, and how the emulated ones count."""

from __future__ import annotations

import pytest
from conftest import usable_target

from nnhw.boards import loadable
from nnhw.boards.firmware import Firmware
from nnhw.boards.mpy_cross import compile_mpy
from nnhw.errors import TargetError
from nnhw.targets import TARGETS, CoreTarget
from nnhw.targets.core.mpy_functions import ViperModule
from nnhw.targets.core.xtensa_core import XtensaCore

CORES = tuple(target.name for target in TARGETS if isinstance(target, CoreTarget))
EVERY = pytest.mark.parametrize("target", CORES, indirect=True)
MODULE = b"""
import micropython
@micropython.viper
def total(p: ptr32, n: int) -> int:
    s = 0
    i = 0
    while i < n:
        s += p[i]
        i += 1
    p[n] = s
    return s
@micropython.viper
def six(a: int, b: int, c: int, d: int, e: int, f: int) -> int:
    return a + 10 * (b + 10 * (c + 10 * (d + 10 * (e + 10 * f))))
@micropython.viper
def product(a: int, b: int) -> int:
    return a * b
@micropython.viper
def named() -> int:
    return int(somewhere)
"""


def module(core) -> ViperModule:
    return ViperModule(core, compile_mpy(MODULE, "m.py", core.architecture))


@EVERY
def test_machine_code_computes_in_32_bits_and_writes_memory(target):
    core = target.core()
    loaded = module(core)
    place = core.data(b"".join(n.to_bytes(4, "little", signed=True) for n in (7, -100, 2**30, 0)))
    assert loaded.call("total", place, 3).value == 2**30 - 93
    assert core.read(place + 12, 4) == (2**30 - 93).to_bytes(4, "little")
    assert loaded.call("six", 1, 2, 3, 4, 5, 6).value == 654321
    assert loaded.call("product", 123456, 654321).value == -824525248


@EVERY
def test_a_call_of_the_runtime_is_told_from_a_wrong_jump(target):
    loaded = module(target.core())
    with pytest.raises(TargetError, match=rf"{target.name}: the code failed: .*entry \d+ of MicroPython's runtime"):
        loaded.call("named")


@EVERY
def test_code_of_another_architecture_is_refused_by_name(target):
    core = target.core()
    other = "armv6m" if core.architecture != "armv6m" else "rv32imc"
    with pytest.raises(TargetError, match=f"holds no {core.architecture} code"):
        ViperModule(core, compile_mpy(MODULE, "m.py", other))


@EVERY
def test_memory_that_was_not_given_is_refused(target):
    core = target.core()
    place = core.data(b"12345678")
    core.write(place, b"abcd")
    assert core.read(place, 8) == b"abcd5678"
    with pytest.raises(TargetError, match=target.name):
        core.read(place + 1000, 4)
    with pytest.raises(TargetError, match=target.name):
        core.data(bytes(10_000_000))


CHECKED = pytest.mark.parametrize("target", ["cortex-m", "rv32-core"], indirect=True)
# Functions in machine code, by target: a store to the address in the first argument, and a loop without an end.
STORE = {"cortex-m": "01607047", "rv32-core": "0cc18280"}
ENDLESS = {"cortex-m": "fee7", "rv32-core": "01a0"}


@CHECKED
def test_a_store_outside_the_memory_given_to_the_code_ends_the_call(target):
    core = target.core()
    code, place = core.load(bytes.fromhex(STORE[target.name])), core.data(bytes(8))
    core.call(code, place, 5)
    assert core.read(place, 4) == b"\5\0\0\0"
    for wrong in (place + 8, 0x20001000, 0x90000000, code):
        with pytest.raises(TargetError, match=rf"pc 0x{code:08x}: .*0x{wrong:08x}.*outside the memory given"):
            core.call(code, wrong, 5)
    core.call(code, place + 4, 6)


def test_an_access_that_risc_v_need_not_allow_ends_the_call():
    core = usable_target("rv32-core").core()
    code, place = core.load(bytes.fromhex(STORE["rv32-core"])), core.data(bytes(8))
    with pytest.raises(TargetError, match="a misaligned access of 4 bytes"):
        core.call(code, place + 2, 5)


@CHECKED
def test_code_that_does_not_return_is_ended(target):
    core = target.core()
    with pytest.raises(TargetError, match="did not return within 1000 instructions"):
        core.call(core.load(bytes.fromhex(ENDLESS[target.name])), max_instructions=1000)


@pytest.mark.parametrize(
    ("target", "spoils", "named"),
    [("cortex-m", "01247047", "r4"), ("rv32-core", "05448280", "s0")],
    indirect=["target"],
)
def test_a_register_that_a_callee_must_keep_is_named(target, spoils, named):
    core = target.core()
    with pytest.raises(TargetError, match=f"did not preserve {named}"):
        core.call(core.load(bytes.fromhex(spoils)))


# The published tables, by hand: code, arguments that are addresses, instructions, cycles.
TIMED = [
    ("cortex-m", "7047", 1, 3),  # bx lr
    ("cortex-m", "01687047", 2, 2 + 3),  # ldr; bx
    ("cortex-m", "016842687047", 3, 2 + 1 + 3),  # ldr; ldr behind another; bx
    ("cortex-m", "10b510bd", 2, 3 + 5),  # push of two; pop of two, one of them pc
    ("cortex-m", "032101390029fcd17047", 3 * 3 + 2, 1 + 3 * 2 + 3 + 3 + 1 + 3),  # movs; 3 x (subs, cmp, bne); bx
    ("rv32-core", "8280", 1, 2),  # ret
    ("rv32-core", "0c418280", 2, 1 + 2),  # lw a1; ret
    ("rv32-core", "0c4185058280", 3, 2 + 1 + 2),  # lw a1; addi a1, a1, 1; ret
    ("rv32-core", "3385b5028280", 2, 1 + 2),  # mul; ret
    ("rv32-core", "8d45fd15fdfd8280", 2 * 3 + 2, 1 + 3 + 2 + 2 + 1 + 2),  # li a1, 3; 3 x (addi, bnez); ret
]


@pytest.mark.parametrize(("target", "code", "instructions", "cycles"), TIMED, indirect=["target"])
def test_cycles_are_those_of_the_table(target, code, instructions, cycles):
    core = target.core()
    found = core.call(core.load(bytes.fromhex(code)), core.data(bytes(8)))
    assert (found.instructions, found.cycles) == (instructions, cycles)
    assert target.cycles == "estimated"


def test_the_same_code_takes_as_many_instructions_and_as_much_stack_on_both_arm_cores():
    """An emulator of another make counts what the exact core counts."""
    exact, other = usable_target("rp2040-core").core(), usable_target("cortex-m").core()
    other.architecture = exact.architecture  # a Cortex-M4 runs ARMv6-M code
    found = []
    for core in (exact, other):
        place = core.data(b"".join(n.to_bytes(4, "little") for n in range(50)) + bytes(4))
        result = module(core).call("total", place, 50)
        found.append((result.value, result.instructions, result.stack))
    assert found[0] == found[1]
    assert found[0][0] == 49 * 25


def test_an_exception_of_the_xtensa_core_is_told_with_its_cause():
    core = usable_target("xtensa-core").core()
    assert isinstance(core, XtensaCore)
    with pytest.raises(TargetError, match=r"exception 0 at pc 0xd00[0-9a-f]{5}"):
        core.call(core.load(b"\x36\x41\x00\x00\x00\x00"))  # entry; ill


@pytest.mark.parametrize(
    ("made", "board", "words"),
    [
        ("armv6m", "rv32imc", "for armv6m, the board's is rv32imc"),
        ("xtensawin", "armv6m", "for xtensawin, the board's"),
    ],
)
def test_a_file_for_another_core_is_refused_with_both_names(made, board, words):
    number = loadable.ARCHITECTURES.index(board) << 10 | 0x306
    firmware = Firmware("micropython", (1, 25, 0), number, board, None, None, True, True, False)
    assert words in (loadable.why_not_mpy(compile_mpy(MODULE, "m.py", made), firmware) or "")


@pytest.mark.parametrize(("target", "made"), [("qemu-rv32", "armv6m"), ("qemu-m4", "xtensawin")], indirect=["target"])
def test_micropython_refuses_the_file_too(target, made):
    with pytest.raises(TargetError, match=r"incompatible \.mpy arch"):
        target.run({"m.mpy": compile_mpy(MODULE, "m.py", made)}, "import m")
