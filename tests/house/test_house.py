"""The packages fit together: wheel, board package list, import rules, versions, file sizes."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import nnhw
from nnhw.cli.commands import COMMANDS

ROOT = Path(__file__).parents[2]
PACKAGES = ("host/nnhw", "codegen/nnhw_codegen", "device/nnrun")
FOLDERS = ("host", "codegen", "device", "tests", "benchmarks", "firmware_examples", ".ci")
MACHINE_PATH = re.compile(r"""(?<![\w.<>-])/(?:work|home|root|Users|tmp)/|[A-Z]:\\Users""")
UNTRACKED = (".git", ".coverage", "uv.lock")
LONGEST = 320
MOST_MODULES = 16
FLAT = ("host/nnhw/cli", "device/nnrun")
"""One file per command; and a micro:bit has no folders."""


def files(folder: Path) -> Iterator[Path]:
    """Every file below the folder except what Python and the tools leave there."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".pyc" and "__pycache__" not in path.parts:
            yield path


def sources() -> Iterator[Path]:
    """Every file of the project."""
    yield from (path for path in sorted(ROOT.iterdir()) if path.is_file() and path.name not in UNTRACKED)
    for folder in FOLDERS:
        yield from files(ROOT / folder)


def run(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    folder = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=ROOT)
    assert built.returncode == 0, built.stderr
    (path,) = folder.iterdir()
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_wheel_holds_every_file_of_the_three_packages(wheel: zipfile.ZipFile) -> None:
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    expected = {
        path.relative_to((ROOT / package).parent).as_posix() for package in PACKAGES for path in files(ROOT / package)
    }
    assert packed == expected
    assert {"nnhw/py.typed", "nnhw_codegen/py.typed", "nnrun/py.typed"} <= packed


def test_wheel_starts_the_command_from_its_module(wheel: zipfile.ZipFile) -> None:
    (entry_points,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "nnhw = nnhw.__main__:main" in wheel.read(entry_points).decode()


def test_version_is_the_same_everywhere(wheel: zipfile.ZipFile) -> None:
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    packed = re.search(r"^Version: (.*)$", wheel.read(metadata).decode(), re.MULTILINE)
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    package = json.loads((ROOT / "device/package.json").read_text("utf-8"))
    assert packed is not None
    assert newest is not None
    assert {packed[1], newest[1], package["version"]} == {nnhw.__version__}


def test_package_json_lists_every_module_of_the_board_package() -> None:
    listed = json.loads((ROOT / "device/package.json").read_text("utf-8"))["urls"]
    modules = [path.relative_to(ROOT / "device").as_posix() for path in files(ROOT / "device/nnrun")]
    assert listed == [[name, name] for name in modules if name.endswith(".py")]


def test_manifest_freezes_the_board_package() -> None:
    frozen: list[str] = []
    manifest = ROOT / "device/manifest.py"
    exec(compile(manifest.read_text("utf-8"), str(manifest), "exec"), {"package": frozen.append})
    assert frozen == ["nnrun"]
    assert (manifest.parent / frozen[0] / "__init__.py").is_file()


STAIR = "One stair"
HOST = "Floors of the host"
COMPILER = "Floors of the compiler"
PROGRAM = "Only board_program reads the board's program"

VIOLATIONS = {
    "device/nnrun/planted.py": ("import nnhw_codegen", {STAIR}),
    "device/nnrun/planted_too.py": ("import nnhw", {STAIR}),
    "host/nnhw/data/planted.py": ("import nnhw.exporting.write_build", {HOST}),
    "host/nnhw/report/planted.py": ("import nnhw.cli.export", {HOST}),
    "host/nnhw/planted/__init__.py": ("", {HOST}),
    "codegen/nnhw_codegen/integers/planted.py": ("import nnhw.cli", {STAIR}),
    "codegen/nnhw_codegen/integers/planted_too.py": ("import nnhw_codegen.quantization.quantize", {COMPILER}),
    "codegen/nnhw_codegen/viper/planted.py": ("import nnhw_codegen.c.layers", {COMPILER}),
    "codegen/nnhw_codegen/c/planted.py": ("import nnrun.learn_program", {PROGRAM}),
    "codegen/nnhw_codegen/planted/__init__.py": ("", {COMPILER}),
}
ALLOWED = {
    "host/nnhw/data/planted.py": "import nnhw_codegen.integers.planted",
    "host/nnhw/report/planted.py": "import nnhw.exporting.write_build",
    "codegen/nnhw_codegen/integers/planted.py": "import nnrun.planted",
    "codegen/nnhw_codegen/viper/planted.py": "import nnhw_codegen.micropython.activation",
}


def broken_rules(folder: Path) -> set[str]:
    """The names of the import rules that a copy of the three packages breaks."""
    roots = os.pathsep.join(str((folder / package).parent) for package in PACKAGES)
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    arguments = ("--config", str(ROOT / "pyproject.toml"), "--no-cache")
    result = run(sys.executable, "-c", program, *arguments, cwd=folder, PYTHONPATH=roots)
    broken = set(re.findall(r"^(.*) BROKEN", result.stdout, re.MULTILINE))
    assert f", {len(broken)} broken" in result.stdout, result.stdout + result.stderr
    return broken


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_import_rules_are_kept_by_the_packages_and_by_allowed_imports(copy: Path) -> None:
    (copy / "device/nnrun/planted.py").write_text("", "utf-8")
    for name, line in ALLOWED.items():
        (copy / name).write_text(line, "utf-8")
    assert broken_rules(copy) == set()


@pytest.mark.parametrize("name", VIOLATIONS)
def test_import_rules_report_a_planted_violation(copy: Path, name: str) -> None:
    line, rules = VIOLATIONS[name]
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_text(line, "utf-8")
    assert broken_rules(copy) == rules


@pytest.mark.parametrize("level", ["test", "module"])
@pytest.mark.parametrize("no_skip", ["", "1"])
def test_skip_fails_only_where_no_skip_is_set(tmp_path: Path, level: str, no_skip: str) -> None:
    shutil.copy(ROOT / "tests/conftest.py", tmp_path)
    skip = {"test": "def test_it(): pytest.skip('no tool')", "module": "pytest.importorskip('no_such_tool')"}
    (tmp_path / "test_it.py").write_text(f"import pytest\n{skip[level]}\n", "utf-8")
    arguments = ("-p", "no:cacheprovider", "--rootdir", str(tmp_path))
    path = os.pathsep.join(str(ROOT / root) for root in ("host", "codegen", "device"))
    result = run(sys.executable, "-m", "pytest", *arguments, cwd=tmp_path, NNHW_NO_SKIP=no_skip, PYTHONPATH=path)
    assert ("NNHW_NO_SKIP is set, but" in result.stdout) == bool(no_skip)
    assert ("1 skipped" in result.stdout) == (not no_skip)


def test_no_source_file_is_longer_than_the_limit() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines())
        for path in sources()
        if path.suffix == ".py"
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_no_folder_holds_more_modules_than_the_limit() -> None:
    counts = Counter(
        path.parent.relative_to(ROOT).as_posix()
        for path in sources()
        if path.suffix == ".py" and path.name != "__init__.py"
    )
    assert {folder: count for folder, count in counts.items() if count > MOST_MODULES and folder not in FLAT} == {}


