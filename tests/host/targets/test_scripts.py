"""What every target that runs MicroPython scripts promises."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
import weakref

import pytest

from nnhw.errors import TargetError
from nnhw.targets import get, get_script_target, microbit, unix, wasm

SIZED = pytest.mark.parametrize("target", ["unix", "wasm"], indirect=True)
WASM = pytest.mark.parametrize("target", ["wasm"], indirect=True)
UNIX = pytest.mark.parametrize("target", ["unix"], indirect=True)
MICROBIT = pytest.mark.parametrize("target", ["microbit"], indirect=True)


def test_a_script_prints_to_the_result(script_target):
    assert script_target.run({}, "print('hello', 6 * 7)\nprint('a\\tb')") == "hello 42\na\tb\n"


def test_a_module_and_a_data_file_reach_the_guest(script_target):
    data = bytes(range(256)) + b"'\"\\\r\n\x00\x01\x03\x04" * 5
    files = {"model.py": b"NAME = 'iris'\ndef twice(x):\n    return 2 * x\n", "w.bin": data}
    script = "import model\nd = open('w.bin', 'rb').read()\nprint(model.NAME, model.twice(21), len(d))\n"
    script += "h = 0\nfor c in d:\n    h = (h * 31 + c) & 0xffffff\nprint(h)"
    expected = 0
    for byte in data:
        expected = (expected * 31 + byte) & 0xFFFFFF
    assert script_target.run(files, script) == f"iris 42 {len(data)}\n{expected}\n"


def test_a_package_is_importable(script_target):
    files = {"nnrun/__init__.py": b"VERSION = 3\n"}
    assert script_target.run(files, "import nnrun\nprint(nnrun.VERSION)") == "3\n"


def test_a_traceback_reaches_the_error_with_file_and_line(script_target):
    files = {"model.py": b"def infer():\n    return 1 // 0\n"}
    with pytest.raises(TargetError) as caught:
        script_target.run(files, "import model\nprint('before')\nmodel.infer()")
    message = str(caught.value)
    assert message.startswith(f"{script_target.name}: Traceback (most recent call last):\n")
    assert 'model.py", line 2' in message
    assert "ZeroDivisionError" in message
    assert caught.value.output == "before\n"


def test_a_syntax_error_is_reported(script_target):
    with pytest.raises(TargetError, match="SyntaxError"):
        script_target.run({}, "print(1\n")


def test_an_endless_script_is_stopped_in_time(script_target):
    start = time.monotonic()
    with pytest.raises(TargetError, match=rf"{script_target.name}: .* in time|within 0\.5 s") as caught:
        script_target.run({}, "print('started')\nwhile True:\n    pass", timeout=0.5)
    assert time.monotonic() - start < 30
    assert caught.value.output == "started\n"


def test_each_run_of_a_session_starts_a_fresh_interpreter(script_target):
    with script_target.session({"m.py": b"count = 0\n"}) as session:
        assert session.run("import m\nm.count += 1\nkept = 5\nprint(m.count)") == "1\n"
        assert session.run("import m\nprint(m.count, 'kept' in globals())") == "0 False\n"


def test_a_session_survives_an_exception(script_target):
    with script_target.session({}) as session:
        with pytest.raises(TargetError, match="ValueError: no"):
            session.run("raise ValueError('no')")
        assert session.run("print('still here')") == "still here\n"


def test_a_closed_session_says_so(script_target):
    session = script_target.session({})
    session.close()
    session.close()
    with pytest.raises(TargetError, match=f"{script_target.name}: the session is closed"):
        session.run("print(1)")


def test_a_file_written_by_the_guest_stays_for_the_next_run(script_target):
    with script_target.session({}) as session:
        session.run("f = open('log.txt', 'w')\nf.write('kept')\nf.close()")
        assert session.run("print(open('log.txt').read())") == "kept\n"


def test_a_long_script_arrives_whole(script_target):
    lines = "".join(f"# padding {number} {'x' * 60}\n" for number in range(80))
    assert script_target.run({}, lines + "print(len('end'))") == "3\n"


@pytest.mark.parametrize("name", ["a/b/c.py", "../up.py", "/abs.py", "a//b.py", "", "__script__.py"])
def test_an_unusable_file_name_is_refused(script_target, name):
    with pytest.raises(TargetError, match="cannot be used"):
        script_target.run({name: b""}, "print(1)")


@SIZED
def test_the_heap_size_decides_what_fits(target):
    script = "x = bytearray(40000)\nprint(len(x))"
    assert target.run({}, script, heap=64 * 1024) == "40000\n"
    with pytest.raises(TargetError, match="MemoryError"):
        target.run({}, script, heap=32 * 1024)


@WASM
def test_small_ints_have_31_bits_on_wasm(target):
    assert target.word_bits == 32
    assert target.run({}, ALLOCATED.format(low=2**30 - 1, high=2**30)) == "2147483647 False True\n"


@UNIX
def test_small_ints_have_63_bits_on_unix(target):
    assert target.word_bits == 64
    assert target.run({}, ALLOCATED.format(low=2**62 - 1, high=2**62)) == f"{2**63 - 1} False True\n"


ALLOCATED = """
import gc, sys
def allocates(value):
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    value + 1 - 1
    after = gc.mem_alloc()
    gc.enable()
    return after > before
