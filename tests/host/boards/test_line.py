"""The line to a board: whatever single character is lost, doubled or changes places, no other script runs.

A port that damages one character lies in front of a raw prompt: for every character in front of one with Python behind,
for some (with NNHW_LONG=1, all) in front of MicroPython, its unix port and a micro:bit in QEMU.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import pytest
from conftest import usable_target
from support.raw_prompt import Damaging, Prompt

from nnhw.boards import line as board_line
from nnhw.boards import link as board_link
from nnhw.boards import mpy_cross
from nnhw.boards.line import ENTER_RAW, EXECUTE, Line, LineError
from nnhw.boards.link import Link
from nnhw.errors import TargetError

pty_board = pytest.importorskip("pty_board", reason="this system has no pseudo terminals")
serial = pytest.importorskip("serial", reason="pyserial is not installed")

LONG = bool(os.environ.get("NNHW_LONG"))
Use = Callable[[Line], str]
DAMAGE = ("drop", "double", "swap")
COUNTER = """\
ran = globals().get("ran", 0) + 1
text = "None" 'rint' "\\\\\\"\\0\u00e4"
print(ran, text, end="")
print([ord(letter) for letter in text])
"""
"""It tells how often it ran; a line that lost its first characters would be another statement."""
TEXT = 'Nonerint\\"\0\u00e4'
PRINTED = f"%d {TEXT}{[ord(letter) for letter in TEXT]}\n"


@pytest.fixture
def port() -> Iterator[Damaging]:
    usable_target("unix")
    board = pty_board.PtyBoard()
    with serial.Serial(board.port, timeout=0.1) as port:
        yield Damaging(port)
    board.close()


def survives(port: Damaging, use: Use, cases: list[tuple[int, str]]) -> None:
    """``use`` returns what COUNTER printed: it runs once with each damage.

    An empty line that is executed resets the board. Only such a damage of the character for that may end in a message.
    """
    line, ran = Line(port), 0
    line.reset()
    for place, kind in cases:
        port.arm(place, kind)
        told = None
        try:
            printed = use(line)
        except LineError as error:
            told = error
        context = place, kind, port.sent[max(0, place - 30) : place + 30], told
        if port.hit == EXECUTE and kind != "drop":
            assert told or printed in (PRINTED % 1, PRINTED % (ran + 1)), context
            port.arm(None, "")
            line.reset()
            ran = 0
        else:
            assert not told, context
            assert printed == PRINTED % (ran + 1), context
            ran += 1


def install_and_count(line: Line) -> str:
    line.install_receiver(time.monotonic() + board_line.SILENCE_SECONDS)
    return count(line)


def count(line: Line) -> str:
    output, errors = line.execute(COUNTER, 10)
    assert not errors
    return output


def undamaged(port: Damaging, use: Use) -> bytes:
    line = Line(port)
    line.reset()
    port.arm(None, "")
    assert use(line) == PRINTED % 1
    return port.sent


def every(sent: bytes) -> list[tuple[int, str]]:
    return [(place, kind) for place in range(len(sent)) for kind in DAMAGE]


@pytest.mark.parametrize("use", [install_and_count, count])
def test_every_damage_of_one_character_is_survived(use: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the receiver and a script, of a script alone in short parts."""
    monkeypatch.setattr(board_line, "ANSWER_SECONDS", 0.01)
    monkeypatch.setattr(board_line, "LONGEST_PART", board_line.SHORTEST_PART)
    monkeypatch.setattr(board_line, "OFFER_PART", 400)
    port = Damaging(Prompt())
    survives(port, use, every(undamaged(port, use)))


def test_noise_delays_a_script_or_ends_in_a_message_but_never_runs_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """One character in 400 is lost, doubled or another one; after a message the board is reset over a quiet line."""
    monkeypatch.setattr(board_line, "ANSWER_SECONDS", 0.01)
    monkeypatch.setattr(board_line, "OFFER_PART", 400)
    choose, port = random.Random(11), Prompt()
    line, write, delivered, ran = Line(port), port.write, 0, 0

    def noisy(data: bytes) -> None:
        for byte in data:
            other = bytes([byte ^ 1 << choose.randrange(8)])
            write(choose.choice((b"", 2 * bytes([byte]), other)) if not choose.randrange(400) else bytes([byte]))

    line.reset()
    for _ in range(300):
        monkeypatch.setattr(port, "write", noisy)
        try:
            printed = choose.choice((count, count, install_and_count))(line)
            assert printed in (PRINTED % (ran + 1), PRINTED % 1)
            ran = ran + 1 if printed == PRINTED % (ran + 1) else 1
            delivered += 1
        except LineError:
            monkeypatch.setattr(port, "write", write)
            line.reset()
            ran = 0
    assert delivered > 200


@pytest.mark.parametrize("use", [install_and_count, count])
def test_micropython_survives_damage(use: Use, port: Damaging, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_line, "ANSWER_SECONDS", 0.3)
    cases = every(undamaged(port, use))
    survives(port, use, cases if LONG else random.Random(11).sample(cases, 60))


def test_the_smallest_board_survives_damage(tmp_path: Path) -> None:
    usable_target("microbit")
    with pty_board.microbit_port(tmp_path) as path, serial.Serial(path, timeout=0.1) as opened:
        port = Damaging(opened)
        cases = every(undamaged(port, install_and_count))
        survives(port, install_and_count, cases if LONG else random.Random(11).sample(cases, 20))


