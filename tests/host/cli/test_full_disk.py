"""A write that fails ends a command with 2 and one line that names what the user named, and leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.networks import network

from nnhw.exporting import write_build
from nnhw.model_files import model_json
from nnhw_codegen.files import nnt
from nnhw_codegen.learning.trainable import default_profile, trainable

resource = pytest.importorskip("resource", reason="this system limits no files")

COMMANDS = {
    "train": (["train", "iris", "--epochs", "1", "-o", "out.json"], "out.json"),
    "new": (["new", "--layers", "4,3,2", "-o", "out.json"], "out.json"),
    "convert": (["convert", "m.json", "-o", "out.onnx"], "out.onnx"),
    "export": (["export", "m.json", "--precision", "w8a8", "--code", "c", "-o", "out"], "out"),
    "report": (["report", "b", "-o", "out.html"], "cannot write, maybe to "),
    "pull": (["pull", "m.nnt", "-o", "out.json"], "out.json"),
    "study": (["study", "relu-at-zero", "--quick", "--seeds", "2", "-o", "out"], "out/cells/"),
    "compare": (
        ["compare", "iris", "--seeds", "2", "--epochs", "1", "--hidden", "relu,tanh", "-o", "out.html"],
        "out.html",
    ),
}


def full() -> None:
    """In a child: no file becomes longer than 64 bytes, as on a disk with no more room than that."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))


def run(folder: Path, words: list[str], before=None) -> subprocess.CompletedProcess[str]:
    """The command in ``folder``."""
    command = [sys.executable, "-B", "-m", "nnhw", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, preexec_fn=before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model file, its build, and one that a board trained."""
    made = network((4, 3, 2))
    model_json.save(made, tmp_path / "m.json")
    write_build.export(made, tmp_path / "b", "w8a8", "c", source="m.json")
    (tmp_path / "m.nnt").write_bytes(nnt.to_bytes(trainable(made, default_profile(made))))
    return tmp_path


@pytest.mark.parametrize("name", COMMANDS)
def test_a_failed_write_is_told_in_one_line_and_leaves_nothing(name: str, folder: Path) -> None:
    words, named = COMMANDS[name]
    before = sorted(folder.rglob("*"))
    done = run(folder, words, full)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"nnhw: {named}")
    assert done.stderr.endswith(": File too large\n")
    assert done.stderr.count("\n") == 1
    left = set(folder.rglob("*")) - set(before)
    assert left <= {folder / "out", folder / "out/cells"}
    assert name == "study" or not left


def test_an_export_that_fails_leaves_the_earlier_build(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in (folder / "b").iterdir()}
    done = run(folder, ["export", "m.json", "--precision", "acc16", "--code", "c", "-o", "b"], full)
    assert (done.returncode, done.stderr) == (2, "nnhw: b: File too large\n")
    assert {path.name: path.read_bytes() for path in (folder / "b").iterdir()} == before
