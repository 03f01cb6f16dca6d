"""The folder that export writes: replaced as a whole, described by its manifest, read back for every later command."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from nnhw import __version__
from nnhw.exporting import manifest_check, replace_files
from nnhw.exporting.manifest_check import KIND
from nnhw.model_files import columns
from nnhw.model_files.strict_json import Fault, Node
from nnhw_codegen.errors import InputError
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


class BuildError(InputError):
    """A build folder that cannot be read or must not be replaced; the message names it and says what to do."""


@dataclass(frozen=True)
class FileFacts:
    """One file of a build: its bytes, and their SHA-256 in hexadecimal digits."""

    size: int
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> FileFacts:
        """Those of a file that holds ``content``."""
        return cls(len(content), hashlib.sha256(content).hexdigest())

    @classmethod
    def from_json(cls, node: Node) -> FileFacts:
        """Those that a manifest tells. Raises Fault."""
        return cls(node.at("bytes").integer(0), node.at("sha256").text())


@dataclass(frozen=True)
class Manifest:
    """What manifest.json tells of a build.

    ``name`` is imported on the board and the stem of the generated files. ``source`` is the name of the model file,
    ``command`` what makes the build from it, ``model`` the first 16 digits of the SHA-256 of the .nnb file. ``precision``,
    ``code`` and ``board`` (None: any) are names; ``modules`` are the files that the board imports, ``native`` those .mpy
    that it imports in their place where it loads them, ``notes`` lines for the user. ``columns`` tell how a row of words
    and numbers becomes the inputs, empty where each is a number. ``version`` and ``format`` are those of the nnhw that
    wrote it.
    """

    name: str
    source: str
    command: str
    model: str
    precision: str
    code: str
    board: str | None
    modules: tuple[str, ...]
    native: tuple[str, ...]
    notes: tuple[str, ...]
    columns: tuple[Column, ...]
    files: Mapping[str, FileFacts]
    version: str = __version__
    format: int = FORMAT

    def to_json(self) -> dict[str, Any]:
        """The content of manifest.json."""
        return {
            "kind": KIND,
            "nnhw": self.version,
            "format": self.format,
            "name": self.name,
            "source": self.source,
            "command": self.command,
            "model": self.model,
            "precision": self.precision,
            "code": self.code,
            "board": self.board,
            "modules": list(self.modules),
            "native": list(self.native),
            "notes": list(self.notes),
            **({"columns": columns.to_json(self.columns)} if self.columns else {}),
            "files": {name: {"bytes": file.size, "sha256": file.sha256} for name, file in self.files.items()},
        }

    @classmethod
    def from_json(cls, node: Node, inputs: Sequence[str]) -> Manifest:
        """The manifest of a model with these ``inputs``. Raises Fault."""
        listed = node.at("files")
        return cls(
            name=node.at("name").text(),
            source=node.at("source").text(),
            command=node.at("command").text(),
            model=node.at("model").text(),
            precision=node.at("precision").text(),
            code=node.at("code").text(),
            board=None if node.at("board").value is None else node["board"].text(),
            modules=tuple(item.text() for item in node.at("modules").items()),
            native=tuple(item.text() for item in node.at("native").items()),
            notes=tuple(item.text() for item in node.at("notes").items()),
            columns=columns.from_json(node["columns"], inputs) if "columns" in node else (),
            files={name: FileFacts.from_json(listed[name]) for name in listed.mapping()},
            version=node.at("nnhw").text(),
        )


@dataclass(frozen=True, eq=False)
class Build:
    """An exported model: its folder, the integers of its .nnb file, and what its manifest tells."""

    directory: Path
    model: QModel
    manifest: Manifest

    @property
    def name(self) -> str:
        """The name to import on the board, and the stem of the generated files."""
        return self.manifest.name

    def is_as_written(self, name: str) -> bool:
        """Whether one file holds what export put there. Raises BuildError where it is missing."""
        return FileFacts.of(self.contents([name])[name]) == self.manifest.files[name]

    def contents(self, names: Iterable[str]) -> dict[str, bytes]:
        """The files called ``names``, {name: content}. Raises BuildError where one is missing."""
        try:
            return {name: (self.directory / name).read_bytes() for name in names}
        except OSError as error:
            raise BuildError(f"{error.filename}: {error.strerror}; run 'nnhw export' again") from None


def read(directory: str | Path) -> Build:
    """The build in ``directory``, its bounds proved again. Raises BuildError, FileError or ProofError."""
    directory = Path(directory)
    found = _read_manifest(directory)
    if found is None:
        raise BuildError(f"{directory}: not a build folder, there is no {MANIFEST} of nnhw in it; run 'nnhw export'")
    path = directory / f"{found['name']}.nnb"
    if not path.is_file():
        raise BuildError(f"{path}: missing; run 'nnhw export' again")
    model = nnb.load(path)
    try:
        return Build(directory, model, Manifest.from_json(Node(found), [entry.name for entry in model.inputs]))
    except Fault as fault:
        raise BuildError(f"{directory / MANIFEST}: {fault}; run 'nnhw export' again") from None


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
