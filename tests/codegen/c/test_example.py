"""The C example is what its README says: it builds and runs on this machine, as Cortex-M0+ code, and as a sketch."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support import c_programs as c
from support.networks import plain_network

from nnhw.targets.core import arm_c
from nnhw.targets.core.core import Core
from nnhw_codegen.integers import precision
from nnhw_codegen.network.network import Input, Network
from nnhw_codegen.quantization.quantize import quantize

EXAMPLE = Path(__file__).parents[3] / "firmware_examples" / "c_header"
CLASSES = ("setosa", "versicolor", "virginica")
FLOWER = (51, 35, 14, 2)

ARDUINO = """
enum { LOW, HIGH, OUTPUT, LED_BUILTIN = 25 };
void pinMode(int, int);
void digitalWrite(int, int);
struct SerialPort { void begin(long); int available(); long parseInt(); int read(); void println(const char *); };
extern SerialPort Serial;
"""


@pytest.fixture(scope="module")
def model():
    layers = plain_network((4, 8, 3), "leaky_relu", 2).layers
    names = ("sepal length", "sepal width", "petal length", "petal width")
    inputs = tuple(Input(name, 4.0, 2.0, 0.1, 0.0, 8.0) for name in names)
    return quantize(Network(layers, inputs, CLASSES), precision.get("w8a8"))


@pytest.fixture
def files(model):
    return {"iris.h": c.header(model, "iris").encode(), "main.c": (EXAMPLE / "main.c").read_bytes()}


def expected_class(model):
    return int(c.expected(model, c.np.array([FLOWER]))[0, -1])


@pytest.mark.parametrize("target", ["c"], indirect=True)
def test_the_program_prints_the_class_on_this_machine(target, model, files):
    assert target.run(files, flags=c.WARNINGS) == CLASSES[expected_class(model)] + "\n"


@pytest.mark.parametrize("target", ["rp2040-core"], indirect=True)
@pytest.mark.skipif(bool(arm_c.why_unavailable()), reason=str(arm_c.why_unavailable()))
def test_the_program_stores_the_class_on_a_bare_core(target, model, files):
    core: Core = target.core()
    core.load_program(arm_c.compile_c(files, ("-O3", "-ffreestanding", *c.WARNINGS)))
    assert core.call("main").value == 0
    assert int.from_bytes(core.read(core.symbol("answer"), 4), "little") == expected_class(model)


@pytest.mark.skipif(bool(arm_c.why_unavailable()), reason=str(arm_c.why_unavailable()))
def test_the_sketch_compiles_against_the_arduino_functions_it_calls(tmp_path, files):
    (tmp_path / "iris.h").write_bytes(files["iris.h"])
    (tmp_path / "iris.cpp").write_text(ARDUINO + (EXAMPLE / "iris.ino").read_text())
    command = ["arm-none-eabi-g++", "-std=c++11", "-Wall", "-Wextra", "-Werror", *arm_c.MACHINE, "-fsyntax-only"]
    done = subprocess.run([*command, "iris.cpp"], check=False, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
