"""A command that is told to end: its exit code, and nothing left of its children and folders."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import usable_target

LOOP = """
import os, signal, sys, tempfile
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
from pathlib import Path
import click
from nnhw.cli import commands
from nnhw.targets import get_script_target

@click.command()
def loop():
    with get_script_target({target!r}).session({{}}) as session:
        Path("started").write_text("")
        session.run("while True: pass", 600)

commands.Commands.get_command = lambda self, ctx, name: loop
commands.main(["loop"])
"""


def children(of: int) -> set[int]:
    """The processes that ``of`` started and that are still there."""
    tasks = Path(f"/proc/{of}/task")
    found = " ".join((task / "children").read_text() for task in tasks.iterdir()) if tasks.exists() else ""
    direct = {int(number) for number in found.split()}
    return direct.union(*(children(child) for child in direct))


def alive(number: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait_for(what) -> None:
    """Until it is so; a test that waits in vain ends by the minute."""
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.mark.parametrize("target", ["wasm", "unix", "microbit"])
@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda n: n.name
)
def test_a_signal_ends_the_guest_with_the_command(target: str, number: signal.Signals, tmp_path: Path) -> None:
    usable_target(target)
    script = LOOP.format(target=target)
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: (tmp_path / "started").exists())
    wait_for(lambda: target == "wasm" or children(process.pid))
    guests = children(process.pid)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    if number == signal.SIGKILL:
        assert process.returncode == -number
    else:
        assert process.returncode == 128 + number
        assert errors == ("nnhw: interrupted\n" if number == signal.SIGINT else "")
        assert list(scratch.iterdir()) == []
    wait_for(lambda: not any(map(alive, guests)))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda n: n.name)
def test_a_signal_ends_the_workers_of_a_study(number: signal.Signals, tmp_path: Path) -> None:
    pytest.importorskip("joblib")
    process = subprocess.Popen(
        [sys.executable, "-m", "nnhw", "study", "relu-at-zero", "--jobs", "2", "-o", str(tmp_path / "s")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # also where the tests run in the background
    )
    wait_for(lambda: len(children(process.pid)) >= 2)
    workers = children(process.pid)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    assert "Traceback" not in errors
    wait_for(lambda: not any(map(alive, workers)))
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".part"]
