"""Whether this tree exports, to the byte, what another commit does: python tests/house/same.py COMMIT.

Both trees run a fixed list of commands (every code, precision and board, with and without --learn), each through its own
``python -m nnhw``: nothing else of either is known here, so that trees of any layout can be compared. What a command
refuses counts too: its exit code and what it printed are compared as the files are. Exit code 1 where anything differs.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ("host", "codegen", "device")

Commands = dict[str, list[str]]
"""Where the words that a command prints are kept -> its words. Every file is relative to the tree's working folder."""

MODELS: Commands = {
    "iris": ["train", "iris", "--layers", "6", "--epochs", "30", "--json"],
    "tanh": ["new", "--layers", "3,5,4,2", "--hidden", "tanh", "--seed", "1"],
    "leaky": ["new", "--layers", "5,4,1", "--hidden", "leaky_relu", "--seed", "2"],
    "values": ["new", "--layers", "2,3,1", "--values", "--hidden", "softplus", "--seed", "3"],
    "sigmoid": ["new", "--layers", "2,9,2", "--values", "--hidden", "logsig", "--seed", "4"],
}
RUNNER = """
import contextlib, io, json, pathlib, runpy, sys

for place, words in json.load(sys.stdin).items():
    sys.argv, code, said = ["nnhw", *words], 0, io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            runpy.run_module("nnhw", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            code = end.code or 0
    path = pathlib.Path(place)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{said.getvalue()}exit code {code}\\n", "utf-8")
"""
"""All commands in one process: a command takes a fraction of the imports."""


def nnhw(tree: Path, folder: Path, commands: Commands) -> None:
    """Run ``commands`` with the sources of ``tree``, in ``folder``; nothing of them but a crash ends this program."""
    paths = os.pathsep.join(str(tree / source) for source in SOURCES)
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "100"}
    subprocess.run(
        [sys.executable, "-c", RUNNER], cwd=folder, env=environment, input=json.dumps(commands), text=True, check=True
    )


def choices(text: str, option: str) -> list[str]:
    """What ``option`` takes, by the help text of its command, but for "auto"."""
    found = re.search(rf"{option} \[(.*?)\]", text, re.DOTALL)
    assert found is not None, f"--help tells no choices of {option}"
    return [name for name in re.split(r"[|\s]+", found[1]) if name != "auto"]


def exports(codes: list[str], precisions: list[str], boards: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The folder of every export, and what follows ``nnhw export``."""
    for model in MODELS:
        for code in codes:
            for precision in precisions:
                yield f"{model}/{code}-{precision}", [f"{model}.json", "--code", code, "--precision", precision]
            for bits in ("16", "8"):
                learn = ["--learn", "--learn-bits", bits]
                yield f"{model}/{code}-learn{bits}", [f"{model}.json", "--code", code, "--precision", "w8a16", *learn]
    for rounding in ("carry", "lcg", "nearest"):
        for code in codes:
            yield f"iris/{code}-{rounding}", ["iris.json", "--code", code, "--learn", "--learn-rounding", rounding]
    for board in boards:
        yield f"iris/for-{board}", ["iris.json", "--code", "auto", "--board", board, "--learn"]
    yield "iris/fine-tuned", ["iris.json", "--precision", "w8a8", "--fine-tune", "iris"]


def make(tree: Path, folder: Path) -> None:
    """Fill ``folder`` with all that ``tree`` makes: models, build folders, reports, and what the commands print."""
    said = {f"said/{name}.txt": [*words, "-o", f"{name}.json"] for name, words in MODELS.items()}
    nnhw(tree, folder, {**said, "said/export.txt": ["export", "--help"]})
    text = (folder / "said/export.txt").read_text("utf-8")
    commands = {
        f"said/{place}.txt": ["export", *words, "-o", f"build/{place}"]
        for place, words in exports(*(choices(text, option) for option in ("--code", "--precision", "--board")))
    }
    for model in MODELS:
        commands[f"said/{model}/bench.txt"] = ["bench", f"{model}.json", "--forms", "--inputs", "5", "--json"]
    commands["said/iris/eval.txt"] = ["eval", "iris.json", "--json"]
    commands["said/iris/report.txt"] = ["report", "build/iris/portable-w8a8", "-o", "report.html"]
    nnhw(tree, folder, commands)


def differences(left: Path, right: Path, names: tuple[str, str]) -> list[str]:
    """A line for every file below the two folders, called ``names``, that is not the same in both."""
    found = [{path.relative_to(side) for path in side.rglob("*") if path.is_file()} for side in (left, right)]
    lines = []
    for path in sorted(found[0] | found[1]):
        if not all(path in side for side in found):
            lines.append(f"{path}: only in {names[0] if path in found[0] else names[1]}")
        elif not filecmp.cmp(left / path, right / path, shallow=False):
            lines.append(f"{path}: differs")
    return lines


def main() -> int:
    """Compare this tree, as it lies here, with a commit."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("base", metavar="COMMIT")
    base = parser.parse_args().base
    with tempfile.TemporaryDirectory(prefix="nnhw-same-") as temporary:
        tree, made = Path(temporary) / "tree", Path(temporary) / "made"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", tree, base], cwd=ROOT, check=True)
        try:
            for name, source in (("here", ROOT), ("base", tree)):
                (made / name).mkdir(parents=True)
                make(source, made / name)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", tree], cwd=ROOT, check=True)
        lines = differences(made / "here", made / "base", ("this tree", base))
        count = sum(path.is_file() for path in (made / "here").rglob("*"))
    print("\n".join(lines) if lines else f"same: all {count} files, to the byte")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
