"""CONTRIBUTING's recipes hold: in a copy of the packages, an activation, a code, a target and a precision are added.

Nothing but what a recipe names is touched, and the four are then trained, exported, run, verified, measured and reported
by the command line.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import usable_target

from nnhw.boards import mpy_cross

ROOT = Path(__file__).parents[2]
MADE_UP = Path(__file__).parent / "made_up"
PACKAGES = ("host/nnhw", "codegen/nnhw_codegen", "device/nnrun")

ACTIVATION = """\
def _gudermannian(z: Array) -> Array:
    return np.asarray(2.0 * np.arctan(np.tanh(z / 2.0)))


def _gudermannian_derivative(z: Array, at_zero: float) -> Array:
    e = np.exp(-np.abs(z))
    return np.asarray(2.0 * e / (1.0 + e * e))


"""
RECORD = """\
    Activation(
        "gudermannian", _gudermannian, _gudermannian_derivative, curve=Curve(_gudermannian, "point", reach=9.0)
    ),
"""
EMITTER = """\
    Emitter("made_up", "made-up code", "sums in loops", made_up_emitter.emit),
"""
TARGET = """\
    PythonTarget(),
"""
PRECISION = """\
    Precision("w8a12", 8, (12,), per_neuron=True, summary="made up"),
"""


def append(path: Path, name: str, line: str) -> None:
    """Add a line to the end of the tuple called ``name``."""
    text = path.read_text("utf-8")
    end = text.index("\n)\n", text.index(f"\n{name}: tuple")) + 1
    path.write_text(text[:end] + line + text[end:], "utf-8")


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new), "utf-8")


def add_activation(tree: Path) -> None:
    path = tree / "codegen/nnhw_codegen/network/activations.py"
    replace(path, "\nRECORDS: tuple", f"\n{ACTIVATION}RECORDS: tuple")
    append(path, "RECORDS", RECORD)
    replace(tree / "host/nnhw/model_files/model.schema.json", '"tanh",', '"tanh",\n            "gudermannian",')


def add_emitter(tree: Path) -> None:
    folder = tree / "codegen/nnhw_codegen/made_up"
    folder.mkdir()
    (folder / "__init__.py").write_text("", "utf-8")
    shutil.copy(MADE_UP / "emitter.py", folder / "emitter.py")
    path = tree / "codegen/nnhw_codegen/emitters.py"
    start = "from nnhw_codegen.micropython import emitter as micropython_emitter\n"
    replace(path, start, f"from nnhw_codegen.made_up import emitter as made_up_emitter\n{start}")
    append(path, "EMITTERS", EMITTER)
    replace(tree / "pyproject.toml", '"viper | thumb | c"', '"viper | thumb | c | made_up"')


def add_target(tree: Path) -> None:
    shutil.copy(MADE_UP / "target.py", tree / "host/nnhw/targets/made_up.py")
    path = tree / "host/nnhw/targets/__init__.py"
    start = "from nnhw.targets.microbit import"
    replace(path, start, f"from nnhw.targets.made_up import PythonTarget\n{start}")
    append(path, "TARGETS", TARGET)


def add_precision(tree: Path) -> None:
    append(tree / "codegen/nnhw_codegen/integers/precision.py", "PRECISIONS", PRECISION)


RECIPES = {"activation": add_activation, "emitter": add_emitter, "target": add_target, "precision": add_precision}


def copied(tree: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    return tree


def run(tree: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A Python command in the tree, with its packages."""
    path = os.pathsep.join(str((tree / package).parent) for package in PACKAGES)
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *command], cwd=tree, env=environment, capture_output=True, text=True, check=False
    )


