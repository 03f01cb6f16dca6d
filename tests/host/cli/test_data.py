"""nnhw data, and words, gaps and tiny tables on their way from a file to a board."""

from __future__ import annotations

import json
import math
import warnings
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from conftest import usable_target
from support.commands import nnhw

from nnhw import targets
from nnhw.data.datasets import DataError
from nnhw.data.encode import encode_row
from nnhw.model_files import model_json
from nnhw.model_files.model_json import ModelFileError
from nnhw_codegen import emitters
from nnhw_codegen.micropython import words as micropython_words
from nnhw_codegen.network.network import Column


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fruit(rows: int = 60) -> str:
    """A table whose class follows from color and weight; every seventh weight is missing."""
    lines = ["color,weight,kind"]
    for n in range(rows):
        color, weight = ("red", "green", "yellow")[n % 3], 80 + (n * 37) % 90
        kind = "cherry" if color == "red" and weight < 120 else "melon"
        lines.append(f"{color},{'' if n % 7 == 3 else weight},{kind}")
    return "\n".join(lines) + "\n"


class TestData:
    def test_shows_what_was_understood_in_80_columns(self, folder: Path) -> None:
        rows = "".join(f"{n};{n % 5},5;{('rot', 'blau')[n % 2]};2024-01-{n % 28 + 1:02};{n % 3}\n" for n in range(40))
        (folder / "t.csv").write_bytes(("Nr;Länge;Farbe;Tag;Klasse\n;mm;;;\n" + rows).encode("cp1252"))
        lines = nnhw("data", "t.csv", "--target", "Klasse").splitlines()
        assert max(map(len, lines)) <= 80
        assert lines[:5] == [
            "table     t.csv: 40 rows of 5 columns",
            "read as   Latin-1 (Windows-1252), cells apart by semicolon, decimal comma; names",
            "          in the first row",
            "",
            "column               kind               range or words              step missing",
        ]
        assert lines[5:10] == [
            "Nr                   index, left out    0 to 39",
            "Länge                number             0.5 to 4.5                   0.1",
            "Farbe                category           2: blau, rot",
            "Tag                  date, left out",
            "Klasse               number, answer     0 to 2                         1",
        ]
        text = " ".join(" ".join(lines).split())
        assert "inputs 3: Länge, Farbe=blau, Farbe=rot" in text
        assert "answer 3 classes: 0 (14), 1 (13), 2 (13)" in text
        assert "left out lines: units (line 2: mm)" in text
        assert "next nnhw train t.csv --target Klasse" in text

    def test_tells_it_all_as_json(self, folder: Path) -> None:
        (folder / "t.csv").write_text(fruit())
        shown = json.loads(nnhw("data", "t.csv", "--missing", "flag", "--target", "kind", "--json"))
        assert shown["read_as"] == {"encoding": "ASCII", "separator": "comma", "decimals": "point", "header": True}
        assert shown["inputs"] == ["color=green", "color=red", "color=yellow", "weight", "weight=?"]
        assert sum(shown["classes"].values()) == shown["rows"] == shown["rows_used"] == 60
        weight = shown["columns"][1]
        assert (weight["kind"], weight["role"], weight["step"]) == ("number", "input", 1)
        assert weight["missing"] == pytest.approx(9 / 60)
        assert shown["refused"] == []

    def test_says_what_train_would_refuse_and_ends_with_2(self, folder: Path) -> None:
        (folder / "t.csv").write_text(fruit(14) + "blue,1\n")
        text = " ".join(nnhw("data", "t.csv", "--target", "kind", code=2).split())
        assert "refused line 16: found 2 cells, expected 3" in text
        assert "refused line 5, column 'weight': found no value; --missing drop" in text
        refused = nnhw("train", "t.csv", "--target", "kind", code=2)
        assert "line 16: found 2 cells" in refused
        assert "line 5, column 'weight'" in refused
        text = nnhw("data", "t.csv", "--target", "kind", "--skip-bad")
        assert text.endswith("next      nnhw train t.csv --target kind --skip-bad\n")

    def test_suggests_what_to_learn(self, folder: Path) -> None:
        (folder / "t.csv").write_text(
            "a,idle,left,turn\n"
            + "".join(f"{n % 5},{n % 3 == 0:d},{n % 3 == 1:d},{n % 3 == 2:d}\n" for n in range(20))
        )
        assert nnhw("data", "t.csv").endswith("next      nnhw train t.csv --target idle,left,turn\n")

    def test_many_columns_are_not_all_listed(self, folder: Path) -> None:
        (folder / "t.csv").write_text(
            ",".join(f"p{n}" for n in range(100))
            + ",y\n"
            + "".join(",".join(str((n * k) % 9) for k in range(100)) + f",{n % 2}\n" for n in range(9))
        )
        assert "... and 61 more; --json tells all" in nnhw("data", "t.csv")

    def test_knows_the_named_data_sets(self) -> None:
        assert "iris: 150 rows of 5 columns" in nnhw("data", "iris")


