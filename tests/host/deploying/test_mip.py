"""mpremote's own commands: its package installer, cp, run, mount and df."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import usable_target
from support.networks import plain_network as network

from nnhw.exporting import write_build

pty_board = pytest.importorskip("pty_board", reason="this system has no pseudo terminals")
DEVICE = Path(__file__).parents[3] / "device"


@pytest.fixture
def board() -> Iterator[pty_board.PtyBoard]:
    usable_target("unix")
    made = pty_board.PtyBoard()
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_build.export(network((3, 4, 2), "leaky_relu"), tmp_path / "tiny", "w8a16", source="tiny.json")
    return tmp_path / "tiny"


def mpremote(board: pty_board.PtyBoard, *arguments: object, cwd: Path | None = None) -> str:
    command = [sys.executable, "-m", "mpremote", "connect", board.port, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_build_folder_is_installed_by_mip_and_tests_itself(board: pty_board.PtyBoard, folder: Path) -> None:
    mpremote(board, "mip", "install", folder / "package.json")
    assert "logits identical" in mpremote(board, "exec", "import selftest")
    assert "class" in mpremote(board, "exec", "import tiny; print(tiny.label((1, 2, 3)))")


def test_the_runtime_is_installed_by_mip_and_loads_a_model(board: pty_board.PtyBoard, folder: Path) -> None:
    mpremote(board, "mip", "install", DEVICE / "package.json")
    mpremote(board, "fs", "cp", folder / "tiny.nnb", folder / "vectors.jsonl", ":")
    script = "import nnrun; from nnrun import selftest; selftest.run(nnrun.load('tiny.nnb', True), 'vectors.jsonl')"
    assert "logits identical" in mpremote(board, "exec", script)


def test_the_package_names_every_module_of_the_runtime() -> None:
    named = (DEVICE / "package.json").read_text()
    for path in (DEVICE / "nnrun").glob("*.py"):
        assert f'"nnrun/{path.name}"' in named


def test_the_commands_of_the_readme_of_a_build_work(board: pty_board.PtyBoard, folder: Path) -> None:
    lines = [line.strip() for line in (folder / "README.md").read_text().splitlines()]
    copy = next(line for line in lines if line.startswith("mpremote cp"))
    execute = next(line for line in lines if line.startswith("mpremote exec"))
    mpremote(board, *copy.split()[1:], cwd=folder)
    code, _, answer = execute.removeprefix("mpremote exec ").partition('"     # prints ')
    # A shell may take the remark behind the command for words, so the answer in it is quoted.
    assert [mpremote(board, "exec", code.strip('"')).strip()] == shlex.split(answer)


def test_a_program_of_this_computer_runs_on_the_board_with_mounted_files(
    board: pty_board.PtyBoard, folder: Path
) -> None:
    assert "logits identical" in mpremote(board, "mount", folder, "exec", "import selftest")
    program = folder / "program.py"
    program.write_text("print(6 * 7)")
    assert "42" in mpremote(board, "run", program)
    assert "VfsLfs2" in mpremote(board, "df")
