"""The C compiler of this machine: every warning is an error, and sanitizers watch the run."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from nnhw.errors import TargetError
from nnhw.targets.child import leashed
from nnhw.targets.target import Target, check_names

COMPILER_VARIABLE = "CC"
MISSING = "no C compiler was found; install one, as with: apt install gcc, or name it in the variable CC"
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-O1", "-g")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")


class CompilerTarget(Target):
    """Compiles and runs C programs."""

    name = "c"
    summary = "C99 program of this machine, with the address and undefined-behavior sanitizers"
    executes = ("c",)
    is_fast = True
    word_bits = 32  # int, the type the generated C computes in

    def why_unavailable(self) -> str | None:
        return None if _compiler() else MISSING

    def run(
        self,
        files: Mapping[str, bytes],
        arguments: Sequence[str] = (),
        stdin: bytes = b"",
        flags: Sequence[str] = (),
        timeout: float = 60.0,
    ) -> str:
        """Compile the .c files of ``files`` (the others are headers) into a program, run it, return stdout.

        ``timeout`` is in seconds, for the run. Raises TargetError with the tool's own words on a warning, a
        sanitizer report, a crash, an exit code other than 0 or a time-out.
        """
        self.require()
        check_names(self.name, files)
        with tempfile.TemporaryDirectory(prefix="nnhw-") as directory:
            folder = Path(directory)
            for name, content in files.items():
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_bytes(content)
            program = folder / "program.out"
            sources = [name for name in files if name.endswith(".c")]
            built = _build([*STRICT, *_sanitizers(), *flags, *sources, "-lm"], folder, program)
            if built.returncode:
                raise TargetError(f"c: {' '.join(_compiler())}:\n{built.stderr.strip()}")
            return _execute([str(program), *arguments], folder, stdin, timeout)


def _execute(command: list[str], folder: Path, stdin: bytes, timeout: float) -> str:
    try:
        done = subprocess.run(
            leashed(command), check=False, cwd=folder, input=stdin, capture_output=True, timeout=timeout
        )
    except subprocess.TimeoutExpired as expired:
        output = (expired.stdout or b"").decode(errors="replace")
        raise TargetError(f"c: the program did not finish within {timeout:g} s", output) from None
    output = done.stdout.decode(errors="replace")
    if done.returncode:
        ending = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        report = done.stderr.decode(errors="replace").strip()
        raise TargetError(f"c: the program ended with {ending}\n{report}".rstrip(), output)
    return output


def _compiler() -> list[str]:
    """The command of the compiler, empty when there is none."""
    command = shlex.split(os.environ.get(COMPILER_VARIABLE) or "cc")
    return command if shutil.which(command[0]) else []


def _build(arguments: list[str], folder: Path, program: Path) -> subprocess.CompletedProcess[str]:
    command = [*_compiler(), *arguments, "-o", str(program)]
    return subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True)


@functools.cache
def _sanitizers() -> tuple[str, ...]:
    """The sanitizer flags when the compiler accepts them and the program they make runs here, else none."""
    with tempfile.TemporaryDirectory(prefix="nnhw-") as directory:
        folder = Path(directory)
        (folder / "probe.c").write_text("int main(void) { return 0; }\n")
        program = folder / "probe.out"
        if _build([*SANITIZERS, "probe.c"], folder, program).returncode:
            return ()
        ran = subprocess.run([str(program)], check=False, capture_output=True)
        return SANITIZERS if ran.returncode == 0 else ()
