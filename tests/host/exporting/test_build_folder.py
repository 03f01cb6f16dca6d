"""A build folder is replaced whole or not at all, and nothing of another hand in it is touched."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.commands import nnhw
from support.networks import network

from nnhw.exporting import build_folder, replace_files
from nnhw.exporting.build_folder import BuildError
from nnhw.model_files import model_json

FILES = {name: content * 1000 for name, content in (("a.py", b"a"), ("b.txt", b"b"))}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small model file."""
    path = tmp_path / "tiny.json"
    model_json.save(network((2, 3, 2)), path)
    return path


def export(model: Path, folder: Path, *options: str, code: int = 0) -> str:
    """What nnhw export of it says."""
    return nnhw("export", str(model), "--precision", "w8a8", "-o", str(folder), *options, code=code)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


DAMAGES = [
    ("files", 5, "files: expected an object"),
    ("files", {"../../thesis.tex": {"bytes": 1, "sha256": "0" * 64}}, "no plain file name"),
    ("files", {".bashrc": {"bytes": 1, "sha256": "0" * 64}}, "no plain file name"),
    ("files", {"a.py": {"bytes": -1, "sha256": "0" * 64}}, "bytes: expected an integer"),
    ("name", "../../etc/passwd", "name: expected a name"),
    ("name", "tiny\n", "name: found the control character"),
    ("nnhw", True, "nnhw: expected a text"),
    ("code", "rust", "code: expected"),
    ("board", "toaster", "board: expected"),
    ("modules", ["other.py"], "modules"),
    ("notes", [1], "notes"),
    ("format", "2", "format: expected an integer"),
    ("format", 99, "made for format 99"),
    ("command", "nnhw export m.json; rm -rf /", "command: expected an nnhw command"),
    ("command", "rm -rf /", "command: expected an nnhw command"),
    ("extra", 1, "unknown key"),
]


@pytest.mark.parametrize(("key", "value", "told"), DAMAGES)
def test_a_damaged_manifest_is_refused_and_nothing_in_its_folder_moves(
    key, value, told, model, tmp_path: Path
) -> None:
    folder = tmp_path / "b"
    export(model, folder)
    (folder / "thesis.tex").write_text("years of work")
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    before = contents(folder)
    for words in (
        ("export", str(model), "-o", str(folder)),
        ("verify", str(folder), "--on", "c"),
        ("report", str(folder)),
    ):
        said = nnhw(*words, code=2)
        assert "manifest.json: " in said
        assert told in said
        assert said.count("\n") == 1
    assert contents(folder) == before


def test_a_file_of_another_hand_is_never_overwritten(model, tmp_path: Path) -> None:
    folder = tmp_path / "b"
    export(model, folder, "--code", "c")
    (folder / "tiny.py").write_text("mine")
    before = contents(folder)
    assert "tiny.py: is not of nnhw, and not replaced" in export(model, folder, code=2)
    assert contents(folder) == before


def test_a_listed_file_that_the_next_build_lacks_goes_only_where_it_is_as_it_was_written(
    model, tmp_path: Path
) -> None:
    folder = tmp_path / "b"
    export(model, folder)
    assert {"selftest.py", "package.json"} <= contents(folder).keys()
    (folder / "selftest.py").write_text("mine now")
    export(model, folder, "--code", "c")
    assert (folder / "selftest.py").read_text() == "mine now"
    assert not (folder / "package.json").exists()


