"""A real board on a serial port, under its own MicroPython."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath

from nnhw.boards import link, loadable
from nnhw.boards.link import Link
from nnhw.boards.scripts import script
from nnhw.errors import TargetError
from nnhw.targets.target import ScriptTarget, Session, check_names

PREFIX = "board:"
FOLDER = "nnhw_run"
"""Where a session keeps its files on the board, apart from those of the user."""

_CLEAR = script("clear_folder", folder=FOLDER)


class BoardSession(Session):
    """Files in a folder of their own on the board. Every run follows a soft reset; an exit code is not seen."""

    def __init__(self, port: str, files: Mapping[str, bytes]) -> None:
        self._link = Link(port)
        self.name = self._link.name
        self._open = True
        try:
            firmware = self._link.firmware()
            if not firmware.files:
                raise TargetError(
                    f"{self.name}: {firmware} has no rename, sha256 or base64, so files cannot be copied"
                )
            chosen, _ = loadable.loadable(files, firmware)
            self._link.execute(_CLEAR)
            folders = {str(PurePosixPath(name).parent) for name in chosen} - {"."}
            self._link.make_folders([FOLDER, *sorted(f"{FOLDER}/{folder}" for folder in folders)])
            for name, content in chosen.items():
                self._link.stage(f"{FOLDER}/{name}", content)
            self._link.install(f"{FOLDER}/{name}" for name in chosen)
        except BaseException:
            self.close()
            raise

    def run(self, script: str, timeout: float = 60.0) -> str:
        if not self._open:
            raise TargetError(f"{self.name}: the session is closed")
        self._link.reset()
        self._link.execute(f"import os\nos.chdir({FOLDER!r})")
        return self._link.execute(script, timeout)

    def close(self) -> None:
        if not self._open:
            return
        self._open = False
        try:
            self._link.reset()
            self._link.execute(_CLEAR)
        except TargetError:
            pass  # a broken line: the next session clears the folder
        finally:
            self._link.close()


class BoardTarget(ScriptTarget):
    """The board on one serial port; modules reach it as .mpy where it can load that."""

    summary = "a real board on a serial port, as board:/dev/ttyACM0 or board:COM3; board:auto finds it"
    executes = ("micropython", "viper", "asm_thumb")
    word_bits = 32
    opt_in = True
    loads_mpy = True

    def __init__(self, port: str = link.AUTO) -> None:
        self.name = PREFIX + port
        self.port = port

    def at(self, which: str) -> BoardTarget:
        """The board on another port."""
        return BoardTarget(which)

    def why_unavailable(self) -> str | None:
        reason = link.why_unavailable()
        if reason is None and self.port == link.AUTO and not link.ports():
            return "no board found on a USB port; plug one in"
        return reason

    def session(self, files: Mapping[str, bytes], heap: int | None = None) -> Session:
        """See ScriptTarget.session."""
        self.require()
        if heap is not None:
            raise TargetError(f"{self.name}: the heap of a board is fixed; leave heap at None")
        check_names(self.name, files)
        return BoardSession(self.port, files)
