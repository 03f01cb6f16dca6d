"""Counts with their interval, and rows that stay held out."""

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from nnhw.cli import commands
from nnhw.data import datasets
from nnhw.data.matching import rows_to_judge, rows_to_tune
from nnhw.measuring.accuracy import interval
from nnhw.model_files import model_json
from nnhw.tuning import fine_tune

IRIS = Path(datasets.__file__).with_name("iris.csv")


def nnhw(*arguments: str) -> str:
    result = CliRunner().invoke(commands.main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """With iris.csv and iris.json, trained on four fifths of it."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(IRIS, "iris.csv")
    nnhw("train", "iris.csv", "--target", "species", "--epochs", "20", "-o", "iris.json")
    return tmp_path


@pytest.mark.parametrize("right", range(0, 31, 3))
def test_the_ends_of_an_interval_are_where_the_count_lies_1_96_deviations_off(right):
    for end in interval(right, 30):
        deviation = (end * (1 - end) / 30) ** 0.5
        assert abs(right / 30 - end) == pytest.approx(1.959964 * deviation, abs=1e-9)


def test_train_and_eval_tell_counts_intervals_and_the_confusion_of_held_out_rows(folder):
    text = nnhw("train", "iris.csv", "--target", "species", "--epochs", "60", "-o", "m.json")
    assert "/30 rows, 95 % interval " in text
    matrix = text[text.index("confusion of the held-out rows") :].splitlines()[2:5]
    assert sum(int(cell) for line in matrix for cell in line.split()[2:] if cell != ".") == 30
    text = nnhw("eval", "m.json")
    assert text.index("/30 ") < text.index("/150 ")
    assert "confusion, held out: " in text


def test_rows_that_were_held_out_are_never_trained_on(folder):
    network = model_json.load(Path("iris.json"))
    held = rows_to_judge(network, Path("iris.json"), None, None)["held out"]
    for name in ("iris.csv", str(folder / "iris.csv")):
        kept = rows_to_tune(network, name, "species")
        assert len(kept.rows) + len(held.rows) == 150
        assert list(rows_to_judge(network, Path("iris.json"), name, "species")) == ["held out", "all"]
    shutil.copy("iris.csv", "other.csv")
    assert len(rows_to_tune(network, "other.csv", "species").rows) == 150


def test_fine_tuning_for_export_sees_only_rows_of_training(folder, monkeypatch):
    seen = []
    real = fine_tune.fine_tune
    monkeypatch.setattr(fine_tune, "fine_tune", lambda *given: seen.append(len(given[2])) or real(*given))
    nnhw("export", "iris.json", "--precision", "acc16", "--fine-tune", "iris.csv", "--target", "species")
    assert seen == [120]


def test_agreement_on_made_up_rows_is_never_told_as_measured(folder):
    network = model_json.load(Path("iris.json"))
    network.calibration = None
    model_json.save(network, Path("bare.json"))
    text = nnhw("export", "bare.json")
    assert re.search(r"precision +made-up rows ", text)
    assert "like float" not in text
    assert "on made-up rows, which say little about yours" in text
    assert "calibrated on made-up rows" in text
    assert "of made-up rows" in Path("build/bare/README.md").read_text()
    assert "made-up" not in nnhw("export", "iris.json")
