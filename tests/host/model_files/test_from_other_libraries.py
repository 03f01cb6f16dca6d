"""The commands and programs of docs/from-other-libraries.md run, and print what the page says."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import usable_target
from support.foreign_models import FOLDER

from nnhw.cli import commands as cli

PAGE = (Path(__file__).parents[3] / "docs/from-other-libraries.md").read_text("utf-8")
BLOCKS = re.findall(r"(<!-- run: python -->\n)?```(\w+)\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.filterwarnings("ignore")
def test_the_page_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usable_target("wasm")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(os.environ, "KERAS_BACKEND", "numpy")
    for name in ("model.pt2", "model.safetensors"):  # the two that the page lets PyTorch write
        shutil.copy(FOLDER / "torch_iris_logits" / name, name)
    names: dict[str, object] = {}
    commands = 0
    for run, language, text in BLOCKS:
        if run:
            exec(text, names)
        if language == "console":
            for command, printed in re.findall(r"\$ nnhw (.*)\n((?:[^$].*\n)*)", text):
                result = CliRunner().invoke(cli.main, shlex.split(command))
                assert result.exit_code == 0, (command, result.output)
                assert all(line in result.output.splitlines() for line in printed.splitlines()), result.output
                commands += 1
    assert commands == PAGE.count("\n$ ") == 12
    assert Path("from_python.json").exists()
