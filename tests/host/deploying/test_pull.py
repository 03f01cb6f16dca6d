"""nnhw pull --port, against MicroPython behind a pseudo terminal that trains the model itself (pty_board)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import usable_target
from support.learning.alone import modules

import nnrun
from nnhw.boards.link import Link
from nnhw.cli import commands
from nnhw.data import datasets
from nnhw.model_files import model_json
from nnhw.targets import microbit
from nnhw_codegen.files import nnt

pty_board = pytest.importorskip("pty_board", reason="this system has no pseudo terminals")
MODULES = {f"nnrun/{path.name}": path.read_bytes() for path in Path(nnrun.__file__).parent.glob("*.py")}
LEARN = """
import nnrun.learn
net = nnrun.learn.load("iris.nnt")
with open("iris.csv") as lines:
    lines.readline()
    rows = []
    for line in lines:
        v = line.strip().split(",")
        rows.append(([float(x) for x in v[:4]], net.classes.index(v[4])))
net.fit(rows, {epochs})
net.save("iris.nnt")
"""


LOADERS = (
    """
from nnrun.learn_store import read
data = read("iris.nnt")
print("".join("%02x" % byte for byte in data[40:-4]))
""",
    """
from m_learn import load
from m_learn_state import S
load("iris.nnt")
print("".join("%02x" % byte for a in S for byte in bytes(a)))
""",
)
"""What nnrun's loader takes, and what the state is that a generated one takes, as hexadecimal digits."""
REMOVE = """
import os
try:
    os.remove("{name}")
except OSError:
    pass
"""