def nnhw(tree: Path, *arguments: str) -> str:
    """What ``nnhw ARGUMENTS`` prints there; it must end with exit code 0."""
    result = run(tree, "-m", "nnhw", *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The copy with all four, a network trained with the activation, and its build by the code in the precision."""
    usable_target("wasm")
    folder = copied(tmp_path_factory.mktemp("recipes"))
    for add in RECIPES.values():
        add(folder)
    nnhw(folder, "train", "iris", "--layers", "6", "--hidden", "gudermannian", "--epochs", "60", "-o", "net.json")
    nnhw(folder, "export", "net.json", "--precision", "w8a12", "--code", "made_up", "-o", "build")
    return folder


@pytest.mark.parametrize("what", RECIPES)
def test_a_recipe_names_all_that_it_takes(what: str, tmp_path: Path) -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    article = "an" if what[0] in "ae" else "a"
    (section,) = re.findall(rf"^## Add {article} {what}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    named = {re.sub(r"\bX\b", "made_up", name) for name in re.findall(r"`([^`]+)`", section)}
    tree = copied(tmp_path)
    RECIPES[what](tree)
    changed = {
        path.relative_to(tree).as_posix()
        for path in tree.rglob("*")
        if path.is_file() and path.read_bytes()  # an empty __init__.py makes a folder a package
        if not (same := ROOT / path.relative_to(tree)).is_file() or same.read_bytes() != path.read_bytes()
    }
    unnamed = {path for path in changed if not any(path.endswith(name) for name in named)}
    assert unnamed == set()


def test_the_import_rules_know_the_new_folder(tree: Path) -> None:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    result = run(tree, "-c", program, "--config", "pyproject.toml", "--no-cache")
    assert ", 0 broken" in result.stdout, result.stdout


def test_the_made_up_code_differs_and_its_integers_do_not(tree: Path) -> None:
    assert "Input codes to outputs, made up." in (tree / "build/net.py").read_text("utf-8")
    told = nnhw(tree, "verify", "build", "--on", "wasm,python", "--rows", "300")
    assert [line.partition(":")[0] for line in told.splitlines()] == ["wasm", "python"]
    assert told.count("logits identical (from values, ticks and codes)") == 2


def test_a_fault_of_the_made_up_code_is_found_on_the_made_up_target(tree: Path) -> None:
    module = tree / "build/net.py"
    good = module.read_text("utf-8")
    module.write_text(good.replace("    r0 >>= ", "    r0 += 99999\n    r0 >>= ", 1), "utf-8")
    try:
        result = run(tree, "-m", "nnhw", "verify", "build", "--on", "python", "--rows", "10")
    finally:
        module.write_text(good, "utf-8")
    assert result.returncode == 1
    assert "first difference" in result.stdout


def test_the_new_target_runs_a_row_and_is_listed(tree: Path) -> None:
    assert nnhw(tree, "run", "build", "5.1", "3.5", "1.4", "0.2", "--on", "python").startswith("python: setosa")
    assert "+ python" in nnhw(tree, "targets")


def test_all_other_codes_compute_the_new_activation_in_the_new_precision(tree: Path) -> None:
    for code, target in (("portable", "python"), ("compact", "wasm"), ("viper", "rp2040-core"), ("c", "c")):
        if target != "python":
            usable_target(target)
        nnhw(tree, "export", "net.json", "--precision", "w8a12", "--code", code, "-o", f"as_{code}")
        assert "logits identical" in nnhw(tree, "verify", f"as_{code}", "--on", target, "--rows", "20")


def test_bench_counts_the_cycles_of_the_new_precision(tree: Path) -> None:
    usable_target("rp2040-core")
    (cost,) = json.loads(nnhw(tree, "bench", "build", "--code", "thumb", "--inputs", "2", "--json"))
    assert (cost["precision"], cost["spread"]) == ("w8a12", 0)
    result = run(tree, "-m", "nnhw", "bench", "build", "--code", "made_up")
    assert result.returncode == 2
    assert "portable, compact and made_up code is bytecode" in result.stderr


def test_bench_counts_the_cycles_of_calls_of_the_new_code(tree: Path) -> None:
    usable_target("pico")
    (cost,) = json.loads(nnhw(tree, "bench", "build", "--on", "pico", "--code", "made_up", "--inputs", "1", "--json"))
    assert cost["ticks_cycles"] > 1000


def test_fit_judges_the_new_code(tree: Path) -> None:
    if reason := mpy_cross.why_unavailable():
        pytest.skip(f"mpy-cross: {reason}")
    told = json.loads(nnhw(tree, "fit", "build", "--board", "rp2040", "--json"))
    assert {(form["code"], form["precision"], form["verdict"]) for form in told["forms"]} == {
        ("made_up", "w8a12", "fits")
    }


def test_the_report_draws_the_new_activation(tree: Path) -> None:
    usable_target("rp2040-core")
    nnhw(tree, "report", "build")
    page = (tree / "build/report.html").read_text("utf-8")
    for text in ("gudermannian", "w8a12: made up", "--code made_up", "--hidden gudermannian"):
        assert text in page, text


def test_a_board_learns_with_the_new_activation(tree: Path) -> None:
    nnhw(tree, "export", "net.json", "--precision", "w8a12", "--code", "compact", "--learn", "-o", "learns")
    result = run(tree / "learns", "learn_selftest.py")
    assert result.stdout == "64 steps: weights identical\n", result.stderr
