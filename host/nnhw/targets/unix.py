"""The unix port of MicroPython: 64-bit, fast, runs viper functions as x86-64 machine code."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Mapping

from nnhw.errors import TargetError
from nnhw.targets.child import leashed
from nnhw.targets.target import SCRIPT_NAME, GuestDirectory, ScriptTarget, Session

MISSING = (
    "the MicroPython unix port is not installed; install it with: pip install 'nnhw[emulators]' "
    "(Linux x86-64 and macOS arm64), or put a micropython program on the PATH"
)
# The package is imported before the working directory changes, so that no file of the guest can shadow it.
LAUNCHER = "import os, sys, micropython_run as m; os.chdir(sys.argv[1]); sys.exit(m.run_main(sys.argv[1:]))"


class UnixSession(Session):
    """A directory of files; every run is a process of its own."""

    def __init__(self, program: str | None, files: Mapping[str, bytes], heap: int | None) -> None:
        self._directory = GuestDirectory("unix", files)
        if program is None:
            self._command = [sys.executable, "-c", LAUNCHER, str(self._directory.files)]
            self._start_directory = self._directory.root
        else:
            self._command = [program]
            self._start_directory = self._directory.files
        if heap is not None:
            self._command += ["-X", f"heapsize={heap}"]

    def run(self, script: str, timeout: float = 60.0) -> str:
        self._directory.write_script(script)
        try:
            done = subprocess.run(
                leashed([*self._command, SCRIPT_NAME]),
                stdin=subprocess.DEVNULL,
                check=False,
                capture_output=True,
                timeout=timeout,
                cwd=self._start_directory,
            )
        except subprocess.TimeoutExpired as expired:
            output = (expired.stdout or b"").decode(errors="replace")
            raise TargetError(f"unix: the script did not finish within {timeout:g} s", output) from None
        output = done.stdout.decode(errors="replace")
        if done.returncode:
            # Some builds of the port write the traceback to stdout, behind what the script printed.
            output, traceback = split_traceback(output)
            errors = (done.stderr.decode(errors="replace") + traceback).strip()
            raise TargetError(f"unix: {errors or f'the script ended with exit code {done.returncode}'}", output)
        return output

    def close(self) -> None:
        self._directory.close()


def split_traceback(output: str) -> tuple[str, str]:
    """Part what a failed script printed from the traceback that follows it, if one does."""
    start = output.rfind("Traceback (most recent call last):\n")
    return (output, "") if start < 0 else (output[:start], output[start:])


class UnixTarget(ScriptTarget):
    """MicroPython as a program of this machine: the installed package, else one on the PATH."""

    name = "unix"
    summary = "MicroPython unix port: 64-bit, the fastest emulator"
    executes = ("micropython", "viper")
    word_bits = 64
    is_fast = True

    def why_unavailable(self) -> str | None:
        found = importlib.util.find_spec("micropython_run") or shutil.which("micropython")
        return None if found else MISSING

    def session(self, files: Mapping[str, bytes], heap: int | None = None) -> Session:
        self.require()
        packaged = importlib.util.find_spec("micropython_run")
        return UnixSession(None if packaged else shutil.which("micropython"), files, heap)
