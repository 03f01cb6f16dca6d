"""What a study finds of an earlier run: used where it is whole, else refused with its place."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from fuzz.documents import mutated_json

from nnhw.study import relu_at_zero
from nnhw.study.cell import Cell
from nnhw.study.jobs import StudyError
from nnhw.study.tasks import TASKS

CELL = Cell(next(task for task in TASKS if task.name.startswith("xor")), "float32", 0.0, 2)


def test_a_mutated_cell_is_refused_or_as_long_as_it_should_be(tmp_path: Path) -> None:
    before = relu_at_zero.run([CELL], tmp_path)
    path = tmp_path / "cells" / f"{CELL.name}.json"
    whole, draw, refused = path.read_text("utf-8"), random.Random(0), []
    for _ in range(200):
        path.write_text(mutated_json(whole, draw), "utf-8")
        try:
            found = relu_at_zero.run([CELL], tmp_path)
        except StudyError as error:
            refused.append(str(error))
            continue
        relu_at_zero.summarize([CELL], found)
    assert all(told.startswith(f"{path}: ") and "\n" not in told for told in refused)
    assert 100 < len(refused) <= 200
    path.write_text(whole, "utf-8")
    assert relu_at_zero.run([CELL], tmp_path) == before


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("out_of", 0, "out_of: expected an integer from 1 to"),
        ("out_of", True, "out_of: expected an integer"),
        ("parameters", {}, "parameters: it belongs to another cell"),
        ("arms", {}, "missing key"),
        ("more", 1, "unknown key"),
    ],
)
def test_a_cell_is_read_as_strictly_as_a_model_file(key: str, value: object, told: str, tmp_path: Path) -> None:
    relu_at_zero.run([CELL], tmp_path)
    path = tmp_path / "cells" / f"{CELL.name}.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), key: value}), "utf-8")
    with pytest.raises(StudyError, match=told):
        relu_at_zero.run([CELL], tmp_path)