def nnhw(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(commands.main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pty_board.PtyBoard]:
    """A board, and an untrained iris.json here."""
    usable_target("unix")
    monkeypatch.chdir(tmp_path)
    nnhw("new", "--layers", "4,8,3", "--data", "iris", "-o", "iris.json")
    nnhw("export", "iris.json", "--learn", "--precision", "w8a16")
    board = pty_board.PtyBoard()
    yield board
    board.close()


def put(board: pty_board.PtyBoard, files: dict[str, bytes]) -> None:
    with Link(board.port) as link:
        link.make_folders({name.rpartition("/")[0] for name in files} - {""})
        for name, content in files.items():
            link.stage(name, content)
        link.install(files)


def fresh() -> bytes:
    return Path("build/iris/iris.nnt").read_bytes()


def trained(steps: int) -> bytes:
    model = nnt.from_bytes(fresh())
    iris = datasets.load("iris")
    codes, targets = model.input_codes(iris.rows), model.target_codes(iris.targets)
    for n in range(steps):
        model.learner.step(codes[n % 150][:, None], targets[n % 150][:, None])
    return nnt.to_bytes(model)


def test_a_model_that_the_board_trained_comes_back_and_eval_works_on_it(board) -> None:
    table = Path(datasets.__file__).with_name("iris.csv").read_bytes()
    put(board, {**MODULES, "iris.nnt": fresh(), "iris.csv": table})
    before = model_json.load("iris.json")
    with Link(board.port) as link:
        assert link.execute(LEARN.format(epochs=10), 60).count("loss:") == 10
        saved = link.read("iris.nnt")
    text = nnhw("pull", "--port", board.port, "-o", "iris.json")
    assert f"iris.nnt on {board.port}\n" in text
    after = model_json.load("iris.json")
    assert after.training == {**before.training, "pulled": True}
    assert np.array_equal(after.calibration, before.calibration)
    iris = datasets.load("iris")
    assert (after.predict(iris.rows) == nnt.from_bytes(saved).predict(iris.rows)).all()
    scores = json.loads(nnhw("eval", "iris.json", "--json"))["iris"]
    assert min(score["accuracy"] for score in scores if score["precision"] in ("float", "w16a16")) > 0.9


@pytest.mark.parametrize(
    ("first", "second", "note"),
    [
        ("old", None, ""),
        ("half", "new", "bytes of"),
        ("empty", "new", "not a .nnt file"),
        (None, "new", "no such file"),
        ("old", "new", ""),
        ("new", "half", ""),
        ("new", "new", ""),
    ],
)
def test_of_two_files_the_board_and_pull_take_the_same(
    board, first: str | None, second: str | None, note: str
) -> None:
    old, new = fresh(), trained(30)
    contents = {"old": old, "new": new, "half": new[:900], "empty": b""}
    slots = {"iris.nnt": first, "iris.nnt.new": second}
    files = {name: contents[what] for name, what in slots.items() if what}
    put(board, {**MODULES, **modules(fresh())})
    loaded = []
    for script in LOADERS:
        put(board, files)
        with Link(board.port) as link:
            loaded.append(bytes.fromhex(link.execute(script, 60)))
            for name in slots:
                link.execute(REMOVE.format(name=name))
    put(board, files)
    text = nnhw("pull", "--port", board.port, "-o", "pulled.json")
    assert note in text
    assert (" on " + board.port + "\n" in text) == (not note)
    taken = old if first == "old" else new
    expected = nnt.from_bytes(taken).to_network()
    assert all(state and state == taken[-4 - len(state) : -4] for state in loaded)
    for a, b in zip(model_json.load("pulled.json").layers, expected.layers, strict=True):
        assert np.array_equal(a.weights, b.weights)


def test_a_leftover_of_another_model_is_not_taken(board) -> None:
    nnhw("new", "--layers", "2,1", "-o", "other.json")
    nnhw("export", "other.json", "--learn", "--precision", "w8a16")
    put(board, {"iris.nnt": trained(5), "iris.nnt.new": Path("build/other/other.nnt").read_bytes()})
    nnhw("pull", "iris.nnt", "--port", board.port, "-o", "iris.json")


def test_what_is_not_on_the_board_is_named(board) -> None:
    assert "it has no files" in nnhw("pull", "--port", board.port, code=2)
    put(board, {"notes.txt": b"x"})
    assert "no .nnt file on the board; its files are notes.txt" in nnhw("pull", "--port", board.port, code=2)
    missing = nnhw("pull", "iris.nnt", "--port", board.port, code=2)
    assert "there is no iris.nnt on the board; its files are notes.txt" in missing
    put(board, {"a.nnt": fresh(), "b.nnt": fresh()})
    assert "2 models on the board, name one of them: a.nnt, b.nnt" in nnhw("pull", "--port", board.port, code=2)


def test_a_file_that_is_not_whole_and_another_network_are_refused(board) -> None:
    put(board, {"iris.nnt": fresh()[:700]})
    text = nnhw("pull", "--port", board.port, "-o", "iris.json", code=2)
    assert f"board:{board.port}: iris.nnt: file has 700 bytes of {len(fresh())}" in text
    put(board, {"iris.nnt": fresh()})
    nnhw("new", "--layers", "4,5,3", "--data", "iris", "-o", "other.json")
    assert "other.json: holds another network" in nnhw("pull", "--port", board.port, "-o", "other.json", code=2)


@pytest.mark.parametrize("after", [200, 2000])
def test_a_board_that_is_unplugged_leaves_the_model_file_as_it_was(board, after: int) -> None:
    put(board, {"iris.nnt": trained(5)})
    before = Path("iris.json").read_bytes()
    board.unplug_after = board.carried + after
    assert "run the command again" in nnhw("pull", "--port", board.port, "-o", "iris.json", code=1)
    board.unplug()
    assert "cannot open the port" in nnhw("pull", "--port", board.port, "-o", "iris.json", code=1)
    assert Path("iris.json").read_bytes() == before


def test_the_old_micropython_of_a_microbit_gives_its_model_as_well(board, tmp_path: Path) -> None:
    usable_target("microbit")
    content = trained(20)
    with pty_board.microbit_port(tmp_path) as port:
        with Link(port) as link:
            for command in microbit.upload_commands("iris.nnt.new", content):
                link.execute(command.decode())
        assert f"iris.nnt.new on {port} (iris.nnt: no such file)" in nnhw("pull", "--port", port, "-o", "iris.json")
    found, expected = model_json.load("iris.json").layers, nnt.from_bytes(content).to_network().layers
    assert all(np.array_equal(a.weights, b.weights) for a, b in zip(found, expected, strict=True))


def test_a_source_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "name FILE.nnt, or --port" in nnhw("pull", code=2)
