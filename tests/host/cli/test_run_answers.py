"""nnhw run MODEL|BUILD ROWS -o ANSWERS: what a network, or its integers, answer to the rows of a file."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import usable_target
from support.commands import nnhw
from support.networks import network, plain_network

from nnhw.model_files import model_json
from nnhw_codegen.files import nnb
from nnhw_codegen.integers import reference
from nnhw_codegen.network import activations
from nnhw_codegen.network.network import Network

ROWS = np.round(np.random.default_rng(3).uniform(0, 10, (7, 3)), 1)


def files(folder: Path, made: Network, rows: np.ndarray = ROWS) -> Path:
    """The model, a file of rows with an answer column that nobody asked for, and the place of the answers."""
    model_json.save(made, folder / "m.json")
    with (folder / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(entry.name for entry in made.inputs), "note"])
        writer.writerows([*row, "x"] for row in rows.tolist())
    return folder / "answers.csv"


def cells(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_model_answers_in_floats(tmp_path: Path) -> None:
    made = plain_network((3, 4, 2), "relu")
    out = files(tmp_path, made)
    assert "7 answers in floats" in nnhw("run", str(tmp_path / "m.json"), str(tmp_path / "rows.csv"), "-o", str(out))
    found = cells(out)
    assert [row["answer"] for row in found] == [made.classes[index] for index in made.predict(ROWS)]
    for number, name in enumerate(made.classes):
        logits = [float(row[f"logit of {name}"]) for row in found]
        assert logits == made.logits(ROWS)[:, number].tolist()
        shares = [float(row[f"probability of {name}"]) for row in found]
        assert shares == pytest.approx(made.probabilities(ROWS)[:, number], abs=1e-6)


@pytest.mark.parametrize("target", ["wasm", "rp2040-core"])
def test_a_build_answers_in_the_integers_of_the_reference(target: str, tmp_path: Path) -> None:
    usable_target(target)
    made = plain_network((3, 4, 2), "relu")
    out = files(tmp_path, made)
    code = "portable" if target == "wasm" else "thumb"
    nnhw("export", str(tmp_path / "m.json"), "--precision", "w8a8", "--code", code, "-o", str(tmp_path / "b"))
    nnhw("run", str(tmp_path / "b"), str(tmp_path / "rows.csv"), "--on", target, "-o", str(out))
    model = nnb.load(tmp_path / "b/m.nnb")
    logits = reference.logits(model, reference.codes(model, reference.ticks(model, ROWS)))
    wanted = [
        [model.classes[a], *map(str, row)] for a, row in zip(reference.predict(model, ROWS), logits, strict=True)
    ]
    assert [list(row.values()) for row in cells(out)] == wanted


def test_values_and_answers_of_yes_or_no_have_a_column_each(tmp_path: Path) -> None:
    values = network((3, 4, 2), "relu", classifies=False)
    out = files(tmp_path, values)
    nnhw("run", str(tmp_path / "m.json"), str(tmp_path / "rows.csv"), "-o", str(out))
    assert list(cells(out)[0]) == list(values.outputs)
    several = plain_network((3, 4, 2), "relu")
    last = replace(several.layers[-1], activation=activations.get("logsig"))
    several = replace(several, layers=[several.layers[0], last], multilabel=True)
    files(tmp_path, several)
    nnhw("run", str(tmp_path / "m.json"), str(tmp_path / "rows.csv"), "-o", str(out))
    wanted = [
        " ".join(name for name, yes in zip(several.classes, row, strict=True) if yes)
        for row in several.predict(ROWS).tolist()
    ]
    assert [row["answer"] for row in cells(out)] == wanted


def test_one_row_is_enough_and_a_wrong_file_is_told(tmp_path: Path) -> None:
    out = files(tmp_path, plain_network((3, 4, 2), "relu"), ROWS[:1])
    nnhw("run", str(tmp_path / "m.json"), str(tmp_path / "rows.csv"), "-o", str(out))
    assert len(cells(out)) == 1
    out.unlink()
    (tmp_path / "other.csv").write_text("a,b\n1,2\n3,4\n")
    told = nnhw("run", str(tmp_path / "m.json"), str(tmp_path / "other.csv"), "-o", str(out), code=2)
    assert "has 2 columns of numbers, the model takes 3" in told
    told = nnhw("run", str(tmp_path / "m.json"), "1", "2", "3", "-o", str(out), code=2)
    assert "-o takes one file of rows" in told
    assert not out.exists()
