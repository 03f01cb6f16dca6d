"""Names are data: no file of a build, no page and no printed line takes them for anything else."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from support.commands import nnhw
from support.hostile_names import CONTROLLING, VISIBLE
from support.networks import network

import nnhw as package
from nnhw.exporting import build_folder
from nnhw.model_files import model_json
from nnhw_codegen.emitters import EMITTERS
from nnhw_codegen.files import nnb, nnt
from nnhw_codegen.files.fields import FileError
from nnhw_codegen.integers import precision
from nnhw_codegen.learning.trainable import default_profile, trainable
from nnhw_codegen.network.network import Network
from nnhw_codegen.quantization import quantize

PLAIN = tuple(f"name{number}" for number in range(len(VISIBLE)))


def named(names: tuple[str, ...], classifies: bool = True) -> Network:
    """A small network whose inputs and outputs are called ``names``, but the first: its files must differ in names only."""
    made = network((len(names), 3, len(names)), "relu", classifies=classifies)
    inputs = tuple(replace(made.inputs[0], name=name) for name in names)
    return replace(made, inputs=inputs, **{"classes" if classifies else "outputs": names[::-1]})


def test_there_are_forty() -> None:
    assert len({*CONTROLLING, *VISIBLE}) >= 40


def test_a_control_character_is_refused_by_every_loader_with_its_place(tmp_path: Path) -> None:
    harmless = named(("a", "b", "c"))
    text = json.loads(model_json.dumps(harmless))
    places = {
        "inputs[1].name": lambda m, n: m["inputs"][1].update(name=n),
        "classes[1]": lambda m, n: m["classes"].__setitem__(1, n),
    }
    for name in CONTROLLING:
        for place, put in places.items():
            model = json.loads(json.dumps(text))
            put(model, name)
            (tmp_path / "m.json").write_text(json.dumps(model))
            told = nnhw("export", str(tmp_path / "m.json"), "-o", str(tmp_path / "out"), code=2)
            assert f"m.json: {place}: found the control character U+" in told
            assert not any(ord(c) < 32 for c in told.rstrip("\n"))
        for module, data in (
            (
                nnb,
                nnb.to_bytes(quantize.quantize(replace(harmless, classes=("a", name, "c")), precision.get("w8a8"))),
            ),
            (nnt, nnt.to_bytes(trainable(replace(harmless, classes=("a", name, "c")), default_profile(harmless)))),
        ):
            with pytest.raises(FileError, match="control character"):
                module.from_bytes(data)
    assert not (tmp_path / "out").exists()


def test_a_control_character_in_a_table_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    for name in ("\x1b[31mred", "c1\x9b31m", "line\u2028separator", "right\u202eto left", "x\ny"):
        rows = "".join(f"{k}.5,{k % 7},{'no' if k % 2 else 'yes'}\n" for k in range(20))
        path.write_text(f'"{name}",b,y\n{rows}', "utf-8")
        assert ": column 1, " in nnhw("train", str(path), "--target", "y", "-o", str(tmp_path / "m.json"), code=2)
        path.write_text("a,b,y\n" + rows.replace("yes", f'"{name}"'), "utf-8")
        told = nnhw("train", str(path), "--target", "y", "-o", str(tmp_path / "m.json"), code=2)
        assert "has the control character U+" in told
    assert not (tmp_path / "m.json").exists()


def test_a_control_character_in_an_estimator_is_refused() -> None:
    sklearn = pytest.importorskip("sklearn.neural_network")
    rows = np.random.default_rng(0).normal(size=(40, 2))
    fitted = sklearn.MLPClassifier((2,), max_iter=300).fit(rows, np.where(rows[:, 0] > 0, "a\x1b[0m", "b"))
    with pytest.raises(ValueError, match=r"class 1, 'a\\x1b\[0m', has the control character U\+001B"):
        package.from_sklearn(fitted, rows=rows)


def built(folder: Path, names: tuple[str, ...], code: str, classifies: bool = True) -> Path:
    """The build folder that the command line makes."""
    model_json.save(named(names, classifies), folder / "m.json")
    learn = ["--learn"] if code in ("portable", "compact", "viper", "thumb") else []
    nnhw("export", str(folder / "m.json"), "--code", code, "--precision", "w8a8", *learn, "-o", str(folder / "b"))
    return folder / "b"


class Tags(HTMLParser):
    """The tags of a page with the names of their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[tuple[str, ...]] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add((tag, *(name for name, _ in attrs)))


def bones(path: Path) -> object:
    """What a file says to the program that reads it, without the texts in it."""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        nodes = list(ast.walk(ast.parse(text)))
        keys = ("id", "attr", "name", "arg", "module", "asname")
        return {(type(node).__name__, *(getattr(node, key, None) for key in keys)) for node in nodes}
    if path.suffix == ".h":
        assert not re.search(r"\?\?[=/'()!<>-]", text)
        return re.sub(r'"(?:[^"\\\n]|\\.)*"|/\*.*?\*/|-?\b\d+', "", text, flags=re.DOTALL)
    if path.suffix == ".md":
        bare = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", "", text)
        return (
            bare.count("\n"),
            re.findall(r"(?<!\\)[<>\[\]]", bare),
            re.findall(r"^\|.*\|$", bare, re.MULTILINE).__len__(),
        )
    return Tags(text).found


@pytest.mark.parametrize("code", [emitter.name for emitter in EMITTERS])
def test_no_name_changes_what_a_file_of_a_build_says(code: str, tmp_path: Path) -> None:
    for folder in ("hostile", "plain"):
        (tmp_path / folder).mkdir()
    hostile, plain = built(tmp_path / "hostile", VISIBLE, code), built(tmp_path / "plain", PLAIN, code)
    if code == "portable":
        nnhw("report", str(hostile))
        nnhw("report", str(plain))
    names = sorted(path.name for path in hostile.iterdir())
    assert names == sorted(path.name for path in plain.iterdir())
    for name in names:
        if Path(name).suffix in (".py", ".h", ".md", ".html"):
            found, expected = bones(hostile / name), bones(plain / name)
            assert (
                (found <= expected) if isinstance(found, set) and isinstance(expected, set) else found == expected
            ), name
    assert build_folder.read(hostile).model.classes == VISIBLE[::-1]
    assert not list(tmp_path.rglob("pwned"))


def test_names_of_outputs_are_escaped_in_the_readme(tmp_path: Path) -> None:
    for folder in ("hostile", "plain"):
        (tmp_path / folder).mkdir()
    made = [
        built(tmp_path / kind, names, "portable", False) for kind, names in (("hostile", VISIBLE), ("plain", PLAIN))
    ]
    assert bones(made[0] / "README.md") == bones(made[1] / "README.md")


def test_what_a_pulled_file_holds_goes_into_the_next_export_escaped(tmp_path: Path) -> None:
    """The way of a name from a board: .nnt, model.json, learn_example.py."""
    network = named(VISIBLE)
    (tmp_path / "m.nnt").write_bytes(nnt.to_bytes(trainable(network, default_profile(network))))
    nnhw("pull", str(tmp_path / "m.nnt"), "-o", str(tmp_path / "pulled.json"))
    nnhw("export", str(tmp_path / "pulled.json"), "--learn", "-o", str(tmp_path / "b"))
    ast.parse((tmp_path / "b/learn_example.py").read_text("utf-8"))
    assert model_json.load(tmp_path / "pulled.json").classes == VISIBLE[::-1]
