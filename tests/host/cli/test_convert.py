"""nnhw convert, as users type it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import usable_target
from support.foreign_models import FOLDER

from nnhw.cli import commands
from nnhw.data import datasets
from nnhw.model_files import model_json

SKOPS = FOLDER / "sk_pipe_iris_standard/model.skops"
MINMAX = FOLDER / "sk_pipe_cancer_minmax/model.skops"
LEAKY = FOLDER / "keras_cancer_leaky_sigmoid/model.keras"
LOGITS = FOLDER / "torch_iris_logits"

ONE_OF_EACH_FORMAT = {
    ".skops": ("sk_pipe_iris_standard/model.skops",),
    ".onnx": ("sk_mlp_iris/model.onnx",),
    ".keras": ("keras_iris_norm_bn_dropout/model.keras",),
    ".h5": ("keras_iris_relu_softmax/model.h5",),
    ".pt2": ("torch_iris_logits/model.pt2", "--task", "classification"),
    ".safetensors": ("torch_iris_softmax/model.safetensors", "--activations", "tanh,softmax"),
    ".tflite": ("tf_iris_softmax/model_float.tflite",),
}


def nnhw(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(commands.main, list(map(str, arguments)))
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("suffix", ONE_OF_EACH_FORMAT)
def test_a_converted_network_is_verified_on_targets(suffix: str) -> None:
    for target in ("wasm", "unix", "rp2040-core"):
        usable_target(target)
    name, *options = ONE_OF_EACH_FORMAT[suffix]
    nnhw("convert", FOLDER / name, "-o", "m.json", "--data", (FOLDER / name).with_name("inputs.npy"), *options)
    for code, targets in (("portable", "wasm,unix"), ("thumb", "rp2040-core")):
        nnhw("export", "m.json", "--code", code)
        text = nnhw("verify", "build/m", "--on", targets, "--rows", "100")
        assert text.count("rows: logits identical") == len(targets.split(","))


def test_rows_give_range_step_mean_scale_and_calibration() -> None:
    text = nnhw("convert", SKOPS, "-o", "m.json", "--data", "iris")
    assert "range     range, step, mean, scale and calibration from 150 rows" in text
    assert "folded    StandardScaler" in text
    assert "classes   setosa, versicolor, virginica (from the file)" in text
    network = model_json.load("m.json")
    iris = datasets.load("iris")
    assert network.inputs == datasets.inputs_from(iris)
    assert np.array_equal(network.calibration, iris.rows)
    text = nnhw("export", "m.json")
    assert "calibrated on 150 rows that the model keeps" in text


def test_without_rows_and_range_nothing_is_converted(folder: Path) -> None:
    text = nnhw("convert", SKOPS, "-o", "m.json", code=2)
    assert text.startswith(f"nnhw: {SKOPS}: a file of weights holds no range of its inputs")
    assert "--data ROWS" in text
    assert "--range LOW:HIGH" in text
    assert text.count("\n") == 1
    assert list(folder.iterdir()) == []


def test_a_range_is_taken_with_a_warning_and_the_scaler_tells_mean_and_scale() -> None:
    text = nnhw("convert", SKOPS, "-o", "m.json", "--range", "0:8")
    assert "WARNING   range: 0 to 8 for every input, as told, not calibrated" in text
    network = model_json.load("m.json")
    assert network.calibration is None
    rows = datasets.load("iris").rows
    for entry, column in zip(network.inputs, rows.T, strict=True):
        assert (entry.low, entry.high) == (0.0, 8.0)
        assert entry.mean == pytest.approx(column.mean())
        assert entry.scale == pytest.approx(max(1.0, column.std()))  # an eighth of the range at least
    assert "calibrated on made-up rows, spread over the declared input ranges, as the model keeps none" in nnhw(
        "export", "m.json"
    )


def test_a_min_max_scaler_tells_its_own_range() -> None:
    text = nnhw("convert", MINMAX, "-o", "m.json")
    assert "WARNING   range: from the file, a quarter wider; not calibrated" in text
    rows = np.load(MINMAX.with_name("inputs.npy"))
    for entry, column in zip(model_json.load("m.json").inputs, rows.T, strict=True):
        assert entry.low <= column.min() < column.max() <= entry.high


def test_a_slope_is_exact_and_its_integers_are_told() -> None:
    text = nnhw("convert", LEAKY, "-o", "m.json", "--data", LEAKY.with_name("inputs.npy"))
    assert "slope     layer 1: 0.1 in floats, 13/128 = 0.101562 in integers" in text
    assert "slope     layer 2: 0.2 in floats, 13/64 = 0.203125 in integers" in text
    assert "classes   0, 1 (the file has no names: --classes a,b,... gives some)" in text
    assert "note      layer 1: leaky_relu slope 0.1 is 13/128 = 0.101562 in the integers" in nnhw("export", "m.json")


def test_the_report_tells_what_was_dropped_and_added() -> None:
    name = FOLDER / "torch_digits_flatten/model_legacy.onnx"
    rows = name.with_name("inputs.npy")
    text = nnhw("convert", name, "-o", "m.json", "--data", rows, "--task", "classification")
    assert "dropped   node '/0/Flatten' (Flatten)" in text
    assert "head      softmax added behind the logits; the classes are the same" in text


def test_the_task_must_be_told_where_the_file_does_not() -> None:
    arguments = ("convert", LOGITS / "model.pt2", "-o", "m.json", "--range", "0:8")
    assert "ends in 3 identity units" in (text := nnhw(*arguments, code=2))
    assert "add --task classification or --task regression" in text
    nnhw(*arguments, "--task", "regression")
    assert model_json.load("m.json").outputs == ("y1", "y2", "y3")
    nnhw(*arguments, "--classes", "a,b,c")
    assert model_json.load("m.json").classes == ("a", "b", "c")


def test_a_csv_file_leaves_out_its_answers_and_is_taken_by_names() -> None:
    rows = datasets.load("iris").rows[:20]
    lines = ["a,b,species,c,d", *(f"{r[0]},{r[1]},x,{r[2]},{r[3]}" for r in rows)]
    Path("rows.csv").write_text("\n".join(lines))
    nnhw("convert", SKOPS, "-o", "m.json", "--data", "rows.csv", "--target", "species")
    network = model_json.load("m.json")
    assert [entry.name for entry in network.inputs] == ["a", "b", "c", "d"]
    assert np.array_equal(network.calibration, rows)
    nnhw("convert", "m.json", "-o", "named.onnx")
    shuffled = ["d,species,c,b,a", *(f"{r[3]},x,{r[2]},{r[1]},{r[0]}" for r in rows)]
    Path("shuffled.csv").write_text("\n".join(shuffled))
    nnhw("convert", "named.onnx", "-o", "again.json", "--data", "shuffled.csv")
    again = model_json.load("again.json")
    assert np.array_equal(again.calibration, rows)
    assert again.inputs == network.inputs


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (SKOPS, "-o", "m.json", "--data", "wrong.csv"),
            "the rows have the shape (2, 5), but the network takes 4 values",
        ),
        (
            (SKOPS, "-o", "m.json", "--data", "wrong.csv", "--target", "x"),
            "wrong.csv: no column 'x' to learn; columns: a, b, c",
        ),
        ((SKOPS, "-o", "m.json", "--data", "text.csv"), "text.csv: line 2, column 'a': expected a finite number"),
        ((SKOPS, "-o", "m.json", "--data", "nothing"), "no data set and no file is called 'nothing'"),
        ((SKOPS, "-o", "m.json", "--data", "none.npy"), "none.npy: cannot be read: No such file"),
        ((SKOPS, "-o", "m.json", "--data", "text.npy"), "text.npy: not an array of numbers"),
        ((SKOPS, "-o", "m.json", "--range", "8:0"), "found the range 8 to 0; expected two finite numbers, the lower"),
        ((SKOPS, "-o", "m.json", "--range", "0:nan"), "found the range 0 to nan"),
        ((SKOPS, "-o", "m.json", "--range", "8"), "expected two numbers as in 0:4095"),
        (
            (SKOPS, "-o", "m.json", "--data", "iris", "--classes", "a,b"),
            "found 2 class names (as told), but the network",
        ),
        (
            (SKOPS, "-o", "m.json", "--data", "iris", "--classes", "a,b,a"),
            "two of the class names (as told) are the same",
        ),
        ((SKOPS, "-o", "m.json", "--data", "iris", "--task", "regression"), "ends in softmax, which tells classes"),
        ((SKOPS, "-o", "m.json", "--data", "iris", "--activations", "relu"), "tells its own activations; leave"),
        ((SKOPS, "-o", "m.onnx", "--data", "iris"), "m.onnx: a network is converted to a model.json"),
        ((SKOPS, "-o", "no/m.json", "--data", "iris"), "there is no directory no"),
        (("none.skops", "-o", "m.json"), "none.skops: cannot be read: No such file"),
        (("model.xyz", "-o", "m.json"), "model.xyz: not a known kind of model file; supported: .onnx, .keras"),
        (("none.json", "-o", "m.onnx"), "none.json: cannot be read"),
        (("none.json", "-o", "m.json"), "m.json: a model.json is converted to .onnx"),
        (
            (LOGITS / "model.safetensors", "-o", "m.json", "--range", "0:8", "--activations", "gelu,softmax"),
            "the activation 'gelu' is not supported; supported: relu",
        ),
        (
            (LOGITS / "model.safetensors", "-o", "m.json", "--range", "0:8", "--activations", "relu:0.1,softmax"),
            "only leaky_relu takes a slope",
        ),
        (
            (LOGITS / "model.safetensors", "-o", "m.json", "--range", "0:8", "--activations", "leaky_relu:2,softmax"),
            "a left slope of 2; supported: 0 to 1",
        ),
    ],
)
def test_bad_input_ends_in_one_line(folder: Path, arguments: tuple[object, ...], message: str) -> None:
    Path("wrong.csv").write_text("a,b,c,d,e\n1,2,3,4,5\n1,2,3,4,5\n")
    Path("text.csv").write_text("a,b,c,d\nx,2,3,4\n1,2,3,4\n")
    Path("text.npy").write_text("text")
    before = set(folder.iterdir())
    assert message in nnhw("convert", *arguments, code=2)
    assert set(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("sk_mlp_iris/model.onnx", "onnx"),
        ("keras_iris_relu_softmax/model.keras", "h5py"),
        ("tf_iris_softmax/model_float.tflite", "tflite"),
    ],
)
def test_a_package_that_is_missing_is_named(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    text = nnhw("convert", FOLDER / name, "-o", "m.json", "--range", "0:1", code=2)
    assert text == f"nnhw: reading it needs {package}, which is missing: pip install 'nnhw[import]'\n"


def test_the_report_is_printed_as_json() -> None:
    told = json.loads(nnhw("convert", SKOPS, "-o", "m.json", "--range", "0:8", "--json"))
    assert told["model"] == "m.json"
    assert {line["label"] for line in told["report"]} == {"network", "task", "classes", "range", "folded"}
    assert [line["label"] for line in told["report"] if line["warning"]] == ["range"]
