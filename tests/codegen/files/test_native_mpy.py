"""The writer of native .mpy files: machine code in place of placeholders, everything else as mpy-cross made it."""

from __future__ import annotations

import pytest

from nnhw.boards import mpy_cross
from nnhw.targets.core.mpy_functions import machine_functions
from nnhw_codegen.files import native_mpy
from nnhw_codegen.files.native_mpy import NativeModule

SOURCE = b"""
K = "a constant"
def one(): pass
def other(x):
    def inner(): return x
    return inner
def two(): pass
T = (2.5, b"bytes", 1 << 40, b"nnhw: run-time")
"""
CODE = bytes(range(24))


@pytest.fixture(autouse=True)
def _compiler():
    if mpy_cross.why_unavailable():
        pytest.skip(f"mpy-cross: {mpy_cross.why_unavailable()}")


def spliced(functions, architecture="armv6m", source=SOURCE):
    module = NativeModule(source, functions, architecture)
    return native_mpy.splice(mpy_cross.compile_mpy(source, "m.py"), module)


def test_machine_code_stands_where_the_functions_were():
    found = machine_functions(spliced({"one": CODE, "two": CODE[:12]}))
    assert {name: function.code for name, function in found.items()} == {"one": CODE, "two": CODE[:12]}


def test_the_constant_that_asks_for_the_run_time_becomes_its_place():
    plain = mpy_cross.compile_mpy(SOURCE, "m.py")
    made = spliced({})
    assert native_mpy.RUN_TIME_TABLE in plain
    assert native_mpy.RUN_TIME_TABLE not in made
    assert len(plain) - len(made) == len(native_mpy.RUN_TIME_TABLE) + 2  # its length byte and the zero at its end


@pytest.mark.parametrize("architecture", native_mpy.ARCHITECTURES)
def test_the_header_names_the_architecture_as_mpy_cross_does(architecture):
    native = b"import micropython\n@micropython.viper\ndef f(a: int) -> int:\n    return a\n"
    assert spliced({}, architecture)[:3] == mpy_cross.compile_mpy(native, "n.py", architecture)[:3]


@pytest.mark.parametrize(
    ("functions", "architecture", "message"),
    [({"three": CODE}, "armv6m", "has no function three"), ({}, "avr", "no architecture 'avr'; known: x64, armv6m")],
)
def test_what_is_not_there_is_refused(functions, architecture, message):
    with pytest.raises(ValueError, match=message):
        spliced(functions, architecture)


def test_only_bytecode_is_taken():
    native = mpy_cross.compile_mpy(SOURCE + b"@micropython.native\ndef f(): pass\n", "n.py", "armv6m")
    with pytest.raises(ValueError, match="expected bytecode"):
        native_mpy.splice(native, NativeModule(SOURCE, {}, "armv6m"))
