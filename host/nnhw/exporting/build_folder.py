"""The folder that export writes: replaced as a whole, described by its manifest, read back for every later command."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnhw import __version__
from nnhw.model_files import columns
from nnhw.model_files.strict_json import Fault, Node
from nnhw_codegen.errors import InputError
from nnhw_codegen.files import nnb
from nnhw_codegen.integers.qmodel import FORMAT, QModel
from nnhw_codegen.network.network import Column

MANIFEST = "manifest.json"
KIND = "nnhw-build"
REPORT = "report.html"
"""What nnhw report writes by default: no file of the build, but about it, so it vanishes with it."""


class BuildError(InputError):
    """A build folder that cannot be read or must not be replaced; the message names it and says what to do."""


@dataclass(frozen=True, eq=False)
class Build:
    """An exported model. ``manifest`` is the content of manifest.json; ``model`` the integers of the .nnb file."""

    directory: Path
    model: QModel
    manifest: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name to import on the board, and the stem of the generated files."""
        return str(self.manifest["name"])

    @property
    def columns(self) -> tuple[Column, ...]:
        """How a row of words and numbers becomes the inputs; empty where each is a number."""
        if "columns" not in self.manifest:
            return ()
        try:
            return columns.from_json(Node(self.manifest["columns"], "columns"), [i.name for i in self.model.inputs])
        except Fault as fault:
            raise BuildError(f"{self.directory / MANIFEST}: {fault}; run 'nnhw export' again") from None

    def size(self, name: str) -> int:
        """Bytes of one file."""
        return int(self.manifest["files"][name]["bytes"])

    def is_as_written(self, name: str) -> bool:
        """Whether one file holds what export put there. Raises BuildError where it is missing."""
        content = self.contents([name])[name]
        return hashlib.sha256(content).hexdigest() == str(self.manifest["files"][name]["sha256"])

    def contents(self, names: Iterable[str]) -> dict[str, bytes]:
        """The files called ``names``, {name: content}. Raises BuildError where one is missing."""
        try:
            return {name: (self.directory / name).read_bytes() for name in names}
        except OSError as error:
            raise BuildError(f"{error.filename}: {error.strerror}; run 'nnhw export' again") from None


def manifest(facts: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, Any]:
    """``facts`` with what this nnhw is and what each of ``files`` holds."""
    described = {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
    }
    return {"kind": KIND, "nnhw": __version__, "format": FORMAT, **facts, "files": described}


def read(directory: Path) -> Build:
    """The build in ``directory``, its bounds proved again. Raises BuildError, FileError or ProofError."""
    found = _read_manifest(directory)
    if found is None:
        raise BuildError(f"{directory}: not a build folder, there is no {MANIFEST} of nnhw in it; run 'nnhw export'")
    if found.get("format") != FORMAT:
        raise BuildError(
            f"{directory}: made for format {found.get('format')}, this nnhw reads {FORMAT}; run 'nnhw export' again"
        )
    path = directory / f"{found['name']}.nnb"
    if not path.is_file():
        raise BuildError(f"{path}: missing; run 'nnhw export' again")
    return Build(directory, nnb.load(path), found)


def _read_manifest(directory: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((directory / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    needed = {"name", "code", "modules", "files"}
    return found if isinstance(found, dict) and found.get("kind") == KIND and needed <= found.keys() else None


def write(directory: Path, files: Mapping[str, bytes]) -> None:
    """Put ``files`` into ``directory``, all or none of them.

    The files of an earlier build vanish with its report, whatever else its folder holds is kept. Raises BuildError where
    ``directory`` is something else than a build folder or an empty one, OSError where it cannot be written.
    """
    directory = directory.resolve()
    check_replaceable(directory)
    earlier = _read_manifest(directory) or {"files": {}}
    directory.parent.mkdir(parents=True, exist_ok=True)
    fresh = directory.with_name(f".{directory.name}.new-{os.getpid()}")
    stale = directory.with_name(f".{directory.name}.old-{os.getpid()}")
    try:
        fresh.mkdir()
        for name, content in files.items():
            (fresh / name).write_bytes(content)
        if directory.exists():
            directory.rename(stale)
        fresh.rename(directory)
    except OSError:
        if stale.exists():
            stale.rename(directory)
        raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    if stale.exists():
        for entry in stale.iterdir():
            if entry.name not in {*earlier["files"], *files, MANIFEST, REPORT, "__pycache__"}:
                entry.rename(directory / entry.name)
        shutil.rmtree(stale)


def check_replaceable(directory: Path) -> None:
    """Raise BuildError unless ``directory`` is absent, empty or a build folder."""
    if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
        return
    if not directory.is_dir():
        raise BuildError(f"{directory}: is a file; choose another directory with -o")
    if _read_manifest(directory) is None:
        raise BuildError(
            f"{directory}: holds other files and no {MANIFEST} of nnhw, so it is not replaced; "
            "choose another directory with -o"
        )