@pytest.mark.parametrize("lost", [1, 3, 8])
def test_a_script_whose_answers_are_lost_runs_once(
    port: Damaging, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    """All answers to one of its eight parts, until that is sent again; the last part is what makes it run."""
    monkeypatch.setattr(board_line, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(board_line, "LONGEST_PART", board_line.SHORTEST_PART)
    assert undamaged(port, count).count(EXECUTE) == 8
    line, read = Line(port), port.read
    line.reset()
    port.arm(None, "")
    monkeypatch.setattr(port, "read", lambda size: read(size)[: 0 if port.sent.count(EXECUTE) == lost else size])
    if lost < 8:
        assert count(line) == PRINTED % 1
    else:
        with pytest.raises(LineError, match="the answer to a script was lost"):
            count(line)
    assert count(line) == PRINTED % 2


def test_a_line_that_damages_everything_is_told(port: Damaging, monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(port)
    line.reset()
    write = port.write
    monkeypatch.setattr(port, "write", lambda data: write(data.replace(b"e", b"")))
    with pytest.raises(LineError, match=f"damaged {board_line.SENDINGS} times on its way"):
        line.execute(COUNTER, 10)
    with pytest.raises(LineError, match=f"damaged what was sent {board_line.SENDINGS} times"):
        line.install_receiver(time.monotonic() + 10)


@pytest.mark.parametrize("target", ["wasm", "unix", "pico"], indirect=True)
def test_each_micropython_runs_the_receiver_and_refuses_damaged_calls(port: Damaging, target) -> None:
    """The calls that a line made, and damaged ones, inside one script; a micro:bit has no stack for that."""
    sent = undamaged(port, count)
    calls = [call.decode() for call in sent.replace(ENTER_RAW, b"").split(EXECUTE) if call]
    choose = random.Random(5)
    damaged = []
    for call in calls:
        place = choose.randrange(len(call) - 1)
        damaged.append(call[:place] + call[place + 1 :])
        damaged.append(call[:place] + call[place] + call[place:])
        damaged.append(call[:place] + call[place + 1] + call[place] + call[place + 2 :])
    receiver = resources.files("nnhw.boards").joinpath("templates/receiver.py.in").read_text()
    script = (
        receiver
        + "def attempt(call):\n    try:\n        exec(call, globals())\n    except Exception:\n        pass\n"
    )
    for number, call in enumerate(calls):
        for bad in damaged[3 * number : 3 * number + 3]:
            if bad != call:
                script += f"attempt({bad!r})\n"
        script += f"print()\nexec({call!r}, globals())\nprint()\n"
    with target.session({}) as session:
        output = session.run(script, 120)
    assert output.count("\x02run") == 1
    assert output.rstrip().endswith((PRINTED % 1).rstrip())
    assert output.count("\x02have") == len(calls) - 1


def test_a_silent_port_and_a_babbling_one_end_in_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    assert board_line.SILENCE_SECONDS + board_link.WRITE_SECONDS < 15
    assert board_link.SCRIPT_SECONDS + board_line.ANSWER_SECONDS + board_link.WRITE_SECONDS < 15
    monkeypatch.setattr(board_line, "SILENCE_SECONDS", 0.5)
    outer, inner = os.openpty()
    stop = threading.Event()

    def babble() -> None:
        choose = random.Random(3)
        while not stop.is_set():
            os.write(outer, choose.randbytes(64))

    noise = threading.Thread(target=babble)
    try:
        for start in (lambda: None, noise.start):
            start()
            with pytest.raises(TargetError, match=r"no MicroPython prompt.*\(no answer\)"):
                Link(os.ttyname(inner))
    finally:
        stop.set()
        os.set_blocking(inner, False)
        while noise.is_alive():
            with contextlib.suppress(BlockingIOError):
                os.read(inner, 4096)  # so that the thread can write once more
        os.close(outer)
        os.close(inner)


@pytest.fixture
def board() -> Iterator[pty_board.PtyBoard]:
    usable_target("unix")
    board = pty_board.PtyBoard()
    yield board
    board.close()


def test_a_board_that_is_reset_under_a_script_is_told_at_once(board) -> None:
    with Link(board.port) as link:
        board.reset_on = b"press it"
        with pytest.raises(TargetError, match="the board started again"):
            link.execute("print('press it')\nwhile True: pass", 600)
        with pytest.raises(TargetError, match="the board started again"):
            link.execute("print(1)")
        link.reset()
        assert link.execute("print(2)") == "2\n"


def test_a_board_that_starts_again_between_two_scripts_is_told(board) -> None:
    with Link(board.port) as link:
        board.reset_on = b"press it"
        with pytest.raises(TargetError, match="the board started again"):
            link.execute("print('press it')\nimport time\ntime.sleep(600)", 600)
        link.reset()
        link.execute("value = 1")
        Line(serial.Serial(board.port, timeout=0.1)).reset()
        with pytest.raises(TargetError, match="NameError"):
            link.execute("print(value)")


@pytest.mark.parametrize(
    "name", sorted(file.name for file in resources.files("nnhw.boards").joinpath("templates").iterdir())
)
def test_every_script_for_a_board_compiles(name: str) -> None:
    text = resources.files("nnhw.boards").joinpath(f"templates/{name}").read_text()
    compile(text, name, "exec")
    assert mpy_cross.compile_mpy(text.encode(), name, None)[:1] == b"M"