class TestWords:
    def test_go_from_the_file_to_the_board_and_back(self, folder: Path) -> None:
        usable_target("unix")
        (folder / "t.csv").write_text(fruit())
        nnhw("train", "t.csv", "--target", "kind", "--missing", "flag", "--epochs", "60", "-o", "m.json")
        network = model_json.load("m.json")
        assert network.columns[0] == Column("color", ("green", "red", "yellow"))
        assert (network.columns[1].name, network.columns[1].flag) == ("weight", True)
        nnhw("export", "m.json")
        assert "60/60 rows: logits identical" in nnhw(
            "run", "build/m", "--data", "t.csv", "--target", "kind", "--on", "unix"
        )
        by_cells = json.loads(nnhw("run", "build/m", "red", "?", "--on", "unix", "--json"))
        values = [f"{value:g}" for value in encode_row(network.columns, ("red", None))]
        assert by_cells == json.loads(nnhw("run", "build/m", *values, "--on", "unix", "--json"))
        assert "held out: 12 rows" in nnhw("eval", "m.json")
        assert "expected one of green, red, yellow" in nnhw("run", "build/m", "blue", "1", "--on", "unix", code=2)
        assert "`m.predict(m.encode(row))`" in Path("build/m/README.md").read_text()

    def test_another_file_is_read_by_the_names_and_words_of_the_model(self, folder: Path) -> None:
        (folder / "t.csv").write_text(fruit())
        nnhw("train", "t.csv", "--target", "kind", "--missing", "mean", "--epochs", "2", "-o", "m.json")
        (folder / "more.csv").write_text("kind,weight,id,color\nmelon,99,1,red\ncherry,85,2,red\n")
        assert "more.csv: 2 rows" in nnhw("eval", "m.json", "--data", "more.csv", "--target", "kind")
        (folder / "more.csv").write_text("kind,weight,color\nmelon,99,blue\ncherry,85,red\nmelon,9,red\n")
        text = nnhw("eval", "m.json", "--data", "more.csv", "--target", "kind", code=2)
        assert "line 2, column 'color': found 'blue', expected one of green, red, yellow" in text
        nnhw("eval", "m.json", "--data", "more.csv", "--target", "kind", "--skip-bad")
        (folder / "more.csv").write_text("kind,weight,color\nmelon,big,red\ncherry,small,red\n")
        text = nnhw("eval", "m.json", "--data", "more.csv", "--target", "kind", "--skip-bad", code=2)
        assert "column 'weight' holds words, but the model takes numbers" in text

    def test_eval_judges_the_rows_that_train_held_out(self, folder: Path) -> None:
        rows = "".join(f"{n},{n % 9},{n % 5},person {n // 8},{'uv'[n % 2]}\n" for n in range(80)) + "80,x,2,p,u\n"
        (folder / "t.csv").write_text("n,a,b,who,y\n" + rows)
        for words in (["--group", "who"], ["--order", "time", "--drop", "who,b"], ["--columns", "a", "--clip"]):
            shown = json.loads(
                nnhw("train", "t.csv", "--target", "y", "--skip-bad", "--epochs", "3", *words, "--json")
            )
            scores = json.loads(nnhw("eval", "model.json", "--json"))
            assert scores["held out"][0]["accuracy"] == shown["held_out"]
            assert sum(map(sum, scores["held out"][0]["confusion"])) == 16
            assert any("left out 1 of 81 rows: line 82" in note for note in shown["notes"])

    @pytest.mark.parametrize("code", emitters.names())
    def test_a_model_of_numbers_gets_no_encode(self, folder: Path, code: str) -> None:
        (folder / "t.csv").write_text(fruit())
        for drop, has in (("weight", True), ("color", False)):
            nnhw("train", "t.csv", "--target", "kind", "--missing", "drop", "--drop", drop, "--epochs", "1")
            nnhw("export", "model.json", "--code", code)
            texts = [path.read_text() for path in Path("build/model").glob("model.[hp]*") if path.suffix != ".mpy"]
            assert any("def encode(" in text for text in texts) == (has and code != "c")
            assert ("columns" in json.loads(Path("build/model/manifest.json").read_text())) == has


