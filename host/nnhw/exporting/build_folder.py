"""The folder that export writes: replaced as a whole, described by its manifest, read back for every later command."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from nnhw import __version__
from nnhw.exporting import manifest_check, replace_files
from nnhw.exporting.manifest_check import KIND
from nnhw.model_files import columns
from nnhw.model_files.strict_json import Fault, Node
from nnhw_codegen.files import nnb
from nnhw_codegen.integers.qmodel import FORMAT, QModel
from nnhw_codegen.network.network import Column

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows: two exports into one folder at once are not kept apart
    fcntl = None

MANIFEST = "manifest.json"
REPORT = "report.html"
"""What nnhw report writes by default: no file of the build, but about it, so it vanishes with it."""


class BuildError(ValueError):
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
    path = directory / f"{found['name']}.nnb"
    if not path.is_file():
        raise BuildError(f"{path}: missing; run 'nnhw export' again")
    return Build(directory, nnb.load(path), found)


def _read_manifest(directory: Path) -> dict[str, Any] | None:
    """The manifest; None where there is none of nnhw. Raises BuildError for one that cannot be used."""
    path = directory / MANIFEST
    try:
        return manifest_check.parse(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BuildError(f"{path}: {error.strerror}") from None
    except Fault as fault:
        raise BuildError(f"{path}: {fault}; delete it, and run 'nnhw export' again") from None


def write(directory: Path, files: Mapping[str, bytes]) -> None:
    """Put ``files`` into ``directory``, all or none of them; of two at once, one waits for the other.

    The files of an earlier build vanish with its report, whatever else its folder holds is kept. Raises BuildError where
    ``directory`` is something else than a build folder or an empty one, or holds a file of another hand under the name of
    one of ``files``; OSError that names ``directory`` where it cannot be written.
    """
    made = not directory.exists()
    try:
        check_replaceable(directory)
        directory.mkdir(parents=True, exist_ok=True)
        with _locked(directory):
            replace_files.recover(directory)
            check_replaceable(directory)
            replace_files.replace(directory, files, _own(directory, files))
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(directory)) from None
    finally:
        if made:
            with contextlib.suppress(OSError):
                directory.rmdir()  # only where it is empty


def _own(directory: Path, files: Mapping[str, bytes]) -> list[str]:
    """The names in ``directory`` that give way to ``files``: those that an export or a report wrote."""
    listed = (_read_manifest(directory) or {"files": {}})["files"]
    for name in files:
        if name not in {*listed, MANIFEST} and os.path.lexists(directory / name):
            raise BuildError(
                f"{directory / name}: is not of nnhw, and not replaced; move it, or choose another directory with -o"
            )
    return [
        entry.name
        for entry in directory.iterdir()
        if entry.name in {MANIFEST, REPORT}
        or (entry.name in listed and (entry.name in files or _unchanged(entry, listed)))
    ]


def _unchanged(path: Path, listed: Mapping[str, Any]) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == listed[path.name]["sha256"]


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """While another process is in here with the same directory, wait."""
    if fcntl is None:
        yield
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def check_replaceable(directory: Path) -> None:
    """Raise BuildError unless ``directory`` is absent, empty or a build folder."""
    if not os.path.lexists(directory):
        return
    if not directory.is_dir():
        raise BuildError(f"{directory}: is a file; choose another directory with -o")
    if not {entry.name for entry in directory.iterdir()} - replace_files.FOLDERS or replace_files.was_cut(directory):
        return
    if _read_manifest(directory) is None:
        raise BuildError(
            f"{directory}: holds other files and no {MANIFEST} of nnhw, so it is not replaced; "
            "choose another directory with -o"
        )
