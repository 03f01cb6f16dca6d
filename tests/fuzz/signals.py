"""python tests/fuzz/signals.py: what each signal leaves behind, at ten moments of each command; into benchmarks/results.

Moments are tenths of the time that the command takes undisturbed. Exit code 1 where a command ends otherwise than it
should, a process or a temporary file is left, or a file is neither as before nor whole.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / part) for part in ("tests", "tests/support", "benchmarks")]

from pty_board import PtyBoard  # noqa: E402
from rig.results import write  # noqa: E402

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
MOMENTS = 10
GRACE = 60.0
"""Seconds after which a command counts as hanging, and a process as left."""


@dataclass(frozen=True)
class Command:
    """``words`` of nnhw, in a folder that holds a copy of what ``prepare`` makes."""

    words: tuple[str, ...]
    needs_board: bool = False


COMMANDS = {
    "train": Command(("train", "iris", "--layers", "8", "-o", "model.json")),
    "export": Command(("export", "iris.json", "-o", "build")),
    "verify": Command(("verify", "done", "--on", "wasm,unix,microbit")),
    "study": Command(("study", "relu-at-zero", "--quick", "--jobs", "2", "-o", "study")),
    "flash": Command(("flash", "done"), needs_board=True),
}


@dataclass(frozen=True)
class End:
    """How a command ended: its exit code, what it said, and what is left that should not be."""

    code: int | None
    said: str
    left: tuple[str, ...]


def descendants(of: int) -> set[int]:
    """The processes that ``of`` started, and theirs."""
    found: set[int] = set()
    for task in Path(f"/proc/{of}/task").glob("*/children"):
        try:
            for child in map(int, task.read_text().split()):
                found |= {child} | descendants(child)
        except OSError:
            continue
    return found


def alive(number: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def wait(what: Callable[[], bool]) -> bool:
    """Whether it comes about within GRACE."""
    end = time.monotonic() + GRACE
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def _hear() -> None:
    """In a child: hear every signal, also where this one was started to hear none of the terminal's."""
    for number in SIGNALS[:-1]:
        signal.signal(number, signal.SIG_DFL)


def start(command: Command, folder: Path, port: str | None) -> subprocess.Popen[str]:
    """The command in ``folder``, whose temporary files go into its ``tmp``, in a process group of its own."""
    (folder / "tmp").mkdir()
    words = [sys.executable, "-m", "nnhw", *command.words, *(["--port", port] if port else [])]
    return subprocess.Popen(
        words, cwd=folder, env={**os.environ, "TMPDIR": str(folder / "tmp")}, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, preexec_fn=_hear,
    )  # fmt: skip


def ended(command: Command, prepared: Path, after: float | None, number: signal.Signals | None) -> End:
    """How the command ends when it gets the signal ``after`` so many seconds; without a signal, how it ends."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "w"
        shutil.copytree(prepared, folder)
        board = PtyBoard() if command.needs_board else None
        try:
            process = start(command, folder, board.port if board else None)
            seen: set[int] = set()
            if number is not None and after is not None:
                end = time.monotonic() + after
                while time.monotonic() < end and process.poll() is None:
                    seen |= descendants(process.pid)
                    time.sleep(0.01)
                seen |= descendants(process.pid)
                if process.poll() is not None:
                    pass
                elif number == signal.SIGINT:
                    os.killpg(process.pid, number)  # as a terminal does
                else:
                    process.send_signal(number)
            try:
                said = "".join(process.communicate(timeout=GRACE))
            except subprocess.TimeoutExpired:
                process.kill()
                return End(None, "".join(process.communicate()), ("it hangs",))
            left = [] if wait(lambda: not any(map(alive, seen))) else ["a process"]
            left += [str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix == ".part"]
            if number != signal.SIGKILL:
                left += [f"tmp/{path.name}" for path in (folder / "tmp").iterdir()]
            return End(process.returncode, said, tuple(left))
        finally:
            if board:
                board.close()


def shell_code(end: End) -> str:
    """The exit code as a shell has it, where to be ended by a signal is 128 and its number."""
    return str(end.code) if end.code is None or end.code >= 0 else str(128 - end.code)


def right(end: End, number: signal.Signals) -> bool:
    """Whether the command ended by the signal, or was done before it came."""
    return shell_code(end) in ("0", str(128 + number)) and not end.left and "Traceback" not in end.said


def prepare(folder: Path) -> None:
    """A trained model and a build of it."""
    for words in (("train", "iris", "--layers", "8", "-o", "iris.json"), ("export", "iris.json", "-o", "done")):
        subprocess.run([sys.executable, "-m", "nnhw", *words], cwd=folder, check=True, capture_output=True)


def told(ends: Sequence[End]) -> str:
    """The exit codes, each with how often it came."""
    return ", ".join(f"{code}: {count}" for code, count in sorted(Counter(map(shell_code, ends)).items()))


def main() -> int:
    """The number of bad ends."""
    rows, bad = [], 0
    with tempfile.TemporaryDirectory() as place:
        prepared = Path(place)
        prepare(prepared)
        for name, command in COMMANDS.items():
            began = time.monotonic()
            undisturbed = ended(command, prepared, None, None)
            assert undisturbed.code == 0, undisturbed
            duration = time.monotonic() - began
            for number in SIGNALS:
                ends = [ended(command, prepared, duration * n / MOMENTS, number) for n in range(MOMENTS)]
                faults = [end for end in ends if not right(end, number)]
                bad += len(faults)
                for end in faults:
                    print(name, number.name, end, flush=True)
                rows.append({
                    "command": f"nnhw {name}", "signal": number.name, "moments": MOMENTS, "exit codes": told(ends),
                    "left behind": ", ".join(sorted({left for end in ends for left in end.left})) or "nothing",
                    "bad ends": len(faults),
                })  # fmt: skip
                print(rows[-1], flush=True)
    write("signals", "Commands that are told to end, at ten moments of each", rows, "../tests/fuzz/signals")
    return bad


if __name__ == "__main__":
    sys.exit(main() > 0)