def test_packages_list_the_names_that_they_offer() -> None:
    for package in PACKAGES[:2]:
        for path in (ROOT / package).rglob("__init__.py"):
            body = ast.parse(path.read_text("utf-8")).body
            offers = any(not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in body)
            listed = any(isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__all__" for n in body)
            assert offers == listed, path


def test_ways_through_the_code_lead_where_they_say() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    stops = re.findall(r"^\| `((?:host|codegen)/[\w/]+\.py)` \| (.*) \|$", text, re.MULTILINE)
    assert len(stops) == 18
    for name, told in stops:
        code = (ROOT / name).read_text("utf-8")
        for quoted in re.findall(r"`([A-Za-z_]+(?:\.[a-z_]+)?)`", told):
            for word in () if quoted.endswith(".py") else quoted.split("."):
                assert re.search(rf"\b(def|class) {word}\b|^    {word}: ", code, re.MULTILINE) or word == "nnrun", (
                    name
                )
    (line,) = re.findall(r"`(shift = [^`]*)`", text)
    assert line in (ROOT / "codegen/nnhw_codegen/quantization/quantize.py").read_text("utf-8")


def test_commands_do_not_import_one_another() -> None:
    modules = {place.partition(":")[0] for place, _ in COMMANDS.values()}
    for module in modules:
        text = (ROOT / "host" / f"{module.replace('.', '/')}.py").read_text("utf-8")
        imported = re.findall(r"from nnhw\.cli(?:\.(\w+))? import ([^\n]*)", text)
        names = {name for place, names in imported for name in ([place] if place else names.split(", "))}
        assert not names & {name.rpartition(".")[2] for name in modules}, module


def test_no_file_names_a_path_of_one_machine() -> None:
    found = {}
    for path in sources():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        if match := MACHINE_PATH.search(text):
            found[path.relative_to(ROOT).as_posix()] = match[0]
    assert found == {}


@pytest.mark.parametrize("text", ["cd /" + "home/me", "open('/" + "tmp/x')", "C:" + r"\Users\me"])
def test_machine_paths_are_recognized(text: str) -> None:
    assert MACHINE_PATH.search(text)
