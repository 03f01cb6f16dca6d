"""Flashing and verifying over a serial port, against MicroPython behind a pseudo terminal (pty_board)."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import usable_target
from support.hostile_names import VISIBLE
from support.networks import plain_network as network

from nnhw.boards import line, mpy_cross
from nnhw.boards.link import Link
from nnhw.cli import commands
from nnhw.errors import TargetError
from nnhw.exporting import build_folder, write_build
from nnhw_codegen.integers import reference

pty_board = pytest.importorskip("pty_board", reason="this system has no pseudo terminals")
RELU = "relu"
COPIED = {"tiny.mpy", "selftest.mpy", "vectors.jsonl"}


def nnhw(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(commands.main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


def build(folder: Path, code: str = "portable", seed: int = 0) -> Path:
    directory = folder / f"{code}{seed}"
    write_build.export(network((3, 4, 2), RELU, seed), directory, "w8a8", code, source="tiny.json")
    return directory


@pytest.fixture
def boards() -> Iterator[object]:
    """Makes boards, and takes them away."""
    usable_target("unix")
    made = []

    def make(**options: object) -> pty_board.PtyBoard:
        made.append(pty_board.PtyBoard(**options))
        return made[-1]

    yield make
    for board in made:
        board.close()


def flashed(folder: Path, board: pty_board.PtyBoard, *options: object, code: int = 0) -> dict[str, object]:
    found: dict[str, object] = json.loads(nnhw("flash", folder, "--port", board.port, "--json", *options, code=code))
    return found


def names_on(board: pty_board.PtyBoard) -> set[str]:
    with Link(board.port) as link:
        return set(link.names())


@pytest.mark.parametrize("code", ["portable", "compact", "viper"])
def test_a_model_is_copied_once_and_tested(tmp_path: Path, boards, code: str) -> None:
    board = boards()
    folder = build(tmp_path, code)
    first = flashed(folder, board)
    assert set(first["copied"]) == COPIED
    assert first["passed"]
    assert "logits identical" in first["self_test"]
    assert first["microseconds"] > 0
    second = flashed(folder, board)
    assert (second["copied"], set(second["unchanged"]), second["passed"]) == ({}, COPIED, True)
    assert names_on(board) == COPIED


def test_hostile_names_are_data_on_the_way_to_a_board(
    tmp_path: Path, boards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = network((3, 4, len(VISIBLE)), RELU)
    inputs = tuple(replace(entry, name=name) for entry, name in zip(made.inputs, VISIBLE, strict=False))
    made = replace(made, inputs=inputs, classes=VISIBLE)
    directory = tmp_path / "tiny"
    write_build.export(made, directory, "w8a8", source="tiny.json")
    board = boards()
    assert "self-test passed" in nnhw("flash", directory, "--port", board.port)
    assert names_on(board) == COPIED
    with Link(board.port) as link:
        told = link.execute("import tiny\nprint(tiny.label((1, 2, 3)))", 10)
    row = np.array([[1.0, 2.0, 3.0]])
    assert told.rstrip("\r\n") == VISIBLE[int(reference.predict(build_folder.read(directory).model, row)[0])]
    assert not list(tmp_path.rglob("pwned"))


def test_a_port_that_is_about_to_be_let_go_is_waited_for(boards) -> None:
    fcntl = pytest.importorskip("fcntl")
    board = boards()
    held = os.open(board.port, os.O_RDWR | os.O_NOCTTY)
    fcntl.flock(held, fcntl.LOCK_EX)
    threading.Timer(0.3, os.close, (held,)).start()
    assert names_on(board) == set()


def test_the_summary_tells_what_was_done(tmp_path: Path, boards) -> None:
    text = nnhw("flash", build(tmp_path), "--port", boards().port)
    for words in (
        "MicroPython 1.",
        "bytes of heap free",
        "tiny.mpy",
        "self-test passed",
        "microseconds per prediction",
    ):
        assert words in text


def test_a_stale_source_is_removed_as_it_would_be_loaded_instead(tmp_path: Path, boards) -> None:
    board = boards()
    assert set(flashed(build(tmp_path, seed=1), board, "--form", "py")["copied"]) == {
        "tiny.py",
        "selftest.py",
        "vectors.jsonl",
    }
    done = flashed(build(tmp_path), board)
    assert (set(done["removed"]), done["passed"]) == ({"tiny.py", "selftest.py"}, True)
    back = flashed(build(tmp_path, seed=1), board, "--form", "py")
    assert (set(back["removed"]), back["passed"]) == ({"tiny.mpy", "selftest.mpy"}, True)


@pytest.mark.parametrize("after", [1500, 5000, 9000])
def test_a_port_that_vanishes_in_mid_copy_leaves_the_model_of_before(tmp_path: Path, boards, after: int) -> None:
    board = boards()
    old, new = build(tmp_path), build(tmp_path, seed=1)
    flashed(old, board)
    board.unplug_after = board.carried + after
    assert "run the command again" in nnhw("flash", new, "--port", board.port, code=1)
    board.unplug()
    board.plug_in()
    with Link(board.port) as link:
        assert "logits identical" in link.execute("import selftest")
        left = link.hashes(["tiny.mpy"])
    assert set(flashed(new, board)["copied"]) >= {"tiny.mpy", "vectors.jsonl"}
    with Link(board.port) as link:
        assert link.hashes(["tiny.mpy"]) != left
    assert names_on(board) == COPIED


def test_a_full_file_system_is_told_before_anything_is_copied(tmp_path: Path, boards) -> None:
    board = boards(blocks=10)
    text = nnhw("flash", build(tmp_path), "--port", board.port, code=1)
    assert "the file system is full" in text
    assert "free" in text
    assert names_on(board) == set()


def test_a_file_system_that_fills_up_while_copying_keeps_what_it_had(tmp_path: Path, boards) -> None:
    board = boards(blocks=12, more=pty_board.fake_module("os", without=("statvfs",)))
    text = nnhw("flash", build(tmp_path), "--port", board.port, code=1)
    assert "the file system is full: no room for" in text
    assert {name for name in names_on(board) if not name.endswith(".new")} == set()


def test_a_wrong_architecture_on_the_board_is_replaced(tmp_path: Path, boards) -> None:
    board = boards()
    folder = build(tmp_path, "viper")
    with Link(board.port) as link:
        link.stage("tiny.mpy", mpy_cross.compile_mpy((folder / "tiny.py").read_bytes(), "tiny.py", "armv6m"))
        link.install(["tiny.mpy"])
        with pytest.raises(TargetError, match="incompatible"):
            link.execute("import tiny")
    assert flashed(folder, board)["passed"]


def test_machine_code_that_a_board_refuses_fails_the_self_test(tmp_path: Path, boards) -> None:
    """A firmware that tells the wrong architecture."""
    board = boards(more=pty_board.fake_implementation(name="micropython", version=(1, 29, 0), _mpy=0x1306))
    done = flashed(build(tmp_path, "viper"), board, code=1)
    assert not done["passed"]
    assert "incompatible" in done["self_test"]


def test_code_that_a_board_cannot_run_is_refused_with_the_way_out(tmp_path: Path, boards) -> None:
    text = nnhw("flash", build(tmp_path, "thumb"), "--port", boards().port, code=1)
    assert "needs asm_thumb" in text
    assert "--code viper or portable" in text


def test_thumb_code_is_not_copied_to_a_core_with_a_data_cache(tmp_path: Path, boards) -> None:
    board = boards(more=pty_board.fake_implementation(name="micropython", version=(1, 25, 0), _mpy=0x2306))
    text = nnhw("flash", build(tmp_path, "thumb"), "--port", board.port, code=1)
    assert "Cortex-M7 (armv7emdp)" in text
    assert "--code viper" in text


def test_an_old_micropython_gets_sources(tmp_path: Path, boards) -> None:
    board = boards(more=pty_board.fake_implementation(name="micropython", version=(1, 17, 0), mpy=5))
    folder = build(tmp_path)
    assert "use --form py, or update" in nnhw("flash", folder, "--port", board.port, "--form", "mpy", code=1)
    done = flashed(folder, board)
    assert set(done["copied"]) == {"tiny.py", "selftest.py", "vectors.jsonl"}
    assert done["passed"]
    assert "loads .mpy format 5" in done["notes"][0]


def test_another_firmware_is_refused(tmp_path: Path, boards) -> None:
    board = boards(more=pty_board.fake_implementation(name="circuitpython", version=(9, 1, 0)))
    assert "runs CircuitPython 9.1.0" in nnhw("flash", build(tmp_path), "--port", board.port, code=1)


def test_a_board_without_what_copying_needs_is_refused(tmp_path: Path, boards) -> None:
    board = boards(more=pty_board.fake_module("os", without=("rename",)))
    assert "copy tiny.py with the board's own editor" in nnhw("flash", build(tmp_path), "--port", board.port, code=1)


def test_the_runtime_comes_along_and_is_tested(tmp_path: Path, boards) -> None:
    board = boards()
    done = flashed(build(tmp_path), board, "--with-runtime")
    assert {"tiny.nnb", "lib/nnrun/__init__.mpy", "lib/nnrun/kernels_viper.mpy"} <= set(done["copied"])
    assert done["self_test"].count("logits identical") == 2


def test_a_main_is_installed_and_the_one_before_is_kept(tmp_path: Path, boards) -> None:
    board = boards()
    folder, program = build(tmp_path), tmp_path / "program.py"
    for text in ("print('first')", "print('second')", "print('second')"):
        program.write_text(text)
        done = flashed(folder, board, "--main", program)
    assert "main.py" in done["unchanged"]
    with Link(board.port) as link:
        assert link.execute("print(open('main.py').read(), open('main_before.py').read())") == (
            "print('second') print('first')\n"
        )


def test_too_small_a_heap_is_told_as_such(tmp_path: Path, boards) -> None:
    folder = tmp_path / "large"
    write_build.export(network((12, 20, 10), RELU), folder, "w8a8", "portable", source="tiny.json")
    done = flashed(folder, boards(heap=40_000), "--form", "py", code=1)
    assert "too little memory for this model; see 'nnhw fit'" in done["self_test"]


def test_the_doctor_tells_what_a_board_runs_and_that_two_forms_of_a_module_clash(boards) -> None:
    board = boards()
    with Link(board.port) as link:
        for name in ("tiny.py", "tiny.mpy"):
            link.stage(name, b"")
        link.install(["tiny.py", "tiny.mpy"])
    text = nnhw("doctor", "--port", board.port)
    assert "emitting mpy v6" in text
    assert f"{board.port}: MicroPython 1." in text
    assert "bytes of heap free, .mpy 6.3, x64" in text
    assert "the board loads tiny.py" in text
    assert "cannot open the port" in nnhw("doctor", "--port", "/dev/none")


def test_a_build_in_c_cannot_be_flashed(tmp_path: Path, boards) -> None:
    assert "export it again with --code portable" in nnhw("flash", build(tmp_path, "c"), "--port", "none", code=2)


def test_a_port_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "board:/dev/none: cannot open the port" in nnhw("flash", build(tmp_path), "--port", "/dev/none", code=1)


def test_a_port_without_micropython_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line, "SILENCE_SECONDS", 0.3)
    outer, inner = os.openpty()
    try:
        assert "no MicroPython prompt" in nnhw("flash", build(tmp_path), "--port", os.ttyname(inner), code=1)
    finally:
        os.close(outer)
        os.close(inner)


def test_rows_run_and_are_verified_on_a_board_that_is_left_as_it_was(tmp_path: Path, boards) -> None:
    board = boards()
    folder = build(tmp_path, "viper")
    assert "rows: logits identical" in nnhw("verify", folder, "--on", f"board:{board.port}", "--rows", 40)
    assert "logits" in nnhw("run", folder, 1, 0, -1, "--on", f"board:{board.port}")
    assert names_on(board) == set()


def test_a_board_that_vanishes_while_verifying_is_told_and_recovers(tmp_path: Path, boards) -> None:
    board = boards()
    folder = build(tmp_path)
    board.unplug_after = board.carried + 3000
    assert f"board:{board.port}" in nnhw("verify", folder, "--on", f"board:{board.port}", "--rows", 40, code=1)
    board.unplug()
    board.plug_in()
    assert "rows: logits identical" in nnhw("verify", folder, "--on", f"board:{board.port}", "--rows", 40)
    assert names_on(board) == set()


def test_a_script_that_never_ends_is_interrupted_and_the_next_one_runs(boards) -> None:
    board = boards()
    with usable_target(f"board:{board.port}").session({}) as session:
        with pytest.raises(TargetError, match=r"did not finish within 0\.5 s"):
            session.run("print(1)\nwhile True: pass", timeout=0.5)
        assert session.run("print(2)") == "2\n"


def test_the_micropython_of_a_microbit_is_too_old_and_told_so(tmp_path: Path) -> None:
    usable_target("microbit")
    with pty_board.microbit_port(tmp_path) as port:
        text = nnhw("flash", build(tmp_path), "--port", port, code=1)
    assert "MicroPython 1.9.2 on microbit has no rename" in text
