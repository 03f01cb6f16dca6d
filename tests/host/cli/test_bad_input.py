"""Broken model files and data files: exit code 2, one clear line that names file and place, nothing written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from nnhw.cli.commands import main

GOOD = {
    "format": "nnhw-model",
    "version": 1,
    "inputs": [{"name": "a", "low": 0, "high": 10, "step": 0.1}, {"name": "b", "low": 0, "high": 10, "step": 0.1}],
    "classes": ["no", "yes"],
    "layers": [
        {"units": 2, "activation": "relu", "weights": [[1, 2], [3, 4]], "bias": [0, 0]},
        {"units": 2, "activation": "softmax", "weights": [[1, 2], [3, 4]], "bias": [0, 0]},
    ],
}


def changed(**keys: object) -> str:
    return json.dumps({**GOOD, **keys})


def layers(**keys: object) -> str:
    return changed(layers=[{**GOOD["layers"][0], **keys}, GOOD["layers"][1]])


def without(key: str) -> str:
    return json.dumps({name: value for name, value in GOOD.items() if name != key})


MODELS: dict[str, tuple[str | bytes, str]] = {
    "empty file": ("", "empty"),
    "binary garbage": (bytes(range(128, 256)), "byte 0"),
    "half a file": (changed()[:80], "line 1, column"),
    "a list": ("[1, 2]", "object"),
    "missing layers": (without("layers"), "layers"),
    "missing format": (without("format"), "format"),
    "another format": (changed(format="onnx"), "format"),
    "wrong version": (changed(version=99), "version"),
    "unknown key": (changed(layer=[]), "layer"),
    "twice the same key": ('{"format": "nnhw-model", "format": "x"}', "format"),
    "no inputs": (changed(inputs=[]), "inputs"),
    "duplicated class": (changed(classes=["no", "no"]), "classes[1]"),
    "one class too many": (changed(classes=["no", "yes", "perhaps"]), "classes"),
    "NaN weight": (layers(weights=[[1, 2], [3, float("nan")]]), "NaN"),
    "weight 1e300": (layers(weights=[[1, 2], [3, 1e300]]), "layers[0].weights[1][1]"),
    "ragged weights": (layers(weights=[[1, 2], [3]]), "layers[0].weights[1]"),
    "text for a weight": (layers(weights=[[1, 2], [3, "x"]]), "layers[0].weights[1][1]"),
    "short bias": (layers(bias=[1]), "layers[0].bias"),
    "unknown activation": (layers(activation="swish"), "layers[0].activation"),
    "softmax inside": (layers(activation="softmax"), "layers[0].activation"),
    "ragged calibration": (changed(calibration=[[1, 2], [3]]), "calibration[1]"),
    "range of no tick": (
        changed(inputs=[{"name": "a", "low": 0, "high": 1e-9, "step": 1}, "b"]),
        "'a'",
    ),
}

TABLES: dict[str, tuple[str | bytes, str]] = {
    "empty table": ("", "empty"),
    "binary table": (bytes(range(128, 256)), "byte"),
    "header only": ("x,y\n", "rows"),
    "ragged rows": ("x,y\n1,a\n2\n3,b\n", "line 3"),
    "text among numbers": ("x,y\n1,a\n?,b\n", "line 3, column 'x'"),
    "infinite number": ("x,y\n1,a\n1e999,b\n", "line 3, column 'x'"),
    "no such column": ("x,z\n1,a\n2,b\n", "'y'"),
    "single class": ("x,y\n1,a\n2,a\n", "'y'"),
    "column twice": ("x,x,y\n1,2,a\n2,3,b\n", "'x'"),
}


def refused(arguments: list[str], path: Path, place: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2, result.output
    assert str(path) in result.output
    assert place in result.output
    assert "Traceback" not in result.output
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("name", MODELS)
def test_a_broken_model_file_is_refused(name: str, tmp_path: Path) -> None:
    content, place = MODELS[name]
    path = tmp_path / "broken.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(["export", str(path), "-o", str(tmp_path / "out")], path, place)


@pytest.mark.parametrize("name", TABLES)
def test_a_broken_table_is_refused(name: str, tmp_path: Path) -> None:
    content, place = TABLES[name]
    path = tmp_path / "broken.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(["train", str(path), "--target", "y", "-o", str(tmp_path / "out.json")], path, place)


def test_the_model_that_the_broken_ones_come_from_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "good.json"
    path.write_text(changed())
    result = CliRunner().invoke(main, ["export", str(path), "-o", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "none.json"
    result = CliRunner().invoke(main, ["export", str(path)])
    assert result.exit_code == 2
    assert str(path) in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "iris", "--layers", "8,x"], "'8,x'"),
        (["train", "iris", "--epochs", "0"], "epochs"),
        (["train", "iris", "--slope", "0.1"], "leaky_relu"),
        (["train", "iris", "--held-out", "1"], "--held-out"),
        (["train", "iris", "--hidden", "leaky_relu", "--slope", "2"], "slope"),
        (["train", "no-such-data"], "no-such-data"),
        (["verify", "build", "--on", "esp8266"], "esp8266"),
        (["bench", "m.json", "--code", "compact"], "no interpreter"),
        (["export", "m.json", "--board", "pico"], "rp2040"),
        (["verify", ".", "--on", "wasm"], "manifest.json"),
        (["nonsense"], "nonsense"),
    ],
)
def test_bad_usage_is_refused(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2, result.output
    assert words in result.output
    assert not list(tmp_path.iterdir())
