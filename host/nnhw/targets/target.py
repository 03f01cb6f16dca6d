"""What every target shares: the interface, the error, and the working directory handed to a guest."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Literal, TypeVar

from nnhw.errors import TargetError
from nnhw_codegen.emitters import EMITTERS

Guest = TypeVar("Guest", bound="Session")
SCRIPT_NAME = "__script__.py"


class Session(ABC):
    """One guest with its files, as a context manager.

    Every ``run`` starts a fresh interpreter, so no variable or import survives from one script to the next;
    files, also those the guest writes, stay until the session is closed.
    """

    @abstractmethod
    def run(self, script: str, timeout: float = 60.0) -> str:
        """Execute ``script`` and return what it printed.

        ``timeout`` is in seconds. Raises TargetError with the guest's traceback, or when time is up.
        """

    @abstractmethod
    def close(self) -> None:
        """End the guest and drop its files. Closing twice is harmless."""

    def __enter__(self: Guest) -> Guest:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Target(ABC):
    """A place where exported code can run, and all that the rest knows about it.

    executes      which code it runs: of ``Emitter.runs_in`` those that it answers to
    word_bits     width of its machine word
    float_bits    width of its floats: 30 where a MicroPython keeps two bits of each for itself (SPEC 3.2)
    opt_in        it needs what no package brings: a board, a firmware
    is_fast       it takes 10,000 rows within seconds
    counts        of what ``nnhw bench`` counts cycles there: "machine code" alone, "whole calls"; "" of nothing
    """

    name: str
    summary: str
    executes: tuple[str, ...]
    word_bits: int
    float_bits = 32
    opt_in = False
    is_fast = False
    counts: Literal["", "machine code", "whole calls"] = ""

    @property
    def kind(self) -> str:
        """The name without what chooses one of many: "board" for "board:COM3"."""
        return self.name.partition(":")[0]

    @property
    def codes(self) -> tuple[str, ...]:
        """The names of the codes that run there."""
        return tuple(emitter.name for emitter in EMITTERS if emitter.runs_in in self.executes)

    def at(self, which: str) -> Target:
        """The one that "kind:which" names. Raises TargetError where there is but one of its kind."""
        raise TargetError(f"there is no target '{self.name}:{which}': {self.name} stands alone")

    @abstractmethod
    def why_unavailable(self) -> str | None:
        """None when this machine can run the target, else a sentence that says what to install."""

    def require(self) -> None:
        """Raise TargetError with the reason when the target is unavailable."""
        reason = self.why_unavailable()
        if reason is not None:
            raise TargetError(f"{self.name}: {reason}")


class ScriptTarget(Target):
    """A target that runs MicroPython scripts.

    file_bytes    largest file that fits beside a module
    loads_mpy     whether a session takes the .mpy beside a module where the firmware loads it
    is_shallow    its stack has no room for ``predict`` at the depth of a script; it has at the prompt
    whole_board   the board of the catalog that it is the whole of, heap and all; "" where of none
    """

    file_bytes = 1 << 20
    loads_mpy = False
    is_shallow = False
    whole_board = ""

    @abstractmethod
    def session(self, files: Mapping[str, bytes], heap: int | None = None) -> Session:
        """Start a guest.

        ``files`` maps names to contents; the guest finds them in its working directory, for ``import`` and
        ``open``. A name may contain one directory level, as ``nnrun/__init__.py``. ``heap`` is the size of
        the guest's heap in bytes; None leaves the target's own. Raises TargetError when the target is
        unavailable, a name is unusable or the heap cannot be set.
        """

    def run(
        self,
        files: Mapping[str, bytes],
        script: str,
        heap: int | None = None,
        timeout: float = 60.0,
    ) -> str:
        """Run one script in a session of its own; see ``session`` and ``Session.run``."""
        with self.session(files, heap) as session:
            return session.run(script, timeout)


def check_names(target: str, files: Mapping[str, bytes]) -> None:
    """Raise TargetError unless every name is relative, at most one directory deep and not reserved."""
    for name in files:
        path = PurePosixPath(name)
        usable = str(path) == name and 1 <= len(path.parts) <= 2
        if not usable or ".." in path.parts or path.is_absolute() or name == SCRIPT_NAME:
            raise TargetError(
                f"{target}: the file name {name!r} cannot be used: expected a relative name with at most one "
                f"directory, as nnrun/__init__.py, and not {SCRIPT_NAME}"
            )


class GuestDirectory:
    """A temporary directory with the guest's files in ``files`` and room beside it for captured output."""

    def __init__(self, target: str, files: Mapping[str, bytes]) -> None:
        check_names(target, files)
        self._target = target
        self._temporary = tempfile.TemporaryDirectory(prefix="nnhw-")
        self.root = Path(self._temporary.name)
        self.files = self.root / "files"
        self.files.mkdir()
        for name, content in files.items():
            path = self.files / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)

    def write_script(self, script: str) -> None:
        """Put the script where the guest finds it as SCRIPT_NAME. Raises TargetError once closed."""
        if not self.files.exists():
            raise TargetError(f"{self._target}: the session is closed")
        (self.files / SCRIPT_NAME).write_bytes(script.encode())

    def close(self) -> None:
        """Remove the directory. Closing twice is harmless."""
        self._temporary.cleanup()
