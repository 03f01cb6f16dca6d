"""What ``import nnhw`` offers: the names, where they come from, and the Python section of the README as it stands."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nnhw

ROOT = Path(__file__).parents[2]


def section(document: str, title: str) -> str:
    """The text below a heading, up to the next one."""
    text = (ROOT / document).read_text("utf-8")
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## )", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def fresh(program: str) -> str:
    """What a program prints in a Python of its own."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_readme_and_changelog_name_what_the_package_offers() -> None:
    rows = re.findall(r"^\| (`.*?) \|", section("README.md", "In Python"), re.MULTILINE)
    told = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(told) == sorted(nnhw.__all__)
    entry = re.search(r"^- `import nnhw` offers (.*?):", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M | re.S)
    assert entry is not None
    assert sorted(re.findall(r"`(\w+)`", entry[1])) == sorted(nnhw.__all__)


def test_names_come_from_where_editors_see_them() -> None:
    source = ast.parse(Path(nnhw.__file__).read_text("utf-8"))
    (block,) = (node for node in source.body if isinstance(node, ast.If))
    seen = {
        alias.asname or alias.name: f"{node.module}:{alias.name}"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == nnhw._PLACES
    assert sorted(nnhw.__all__) == sorted(seen)
    assert set(nnhw.__all__) <= set(dir(nnhw))


@pytest.mark.parametrize("name", nnhw.__all__)
def test_every_name_is_documented(name: str) -> None:
    assert inspect.getdoc(getattr(nnhw, name))


def test_package_imports_nothing_heavy() -> None:
    assert fresh("import sys, nnhw; print('numpy' in sys.modules, 'click' in sys.modules)") == "False False\n"


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(AttributeError, match="module 'nnhw' has no attribute 'trian'"):
        nnhw.trian  # noqa: B018


def test_python_section_of_the_readme_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", section("README.md", "In Python"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "README.md", "exec"), {})
    promised = re.findall(r"^print\(.*\)  # (.*)$", block, re.MULTILINE)
    assert capsys.readouterr().out.splitlines() == promised


@pytest.mark.parametrize("kind", [str, Path])
def test_paths_are_texts_or_paths(tmp_path: Path, kind: type[str] | type[Path]) -> None:
    inputs = (nnhw.Input("x1"), nnhw.Input("x2"))
    network = nnhw.create(inputs, (), outputs=("y",))
    model = kind(tmp_path / "line.json")
    nnhw.save(network, model)
    build = nnhw.export(nnhw.load(model), kind(tmp_path / "deep" / "line"), precision="w8a8")
    assert build.name == "line"
    assert {"line.py", "line.nnb", "manifest.json"} <= {path.name for path in build.directory.iterdir()}
    table = kind(tmp_path / "rows.csv")
    Path(table).write_text("a,y\n" + "".join(f"{n},{n / 2}\n" for n in range(40)), "utf-8")
    assert nnhw.load_data(table, "y").features == ("a",)


def test_precision_is_a_name_everywhere() -> None:
    network = nnhw.create((nnhw.Input("x"),), (3,), classes=("no", "yes"))
    assert nnhw.quantize(network, "acc16").precision.name == "acc16"
    with pytest.raises(ValueError, match="there is no precision 'w9'"):
        nnhw.quantize(network, "w9")
