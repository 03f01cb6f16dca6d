"""The examples that learn, as their READMEs start them, on an emulated board."""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import usable_target

import nnhw
import nnrun
from nnhw.cli import commands as cli

ROOT = Path(__file__).parents[2]
MODULES = {f"nnrun/{path.name}": path.read_bytes() for path in Path(nnrun.__file__).parent.glob("*.py")}
IRIS = (Path(nnhw.__file__).parent / "data/iris.csv").read_bytes()


def exported(name, tmp_path, monkeypatch):
    """The training modules that the commands in an example's README export."""
    monkeypatch.chdir(tmp_path)
    commands = re.findall(
        r"(?m)^    nnhw ((?:new|train|export) .*)$",
        (ROOT / "firmware_examples" / name / "README.md").read_text("utf-8"),
    )
    assert len(commands) == 2
    for command in commands:
        result = CliRunner().invoke(cli.main, command.split())
        assert result.exit_code == 0, result.output
    return {path.name: path.read_bytes() for path in tmp_path.glob("build/*/*_learn*.py")}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run an example on unix after the commands of nnhw that its README names; the lines that it prints."""

    def run(name):
        exported(name, tmp_path, monkeypatch)
        (model,) = tmp_path.glob("build/*/*.nnt")
        files = {**MODULES, model.name: model.read_bytes(), "iris.csv": IRIS}
        return (
            usable_target("unix")
            .run(files, (ROOT / "firmware_examples" / name / "main.py").read_text("utf-8"))
            .splitlines()
        )

    return run


_PRINT_FILE = """
with open("iris.nnt", "rb") as f:
    part = f.read(24)
    while part:
        print(part)
        part = f.read(24)
"""


def test_iris_is_learned_from_scratch_on_a_micro_bit_to_the_same_file(tmp_path, monkeypatch):
    made = exported("learn_microbit", tmp_path, monkeypatch)
    made["iris.nnt"] = (tmp_path / "build/iris/iris.nnt").read_bytes()
    program = (ROOT / "firmware_examples/learn_microbit/main.py").read_text("utf-8")
    unix = usable_target("unix")
    assert int(re.search(r"(\d+) of 30 right", unix.run(made, program))[1]) >= 27
    # The program itself is the script: the stack of a micro:bit has no room for a script that imports it.
    shorter = program.replace("60 * 30", "4 * 30")
    found = []
    for target in (unix, usable_target("microbit")):
        with target.session(made) as session:
            right = session.run(shorter)
            found.append((right, b"".join(map(ast.literal_eval, session.run(_PRINT_FILE).splitlines()))))
    assert found[0] == found[1]
    assert found[0][1] != made["iris.nnt"]


def test_the_board_finds_5_and_7(run):
    *reports, found, answer = run("line_5_7_learn")
    assert len(reports) == 20
    slopes = [float(number) for number in re.findall(r"-?\d+\.\d+", found)]
    assert max(abs(a - b) for a, b in zip(slopes, (5, 7, 0), strict=True)) <= 0.001
    assert abs(float(answer.split("=")[1]) - 12) <= 0.002


def test_iris_is_learned_from_scratch(run):
    *reports, held_out = run("learn_iris")
    assert len(reports) == 30
    assert int(re.search(r"(\d+) of 30 right", held_out)[1]) >= 28


def test_a_drift_is_recovered_from_as_by_float_sgd(run, tmp_path, capsys):
    lines = [line for line in run("drift") if "%" in line]
    before, after, recovered = (float(re.search(r"([\d.]+) %", line)[1]) for line in lines)
    assert before > 95
    assert after < 85
    (tmp_path / "iris.csv").write_bytes(IRIS)
    (tmp_path / "iris.nnt").write_bytes((tmp_path / "build/iris/iris.nnt").read_bytes())
    folder = ROOT / "firmware_examples/drift"
    runpy.run_path(str(folder / "compare.py"))["main"]("build/iris/iris.nnt")
    *here, exact = (line for line in capsys.readouterr().out.splitlines() if "%" in line)
    assert here == lines
    worse, better = map(float, re.findall(r"([\d.]+) %", exact))
    assert worse < 85
    assert abs(recovered - better) <= 0.3
    told = [float(number) for number in re.findall(r"([\d.]+) % \|", (folder / "README.md").read_text("utf-8"))]
    # Another computer's floats may train another network.
    assert told == pytest.approx([before, after, recovered, worse, better], abs=3)