print(sys.maxsize, allocates({low} - 1), allocates({high}))
"""


@UNIX
def test_a_viper_function_runs_on_unix(target):
    files = {"k.py": b"import micropython\n@micropython.viper\ndef f(a: int) -> int:\n    return a * 3\n"}
    assert target.run(files, "import k\nprint(k.f(14))") == "42\n"


@SIZED
def test_an_exit_code_is_an_error(target):
    with pytest.raises(TargetError, match="exit code 3"):
        target.run({}, "import sys\nsys.exit(3)")
    assert target.run({}, "import sys\nprint('done')\nsys.exit()") == "done\n"


@SIZED
def test_a_package_with_several_modules_is_importable(target):
    files = {"nnrun/__init__.py": b"", "nnrun/kernel.py": b"def f():\n    return 9\n"}
    assert target.run(files, "from nnrun.kernel import f\nprint(f())") == "9\n"


@WASM
def test_a_process_that_used_wasm_exits_cleanly(target):
    program = "from nnhw.targets import get\nprint(get('wasm').run({}, 'print(5)'), end='')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "5\n", "")


@MICROBIT
def test_a_model_of_3_kb_is_importable_on_the_microbit(target):
    rows = "".join(f"    y{n} = x[0] * {n} + x[1] * -{n + 3} + x[2] * 17 + x[3]\n" for n in range(48))
    model = (
        b"W = " + repr(bytes(range(128, 256))).encode() + b"\ndef infer(x):\n" + rows.encode() + b"    return y47\n"
    )
    assert len(model) > 2800
    script = "import gc, model\ngc.collect()\nprint(model.infer((1, 2, 3, 4)), gc.mem_free() > 4000)"
    assert target.run({"model.py": model}, script) == f"{47 - 100 + 51 + 4} True\n"


@MICROBIT
def test_machine_code_in_a_buffer_runs_on_the_microbit(target):
    script = """
import micropython
@micropython.asm_thumb
def call(r0, r1, r2):
    push({r3})
    add(r2, 1)
    data(2, 0x4790)
    pop({r3})
print(call(40, 2, bytearray(b'\\x40\\x18\\x70\\x47')))
"""
    assert target.run({}, script) == "42\n"


@MICROBIT
def test_the_microbit_refuses_what_it_cannot_do(target):
    with pytest.raises(TargetError, match="heap of this board is fixed"):
        target.session({}, heap=4096)
    with pytest.raises(TargetError, match=r"nnrun/kernel.py cannot be stored"):
        target.session({"nnrun/kernel.py": b""})
    with pytest.raises(TargetError, match=r"writing big.bin \(60000 bytes\): .*flash is full"):
        target.session({"big.bin": b"\x55" * 60000})


@MICROBIT
def test_no_qemu_is_left_behind(target):
    session = target.session({})
    process = weakref.finalize(session, int)  # alive as long as the session is
    killer = session._end_process
    assert killer.alive
    del session
    gc.collect()
    assert not process.alive
    assert not killer.alive


def test_every_upload_command_fits_the_receive_buffer_and_none_is_lost():
    content = bytes(range(256)) * 3 + b"'\"" * 40
    commands = list(microbit.upload_commands("weights.bin", content))
    assert max(map(len, commands)) < microbit.COMMAND_BYTES
    assert commands[0] == b"_f=open('weights.bin','wb')"
    written = b"".join(eval(command[len("_f.write(") : -1]) for command in commands[1:-1])
    assert written == content


def test_the_flash_image_leaves_out_records_beyond_the_flash(tmp_path):
    path = tmp_path / "f.hex"
    path.write_text(":020000040000FA\n:0400100001020304E2\n:020000041000EA\n:0410C00001020304 22\n:00000001FF\n")
    image = microbit.read_flash_image(path)
    assert len(image) == microbit.FLASH_BYTES
    assert image[0x10:0x14] == bytes([1, 2, 3, 4])
    assert image.count(0xFF) == len(image) - 4


def test_a_bad_record_names_its_line(tmp_path):
    path = tmp_path / "f.hex"
    path.write_text(":020000040000FA\n:0400100001020304E3\n")
    with pytest.raises(TargetError, match=r"f.hex, line 2: not a valid Intel HEX record"):
        microbit.read_flash_image(path)


def test_a_missing_firmware_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(microbit.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setenv(microbit.FIRMWARE_VARIABLE, str(tmp_path / "none.hex"))
    reason = get("microbit").why_unavailable()
    assert "none.hex" in reason
    assert "apt install firmware-microbit-micropython" in reason


def test_missing_programs_and_packages_say_what_to_install(monkeypatch):
    monkeypatch.setattr(microbit.shutil, "which", lambda name: None)
    for module in (wasm, unix):
        monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    assert "apt install qemu-system-arm" in get("microbit").why_unavailable()
    for name in ("wasm", "unix"):
        assert "pip install 'nnhw[emulators]'" in get(name).why_unavailable()
        with pytest.raises(TargetError, match=f"{name}: .*pip install"):
            get(name).run({}, "print(1)")


def test_an_unknown_target_gets_a_suggestion():
    with pytest.raises(TargetError, match=r"no target 'wsam': did you mean 'wasm'\?"):
        get("wsam")
    with pytest.raises(TargetError, match=r"The targets are: wasm, .*microbit"):
        get_script_target("xyz")
