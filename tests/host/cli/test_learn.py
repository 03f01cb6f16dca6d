"""nnhw new, export --learn and pull, with a board in between."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import usable_target
from support.commands import nnhw

import nnrun
from nnhw.boards import catalog
from nnhw.boards.mpy_cross import compile_mpy
from nnhw.data import datasets
from nnhw.exporting import learning_files
from nnhw.model_files import model_json
from nnhw_codegen.files import nnt

MODULES = {f"nnrun/{path.name}": path.read_bytes() for path in Path(nnrun.__file__).parent.glob("*.py")}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


LEARN_IRIS = """
import nnrun.learn
net = nnrun.learn.load("new.nnt")
rows = []
with open("iris.txt") as lines:
    for line in lines:
        v = line.split()
        rows.append(([float(x) for x in v[:4]], int(v[4])))
net.fit(rows, 30)
net.save("new.nnt")
with open("new.nnt", "rb") as f:
    print(f.read())
"""


def test_a_board_learns_iris_from_scratch_and_eval_finds_what_it_learned(folder: Path) -> None:
    target = usable_target("unix")
    assert "4-8-3, relu, softmax; untrained" in nnhw("new", "--layers", "4,8,3", "--data", "iris", "-o", "new.json")
    nnhw("export", "new.json", "--learn", "--precision", "w8a16")
    iris = datasets.load("iris")
    rows = "".join(f"{' '.join(map(str, v))} {t}\n" for v, t in zip(iris.rows.tolist(), iris.targets, strict=True))
    content = {**MODULES, "new.nnt": (folder / "build/new/new.nnt").read_bytes(), "iris.txt": rows.encode()}
    lines = target.run(content, LEARN_IRIS).splitlines()
    assert re.fullmatch(r"loss: 0\.\d+ acc: 0\.\d+", lines[0])
    (folder / "new.nnt").write_bytes(eval(lines[-1]))
    text = nnhw("pull", "new.nnt", "-o", "new.json")
    assert "learning rate 1 * 2^-5" in text
    scores = json.loads(nnhw("eval", "new.json", "--json"))["iris"]
    accuracy = {score["precision"]: score["accuracy"] for score in scores}
    assert min(accuracy["float"], accuracy["w16a16"]) > 0.95
    learned = nnt.load(folder / "new.nnt").predict(iris.rows)
    assert (model_json.load("new.json").predict(iris.rows) == learned).all()


@pytest.mark.parametrize("target", ["wasm", "unix"])
@pytest.mark.parametrize(
    "options", [(), ("--learn-bits", "8", "--learn-rounding", "lcg"), ("--learn-layers", "last")], ids=" ".join
)
def test_the_exported_self_test_passes_on_the_board(folder: Path, target: str, options: tuple[str, ...]) -> None:
    usable = usable_target(target)
    nnhw("new", "--layers", "4,8,3", "--data", "iris", "-o", "new.json", "--hidden", "tanh")
    nnhw("export", "new.json", "--precision", "w8a16", "--learn", *options)
    names = ("new.nnt", "learn_vectors.txt", "learn_selftest.py", "learn_example.py")
    content = {**MODULES, **{name: (folder / "build/new" / name).read_bytes() for name in names}}
    found = usable.run(content, "import learn_selftest", heap=64 << 20)
    assert found == f"{learning_files.STEPS} steps: weights identical\n"
    *reports, answer = usable.run(content, "import learn_example", heap=64 << 20).splitlines()
    assert len(reports) == 10
    assert answer in datasets.load("iris").classes


@pytest.mark.parametrize(
    ("options", "decorator", "compiled"),
    [
        ((), "viper", {f"m_learn-{arch}.mpy" for arch in catalog.ARCHITECTURES["viper"]}),
        (("--code", "thumb"), "asm_thumb", {"m_learn.mpy"}),
        (("--board", "rp2040"), "asm_thumb", {"m_learn.mpy"}),
        (("--code", "compact"), None, set()),
    ],
)
def test_the_training_code_goes_with_the_code(
    folder: Path, options: tuple[str, ...], decorator: str | None, compiled: set[str]
) -> None:
    nnhw("new", "--layers", "2,1", "-o", "m.json")
    nnhw("export", "m.json", "--precision", "w8a16", "--learn", *options)
    text = (folder / "build/m/m_learn.py").read_text()
    assert f"\n@micropython.{decorator}\ndef run(" in text if decorator else "@micropython" not in text
    assert {path.name for path in (folder / "build/m").glob("m_learn*.mpy")} == compiled


@pytest.mark.parametrize(
    ("code", "layers", "module"),
    [("thumb", "4,8,3", "m_learn.py"), ("viper", "2,1", "m_learn.py"), ("viper", "4,8,3", "m_learn-armv6m.mpy")],
)
def test_training_code_passes_the_self_test_under_the_firmware_of_a_pico(
    folder: Path, code: str, layers: str, module: str
) -> None:
    target = usable_target("pico")
    nnhw("new", "--layers", layers, "-o", "m.json")
    nnhw("export", "m.json", "--precision", "w8a16", "--learn", "--code", code)
    names = ("m.nnt", "learn_vectors.txt", "learn_selftest.py")
    # The firmware's compiler finds nnrun's own native kernels and a long generated step too big for one function.
    compiled = {f"{n[:-3]}.mpy": compile_mpy(content, n) for n, content in MODULES.items() if "viper" not in n}
    content = {**compiled, **{name: (folder / "build/m" / name).read_bytes() for name in names}}
    content[f"m_learn.{module[-3:].lstrip('.')}"] = (folder / "build/m" / module).read_bytes()
    found = target.run(
        content, "import learn_selftest\nprint(learn_selftest.core._kernel is learn_selftest.fast.run)"
    )
    assert found == f"{learning_files.STEPS} steps: weights identical\nTrue\n"


@pytest.mark.parametrize("target", ["wasm", "unix", "microbit"])
@pytest.mark.parametrize("options", [("4,8,3",), ("2,3,2", "--values")], ids=["classes", "values"])
def test_compact_code_trains_without_nnrun(folder: Path, target: str, options: tuple[str, ...]) -> None:
    usable = usable_target(target)
    nnhw("new", "-o", "new.json", "--step", "0.1", "--layers", *options)
    nnhw("export", "new.json", "--precision", "w8a16", "--learn", "--board", "microbit")
    made = {path.name: path.read_bytes() for path in (folder / "build/new").iterdir()}
    names = ("new.nnt", "learn_vectors.txt", *(name for name in made if name.startswith("new_learn")))
    with usable.session({name: made[name] for name in names}) as session:
        found = session.run(made["learn_selftest.py"].decode())
        assert found == f"{learning_files.STEPS} steps: weights identical\n"
        example = session.run(made["learn_example.py"].decode())
        assert example in ("0\n", "1\n", "2\n") if len(options) == 1 else example.startswith("(")


@pytest.mark.parametrize("code", ["portable", "compact"])
def test_a_wrong_weight_fails_the_exported_self_test(folder: Path, code: str) -> None:
    target = usable_target("unix")
    nnhw("new", "--layers", "2,1", "--values", "-o", "m.json")
    nnhw("export", "m.json", "--precision", "w8a16", "--learn", "--code", code)
    content = {**MODULES, **{path.name: path.read_bytes() for path in (folder / "build/m").iterdir()}}
    first, rest = content["learn_vectors.txt"].split(b"\n", 1)
    content["learn_vectors.txt"] = first.rpartition(b" ")[0] + b" 7\n" + rest
    assert (
        target.run(content, "import learn_selftest")
        == f"{learning_files.STEPS} steps: weights differ from the PC's\n"
    )


def test_a_linear_model_is_made_without_data(folder: Path) -> None:
    nnhw("new", "--layers", "2,1", "--values", "--low", "-2", "--high", "2", "--step", "0.01", "-o", "line.json")
    network = model_json.load("line.json")
    assert [(i.name, i.mean, i.scale, i.low, i.high, i.step) for i in network.inputs] == [
        ("x1", 0.0, 1.0, -2.0, 2.0, 0.01),
        ("x2", 0.0, 1.0, -2.0, 2.0, 0.01),
    ]
    assert (network.outputs, network.classes, network.layers[0].activation.name) == (("y1",), (), "identity")
    nnhw("new", "--layers", "3,5,1", "-o", "two.json")
    assert model_json.load("two.json").classes == ("0", "1")


def test_pull_keeps_the_record_and_the_calibration_rows(folder: Path) -> None:
    nnhw("train", "iris", "-o", "iris.json", "--epochs", "20")
    nnhw("export", "iris.json", "--learn", "--precision", "w8a16")
    before = model_json.load("iris.json")
    nnhw("pull", "build/iris/iris.nnt", "-o", "iris.json")
    after = model_json.load("iris.json")
    assert after.training == {**before.training, "pulled": True}
    assert np.array_equal(after.calibration, before.calibration)
    for a, b in zip(after.layers, before.layers, strict=True):
        assert np.abs(a.weights - b.weights).max() <= 2.0**-12
    assert "--data DATA" in nnhw("pull", "build/iris/iris.nnt", "-o", "fresh.json")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("new", "--layers", "3,8,3", "--data", "iris"), "--layers 3,8,3: the data need 4,8,3"),
        (("new", "--layers", "4"), "expected inputs, hidden units and outputs, as 4,8,3"),
        (("new", "--layers", "4,8,3", "--low", "3", "--high", "2"), "no step between low and high"),
        (("new", "--layers", "4,8,3", "--values", "--output", "softmax"), "softmax gives the probabilities"),
        (("export", "m.json", "--learn-bits", "8"), "--learn-bits needs --learn"),
        (("export", "m.json", "--learn", "--learn-rate", "9"), "the learning rate is 9; expected 2^-20 to 3"),
        (("pull", "m.json"), "m.json: not a .nnt file"),
        (("pull", "missing.nnt"), "missing.nnt: No such file"),
    ],
)
def test_bad_input_ends_in_one_line(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    nnhw("new", "--layers", "2,1", "-o", "m.json")
    assert message in nnhw(*arguments, code=2)


def test_pull_does_not_overwrite_another_network(folder: Path) -> None:
    nnhw("new", "--layers", "2,1", "-o", "m.json")
    nnhw("new", "--layers", "2,3,1", "-o", "other.json")
    nnhw("export", "m.json", "--precision", "w8a16", "--learn")
    assert "other.json: holds another network" in nnhw("pull", "build/m/m.nnt", "-o", "other.json", code=2)


@pytest.mark.parametrize(("wanted", "pair"), [(0.03125, (1, 5)), (0.1, (3, 5)), (1e-6, (1, 20)), (3, (3, 0))])
def test_a_learning_rate_becomes_the_nearest_one_of_the_board(wanted: float, pair: tuple[int, int]) -> None:
    assert learning_files.rate(wanted) == pair
