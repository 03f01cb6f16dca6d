"""C on the bare core and on this machine."""

from __future__ import annotations

import struct
import sys

import pytest

from nnhw.errors import TargetError
from nnhw.targets import c, get
from nnhw.targets.core import arm_c
from nnhw.targets.core.core import Core

C = pytest.mark.parametrize("target", ["c"], indirect=True)

SOURCE = b"""
#include "net.h"
#include <string.h>
static int32_t counter = 5;
static int8_t buffer[300];
uint32_t table[4] = {1, 2, 3, 4};
static const int16_t constants[3] = {-1, 2, 3};
int32_t dot(const int8_t *w, const int8_t *x, int n) {
    int32_t sum = 0;
    for (int i = 0; i < n; i++) sum += w[i] * x[i];
    return sum;
}
int32_t state(int a, int b, int c, int d, int e, int32_t f) {
    counter++;
    memset(buffer, a, (unsigned)b * 100u);
    return counter + constants[c] + buffer[d] + e * f;
}
int32_t divide(int a, int b) { return a / b; }
uint32_t entry(int i) { return table[i]; }
int32_t word_at(const char *p) { return *(const int32_t *)(const void *)p; }
"""
HEADER = b"#include <stdint.h>\nint32_t dot(const int8_t *w, const int8_t *x, int n);\n"
FILES = {"net.c": SOURCE, "net.h": HEADER}


@pytest.fixture(scope="module")
def program():
    if arm_c.why_unavailable():
        pytest.skip(arm_c.why_unavailable())
    return arm_c.compile_c(FILES)


@pytest.fixture
def core(program):
    pytest.importorskip("rp2040py", reason="rp2040-core: rp2040py is not installed")
    core = Core()
    core.load_program(program)
    return core


def test_a_compiled_function_is_called_by_name(core):
    w, x = core.data(struct.pack("<3b", 1, -1, 3)), core.data(struct.pack("<3b", 10, 20, 30))
    result = core.call("dot", w, x, 3)
    assert result.value == 10 - 20 + 90
    assert 30 < result.cycles < 80


def test_variables_constants_and_the_c_library_work(core):
    assert core.call("state", 7, 3, 1, 2, -4, 1000).value == 6 + 2 + 7 - 4000
    assert core.call("state", 7, 3, 1, 2, -4, 1000).value == 7 + 2 + 7 - 4000
    assert core.call("divide", -1000, 7).value == -142


def test_a_variable_can_be_read_and_set_by_name(core):
    assert core.read(core.symbol("table"), 16) == struct.pack("<4I", 1, 2, 3, 4)
    core.write(core.symbol("table"), struct.pack("<I", 99))
    assert core.call("entry", 0).value == 99


def test_faults_of_compiled_code_are_errors(core):
    w = core.data(bytes(8))
    with pytest.raises(TargetError, match="misaligned word access"):
        core.call("word_at", w + 1)
    with pytest.raises(TargetError, match="a read from"):
        core.call("entry", 200)


def test_the_sections_of_a_program_are_told_apart(program):
    assert len(program.data) == 4 + 16
    assert program.bss == 300
    assert struct.pack("<3h", -1, 2, 3) in program.text
    assert {"dot", "state", "table", "buffer"} <= program.symbols.keys()


def test_optimization_flags_reach_the_cross_compiler(program):
    assert len(arm_c.compile_c(FILES, ["-Os"]).text) < len(program.text)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"int f(void) { int unused; return 1; }", "unused variable"),
        (b"int g(int); int f(void) { return g(1); }", "undefined reference to `g'"),
    ],
)
def test_a_warning_or_a_missing_symbol_is_an_error(program, source, words):
    with pytest.raises(TargetError, match=words):
        arm_c.compile_c({"net.c": source})


def test_a_missing_cross_compiler_says_what_to_install(monkeypatch):
    monkeypatch.setattr(arm_c.shutil, "which", lambda name: None)
    with pytest.raises(TargetError, match="apt install gcc-arm-none-eabi"):
        arm_c.compile_c(FILES)


ECHO = b"""
#include <stdio.h>
#include "limits.inc"
int main(int count, char **arguments) {
    int x;
    while (scanf("%d", &x) == 1 && x < LIMIT) printf("%d ", 2 * x);
    printf("%s %d\\n", arguments[1], count);
    return 0;
}
"""


@C
def test_a_program_reads_stdin_and_arguments_and_prints(target):
    files = {"main.c": ECHO, "limits.inc": b"#define LIMIT 100\n"}
    assert target.run(files, ["hi"], b"1\n20\n-3\n") == "2 40 -6 hi 2\n"


@C
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"int x = count + 2147483647; return x == 0;", "signed integer overflow"),
        (b"int a[2] = {0, 1}; return a[count + 1];", "out of bounds"),
        (b"int x = 1 << (count + 31); return x == 0;", "shift exponent"),
        (b"volatile char *p = malloc((size_t)count); p[count] = 1; return 0;", "heap-buffer-overflow"),
    ],
)
def test_a_sanitizer_report_is_an_error(target, body, words):
    if not c._sanitizers():
        pytest.skip("c: this compiler has no sanitizers")
    source = b"#include <stdlib.h>\nint main(int count, char **v) { (void)v; " + body + b" }"
    with pytest.raises(TargetError, match=words):
        target.run({"main.c": source})


@C
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"int unused; return 0;", "unused variable"),
        (b"long wide = 5; short narrow = wide; return narrow;", "conversion"),
        (b"return 0", "error: expected"),
    ],
)
def test_a_warning_is_an_error(target, body, words):
    with pytest.raises(TargetError, match=words):
        target.run({"main.c": b"int main(void) { " + body + b" }"})


@C
def test_an_exit_code_a_crash_and_a_time_out_are_errors(target):
    start = b'#include <stdio.h>\n#include <stdlib.h>\nint main(void) { puts("x"); fflush(stdout); '
    with pytest.raises(TargetError, match="exit code 4") as caught:
        target.run({"main.c": start + b"return 4; }"})
    assert caught.value.output == "x\n"
    with pytest.raises(TargetError, match="ended with signal 6"):
        target.run({"main.c": start + b"abort(); }"})
    with pytest.raises(TargetError, match=r"did not finish within 0\.5 s") as caught:
        target.run({"main.c": start + b"for (;;) { } }"}, timeout=0.5)
    assert caught.value.output == "x\n"


def test_a_missing_compiler_says_what_to_install(monkeypatch):
    monkeypatch.setenv(c.COMPILER_VARIABLE, "no-such-compiler")
    with pytest.raises(TargetError, match="c: no C compiler was found"):
        get("c").run({"main.c": b""})


def test_the_targets_describe_themselves_and_each_runs_some_code():
    targets = sys.modules["nnhw.targets"].TARGETS
    assert all(target.summary and target.word_bits in (32, 64) and target.codes for target in targets)


def test_what_no_package_brings_is_tried_last():
    asked = [target.opt_in for target in sys.modules["nnhw.targets"].TARGETS]
    assert asked == sorted(asked)
