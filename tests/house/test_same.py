"""`make same` tells trees apart by what they export."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from house.same import MODELS, ROOT, SOURCES, choices, differences, exports, nnhw


def test_a_changed_version_shows_in_what_a_tree_exports(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for source in SOURCES:
        shutil.copytree(ROOT / source, tree / source, ignore=shutil.ignore_patterns("__pycache__"))
    version = tree / "host/nnhw/__init__.py"
    version.write_text(version.read_text("utf-8").replace('__version__ = "', '__version__ = "9'), "utf-8")
    commands = {
        "new.txt": [*MODELS["values"], "-o", "values.json"],
        "export.txt": ["export", "values.json", "--precision", "w8a8"],
        "refused.txt": ["export", "values.json", "--precision", "w9"],
    }
    for name, source in (("here", ROOT), ("again", ROOT), ("changed", tree)):
        (tmp_path / name).mkdir()
        nnhw(source, tmp_path / name, commands)
    assert (tmp_path / "here/refused.txt").read_text("utf-8").endswith("exit code 2\n")
    assert differences(tmp_path / "here", tmp_path / "again", ("here", "again")) == []
    changed = differences(tmp_path / "here", tmp_path / "changed", ("here", "changed"))
    assert "build/values/manifest.json: differs" in changed
    assert not {"new.txt: differs", "refused.txt: differs", "build/values/values.nnb: differs"} & set(changed)


def test_a_file_of_one_side_alone_is_named_with_its_side(tmp_path: Path) -> None:
    for side, name in (("left", "a"), ("right", "b"), ("left", "both"), ("right", "both")):
        (tmp_path / side / "folder").mkdir(parents=True, exist_ok=True)
        (tmp_path / side / "folder" / name).write_text("", "utf-8")
    lines = differences(tmp_path / "left", tmp_path / "right", ("left", "right"))
    assert lines == [f"{Path('folder/a')}: only in left", f"{Path('folder/b')}: only in right"]


def test_choices_are_read_from_the_help_text() -> None:
    text = "  --code [auto|portable|c]     Which.\n  --board [one|\n    two]"
    assert choices(text, "--code") == ["portable", "c"]
    assert choices(text, "--board") == ["one", "two"]
    with pytest.raises(AssertionError, match="--other"):
        choices(text, "--other")


def test_every_code_precision_and_board_is_exported() -> None:
    words = [line for _, line in exports(["x", "y"], ["p", "q"], ["z"])]
    for model in MODELS:
        for code in ("x", "y"):
            for precision in ("p", "q"):
                assert [f"{model}.json", "--code", code, "--precision", precision] in words
            assert any(line[:3] == [f"{model}.json", "--code", code] and "--learn" in line for line in words)
    assert ["iris.json", "--code", "auto", "--board", "z", "--learn"] in words
