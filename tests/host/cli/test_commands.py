"""The commands as users type them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import usable_target
from support.commands import nnhw

from nnhw.cli import commands
from nnhw.model_files import model_json

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def iris(folder: Path) -> Path:
    """A folder with iris.json and build/iris."""
    nnhw("train", "iris", "-o", "iris.json", "--epochs", "60")
    nnhw("export", "iris.json")
    return folder


def test_leaky_relu_on_iris_is_trained_exported_and_verified(folder: Path) -> None:
    usable_target("wasm"), usable_target("unix")
    text = nnhw("train", "iris", "--hidden", "leaky_relu", "-o", "m.json")
    assert "leaky_relu (slope 0.125)" in text
    nnhw("export", "m.json")
    text = nnhw("verify", "build/m", "--on", "wasm,unix", "--rows", "2000")
    assert text.count("2,024/2,024 rows: logits identical") == 2


def test_leaky_relu_on_iris_is_verified_on_the_microbit(folder: Path) -> None:
    usable_target("microbit")
    nnhw("train", "iris", "--layers", "8", "--hidden", "leaky_relu", "-o", "m.json", "--epochs", "20")
    nnhw("export", "m.json")
    assert "rows: logits identical" in nnhw("verify", "build/m", "--on", "microbit", "--rows", "150")


def test_the_demo_runs_every_row(folder: Path) -> None:
    usable_target("wasm")
    text = nnhw("demo")
    assert "wasm      150/150 rows: logits identical" in text
    assert "accuracy 1" in text
    assert (folder / "build/demo/iris/iris.py").is_file()
    assert "build/demo/iris/report.html" in text
    assert (folder / "build/demo/iris/report.html").is_file()


def test_a_changed_module_is_found_and_shown(iris: Path) -> None:
    usable_target("unix")
    path = iris / "build/iris/iris.py"
    source = path.read_text()
    path.write_text(source.replace("    y[0] = r0", "    y[0] = r0 + (r0 > 0)"))
    text = nnhw("verify", "build/iris", "--on", "unix", "--rows", "100", code=1)
    for word in ("first difference: row", "values", "expected", "found", "answer"):
        assert word in text


def test_a_module_that_does_not_import_fails_the_check(iris: Path) -> None:
    usable_target("unix")
    (iris / "build/iris/iris.py").write_text("def broken(:\n")
    assert "unix: " in nnhw("verify", "build/iris", "--on", "unix", code=1)
    result = CliRunner().invoke(commands.main, ["run", "build/iris", "5", "3", "1", "0", "--on", "unix"])
    assert result.exit_code == 1
    assert "SyntaxError" in result.output


def test_one_row_and_a_data_set_run_on_a_target(iris: Path) -> None:
    usable_target("unix")
    assert "setosa" in nnhw("run", "build/iris", "5.1", "3.5", "1.4", "0.2", "--on", "unix")
    assert "logits" in nnhw("run", "build/iris", "--on", "unix", "--", "-5.1", "3.5", "1.4", "0.2")
    text = nnhw("run", "build/iris", "--data", "iris", "--on", "unix")
    assert "150/150 rows: logits identical" in text
    assert "<- answer" in text
    shown = json.loads(nnhw("run", "build/iris", "5.1", "3.5", "1.4", "0.2", "--on", "unix", "--json"))
    assert shown["unix"]["answer"] == "setosa"


def test_eval_shows_floats_beside_every_precision(iris: Path) -> None:
    text = nnhw("eval", "iris.json")
    for word in ("held out: 30 rows", "all: 150 rows", "float", "w16a16", "w8a16", "w8a8", "confusion"):
        assert word in text
    scores = json.loads(nnhw("eval", "iris.json", "--json"))["all"]
    assert scores[0]["precision"] == "float"
    assert sum(map(sum, scores[0]["confusion"])) == 150


def test_export_tells_why_it_chose_a_precision_and_fine_tunes_on_request(iris: Path) -> None:
    text = nnhw("export", "iris.json", "--min-agreement", "100")
    assert "bits given up" in text
    assert "chosen" in text
    shown = json.loads(nnhw("export", "iris.json", "--precision", "acc16", "--fine-tune", "iris", "--json"))
    assert shown["precision"] == "acc16"
    assert shown["command"].endswith("--fine-tune iris")
    assert [(c["precision"], c["accuracy"] > 0.9) for c in shown["tried"]] == [("acc16", True)]


def test_a_model_trained_for_a_precision_is_exported_in_it(folder: Path) -> None:
    result = json.loads(nnhw("train", "iris", "-o", "narrow.json", "--epochs", "20", "--precision", "w8a8", "--json"))
    assert result["fine_tune"]["loss"] <= result["fine_tune"]["loss_before"]
    assert json.loads(nnhw("export", "narrow.json", "--json"))["precision"] == "w8a8"


def test_eval_takes_a_table_whose_classes_come_in_another_order(iris: Path) -> None:
    source = (ROOT / "host/nnhw/data/iris.csv").read_text().splitlines()
    (iris / "part.csv").write_text("\n".join([source[0], *source[70:130]]) + "\n")
    scores = json.loads(nnhw("eval", "iris.json", "--data", "part.csv", "--target", "species", "--json"))
    assert scores["part.csv"][0]["accuracy"] > 0.8


def test_a_regression_goes_the_whole_way(folder: Path) -> None:
    usable_target("unix")
    rows = [f"{a},{b},{5 * a + 7 * b}" for a in range(9) for b in range(9)]
    (folder / "sum.csv").write_text("\n".join(["x1,x2,y", *rows]) + "\n")
    nnhw("train", "sum.csv", "--target", "y", "--task", "regression", "--layers", "none", "-o", "sum.json")
    nnhw("export", "sum.json", "--precision", "w16a16")
    assert "logits identical" in nnhw("verify", "build/sum", "--on", "unix", "--rows", "500")
    answer = json.loads(nnhw("run", "build/sum", "2", "3", "--on", "unix", "--json"))["unix"]["answer"]
    assert answer == pytest.approx(31, abs=0.01)
    assert "off float by" in nnhw("eval", "sum.json")


def test_export_is_the_same_every_time_and_replaces_the_earlier_one(iris: Path) -> None:
    def content() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (iris / "build/iris").iterdir()}

    first = content()
    (iris / "build/iris/main.py").write_text("print('mine')\n")
    nnhw("export", "iris.json", "--precision", "w8a8")
    assert b"w8a8" in content()["iris.py"]
    nnhw("export", "iris.json")
    assert content() == {**first, "main.py": b"print('mine')\n"}
    assert [path.name for path in (iris / "build").iterdir()] == ["iris"]


def test_a_stale_file_of_an_earlier_export_goes(iris: Path) -> None:
    nnhw("export", "iris.json", "-o", "out")
    os.rename("iris.json", "flower.json")
    nnhw("export", "flower.json", "-o", "out")
    assert {path.name for path in (iris / "out").iterdir() if path.suffix == ".py"} == {"flower.py", "selftest.py"}


def test_export_does_not_touch_a_folder_that_is_no_build(iris: Path) -> None:
    (iris / "thesis").mkdir()
    (iris / "thesis/chapter.txt").write_text("years of work")
    assert "thesis" in nnhw("export", "iris.json", "-o", "thesis", code=2)
    assert (iris / "thesis/chapter.txt").read_text() == "years of work"


def test_the_build_of_another_format_is_refused(iris: Path) -> None:
    path = iris / "build/iris/manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    assert "format 99" in nnhw("verify", "build/iris", "--on", "wasm", code=2)


def test_a_damaged_nnb_is_refused(iris: Path) -> None:
    path = iris / "build/iris/iris.nnb"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(bytes(data))
    assert "iris.nnb: checksum" in nnhw("verify", "build/iris", "--on", "wasm", code=2)


@pytest.mark.parametrize("target", ["wasm", "unix"])
def test_the_self_test_passes_on_the_target_and_fails_on_other_integers(iris: Path, target: str) -> None:
    files = {path.name: path.read_bytes() for path in (iris / "build/iris").iterdir() if path.suffix != ".mpy"}
    wanted = {name: files[name] for name in ("iris.py", "selftest.py", "vectors.jsonl")}
    guest = usable_target(target)
    count = files["vectors.jsonl"].count(b"\n")
    assert guest.run(wanted, "import selftest").strip() == f"{count}/{count} logits identical"
    wanted["vectors.jsonl"] = wanted["vectors.jsonl"].replace(b'"logits": [', b'"logits": [1', 1)
    assert "vector 0 differs" in guest.run(wanted, "import selftest")


def test_information_is_printed_without_an_error() -> None:
    assert "wasm" in nnhw("targets")
    assert {target["name"] for target in json.loads(nnhw("targets", "--json"))} >= {"wasm", "unix", "microbit"}
    assert "numpy" in nnhw("doctor")
    assert "$defs" in json.loads(nnhw("schema"))


def test_training_with_the_same_seed_gives_the_same_file(folder: Path) -> None:
    for name in ("a.json", "b.json"):
        nnhw("train", "iris", "-o", name, "--epochs", "5", "--seed", "3", "--layers", "4,4", "--relu-at-zero", "0.5")
    assert (folder / "a.json").read_bytes() == (folder / "b.json").read_bytes()
    network = model_json.load("a.json")
    assert network.training["relu_at_zero"] == 0.5
    assert network.calibration is not None
    assert network.calibration.shape == (120, 4)


def test_every_command_is_there_and_helps() -> None:
    for name in commands.COMMANDS:
        assert "Usage:" in nnhw(name, "--help")


def test_a_process_ends_with_the_promised_exit_code(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(ROOT / part) for part in ("host", "codegen", "device")),
    }
    command = [sys.executable, "-m", "nnhw"]
    good = subprocess.run([*command, "schema"], env=environment, capture_output=True, text=True)
    assert (good.returncode, good.stderr) == (0, "")
    bad = subprocess.run(
        [*command, "eval", "none.json"], env=environment, capture_output=True, text=True, cwd=tmp_path
    )
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr == "nnhw: none.json: cannot be read: No such file or directory\n"
