"""A made-up target: the Python that runs nnhw."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

from nnhw.errors import TargetError
from nnhw.targets.target import SCRIPT_NAME, GuestDirectory, ScriptTarget, Session


class PythonSession(Session):
    """A directory of files; every run is a process of its own."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._directory = GuestDirectory("python", files)

    def run(self, script: str, timeout: float = 60.0) -> str:
        """See Session.run."""
        self._directory.write_script(script)
        command = [sys.executable, SCRIPT_NAME]
        done = subprocess.run(
            command, cwd=self._directory.files, capture_output=True, text=True, timeout=timeout, check=False
        )
        if done.returncode:
            raise TargetError(f"python: {done.stderr}", done.stdout)
        return done.stdout

    def close(self) -> None:
        """See Session.close."""
        self._directory.close()


class PythonTarget(ScriptTarget):
    """The Python that runs nnhw."""

    name = "python"
    summary = "made up"
    executes = ("micropython",)
    word_bits = 64
    is_fast = True

    def why_unavailable(self) -> str | None:
        """See Target.why_unavailable."""
        return None

    def session(self, files: Mapping[str, bytes], heap: int | None = None) -> Session:
        """See ScriptTarget.session."""
        return PythonSession(files)