CELLS: list[Any] = ["red", "blue", "it's", None, 1.5, -2, math.nan, "?", ""]
COLUMNS = {
    "words": (Column("c\n'", ("blue", "it's", "red")), Column("n")),
    "filled": (Column("c", ("blue", "red"), "red"), Column("n", fill=2.5)),
    "flagged": (Column("c", ("blue", "red"), None, True), Column("n", (), 2.5, True)),
    "a gap in one": (Column("c", ("blue", "red")), Column("n", (), 2.5, True)),
    "numbers alone": (Column("a"), Column("n", (), 0.0, True)),
}


def outcome(function: Any, *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except (ValueError, TypeError) as error:
        return ValueError if isinstance(error, (DataError, ValueError)) else type(error)


@pytest.mark.parametrize("kind", COLUMNS)
def test_generated_encode_does_what_the_pc_does(kind: str) -> None:
    columns = COLUMNS[kind]
    space: dict[str, Any] = {}
    exec(micropython_words.source(columns), space)
    rows: list[Any] = list(product(CELLS if columns[0].categories else CELLS[3:7], CELLS[3:7]))
    for row in [*rows, ("red",), ()]:
        assert outcome(space["encode"], row) == outcome(encode_row, columns, row), row


@pytest.mark.parametrize("kind", COLUMNS)
def test_generated_encode_runs_on_micropython(kind: str) -> None:
    usable_target("unix")
    columns = COLUMNS[kind]
    rows = [row for row in product(CELLS[:6], CELLS[4:6]) if outcome(encode_row, columns, row) is not ValueError]
    script = micropython_words.source(columns) + f"for row in {rows!r}:\n    print(*encode(row))\n"
    found = targets.get("unix").run({}, script)
    wanted = [encode_row(columns, row) for row in rows]
    assert [[float(value) for value in line.split()] for line in found.split("\n") if line] == wanted


MODEL = {
    "format": "nnhw-model",
    "version": 1,
    "inputs": ["c=blue", "c=red", "c=?", "n"],
    "columns": [{"name": "c", "categories": ["blue", "red"], "flag": True}, {"name": "n", "fill": 2.5}],
    "layers": [{"activation": "identity", "weights": [[1, 2, 3, 4]]}],
}


class TestModelFile:
    def test_keeps_the_columns(self, tmp_path: Path) -> None:
        network = model_json.loads(json.dumps(MODEL))
        assert network.columns == (Column("c", ("blue", "red"), None, True), Column("n", (), 2.5))
        model_json.save(network, tmp_path / "m.json")
        assert model_json.load(tmp_path / "m.json").columns == network.columns

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            (["c", "n"], "columns: makes 'c' of input 1, which is called 'c=blue'"),
            ([{"name": "c", "categories": ["blue", "red"], "flag": True}], "columns: makes 3 inputs, but the model has 4"),
            ([{"name": "c", "words": []}], 'columns[0]: unknown key "words"'),
            ([{"categories": ["a"]}], 'columns[0]: missing key "name"'),
            ([{"name": "c", "categories": ["a"], "fill": "b"}], 'columns[0].fill: expected "a", found "b"'),
            ([{"name": "c", "flag": True}], 'columns[0]: a number with a "flag" needs a "fill"'),
            ([{"name": "c", "flag": 1}], "columns[0].flag: expected true or false, found 1"),
            ({}, "columns: expected a list, found an object"),
        ],
    )  # fmt: skip
    def test_names_the_place_of_a_fault(self, columns: Any, message: str) -> None:
        with pytest.raises(ModelFileError) as caught:
            model_json.loads(json.dumps({**MODEL, "columns": columns}))
        assert message in str(caught.value)


SMALL = {
    "XOR": "a,b,y\n0,0,0\n0,1,1\n1,0,1\n1,1,0\n",
    "one row of each class": "a,b,y\n0,1,u\n1,0,v\n2,5,w\n",
    "two rows": "a,y\n0,u\n1,v\n",
    "two values": "a,y\n0,0.5\n1,1.5\n",
    "the same row four times": "a,y\n1,u\n1,v\n1,u\n1,v\n",
}


@pytest.mark.parametrize("name", SMALL)
def test_tiny_tables_train_and_evaluate_without_a_warning(folder: Path, name: str) -> None:
    (folder / "t.csv").write_text(SMALL[name])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for held_out in ("0.2", "0"):
            text = nnhw("train", "t.csv", "--target", "y", "--held-out", held_out, "--epochs", "100")
            assert "nan" not in text
            assert "held out" not in text
            assert "nan" not in nnhw("eval", "model.json")
            nnhw("export", "model.json")
    if name == "XOR":
        assert "accuracy 100.0 %" in text