def test_the_folder_itself_stays(model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    number = folder.stat().st_ino
    for code in ("portable", "c"):
        export(model, Path("."), "--code", code)
        assert (folder.stat().st_ino, Path.cwd()) == (number, folder)
        assert Path("manifest.json").is_file()
    assert not [name for name in os.listdir() if name.startswith(".")]


@pytest.mark.parametrize("call", ["mkdir", "rename", "unlink"])
@pytest.mark.parametrize("nth", range(1, 8))
def test_a_fault_at_any_place_leaves_the_earlier_files(
    call, nth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "old.py").write_bytes(b"old")
    (tmp_path / "a.py").write_bytes(b"earlier")
    before = contents(tmp_path)
    real, calls = getattr(Path, call), []

    def failing(path: Path, *rest: object, **more: object) -> object:
        calls.append(path)
        if len(calls) == nth:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, *rest, **more)

    monkeypatch.setattr(Path, call, failing)
    try:
        replace_files.replace(tmp_path, FILES, ["old.py", "a.py"])
    except OSError:
        assert contents(tmp_path) == before
    else:
        assert contents(tmp_path) == FILES
        assert len(calls) < nth


def test_a_process_killed_in_between_leaves_what_the_next_export_puts_right(tmp_path: Path) -> None:
    """At every rename: after recover the folder is as it was, or holds the new files."""
    script = """
import os, sys
from pathlib import Path
from nnhw.exporting import replace_files
nth, real, calls = int(sys.argv[2]), Path.rename, []
def dying(path, target):
    calls.append(path)
    if len(calls) == nth:
        os._exit(9)
    return real(path, target)
Path.rename = dying
replace_files.replace(Path(sys.argv[1]), {"a.py": b"new", "b.txt": b"new"}, ["old.py", "a.py"])
"""
    for nth in range(1, 6):
        folder = tmp_path / str(nth)
        folder.mkdir()
        for name in ("old.py", "a.py", "mine.txt"):
            (folder / name).write_bytes(b"earlier")
        before = contents(folder)
        done = subprocess.run([sys.executable, "-c", script, str(folder), str(nth)], check=False)
        assert done.returncode == (9 if nth < 5 else 0)
        assert replace_files.was_cut(folder) == (nth < 5)
        replace_files.recover(folder)
        assert contents(folder) == (before if nth < 5 else {"a.py": b"new", "b.txt": b"new", "mine.txt": b"earlier"})


def test_two_exports_into_one_folder_at_once_leave_one_of_the_two_whole(tmp_path: Path) -> None:
    builds = [
        {f"{letter}{k}.txt": letter.encode() * 5000 for k in range(30)} | {"manifest.json": b'{"kind": "nnhw-build"}'}
        for letter in "xy"
    ]
    folder = tmp_path / "b"
    folder.mkdir()
    faults: list[str] = []

    def put(files: dict[str, bytes]) -> None:
        with build_folder._locked(folder):
            if set(contents(folder)) not in ({*()}, set(builds[0]), set(builds[1])):
                faults.append(f"found {sorted(contents(folder))}")
            replace_files.replace(folder, files, [path.name for path in folder.iterdir()])

    for _ in range(5):
        both = [threading.Thread(target=put, args=(files,)) for files in builds]
        for one in both:
            one.start()
        for one in both:
            one.join()
        assert contents(folder) in builds
    assert not faults


def test_two_export_commands_at_once_leave_one_of_the_two_builds_whole(tmp_path: Path) -> None:
    model_json.save(network((2, 3, 2), "relu"), tmp_path / "m.json")
    export = [sys.executable, "-m", "nnhw", "export", "m.json", "--precision", "w8a8", "--code"]
    alone = {}
    for code in ("compact", "c"):
        subprocess.run([*export, code, "-o", code], cwd=tmp_path, check=True, capture_output=True)
        alone[code] = set(contents(tmp_path / code))
    for _ in range(3):
        both = [
            subprocess.Popen([*export, code, "-o", "both"], cwd=tmp_path, stdout=subprocess.DEVNULL) for code in alone
        ]
        assert [one.wait(60) for one in both] == [0, 0]
        assert set(contents(tmp_path / "both")) in alone.values()
        build_folder.read(tmp_path / "both")


def test_a_folder_that_is_none_of_nnhw_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(BuildError, match="holds other files"):
        build_folder.write(tmp_path, FILES)
    assert contents(tmp_path) == {"mine.txt": b"mine"}
