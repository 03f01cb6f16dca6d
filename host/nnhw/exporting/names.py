"""Names in a build: of the module, of its folder, and the line that every file carries."""

from __future__ import annotations

from pathlib import Path

from nnhw import __version__
from nnhw_codegen.integers.qmodel import FORMAT
from nnhw_codegen.writer import identifier

# fmt: off
_TAKEN = frozenset((
    "array", "asyncio", "binascii", "bluetooth", "boot", "btree", "builtins", "cmath", "collections",
    "cryptolib", "deflate", "errno", "esp", "esp32", "framebuf", "gc", "hashlib", "heapq", "io", "json",
    "machine", "main", "math", "micropython", "mip", "neopixel", "network", "nnrun", "ntptime", "onewire",
    "os", "platform", "random", "re", "requests", "rp2", "select", "selftest", "socket", "ssl", "struct",
    "sys", "time", "tls", "uasyncio", "uctypes", "vfs", "webrepl", "zlib",
))
# fmt: on
"""Modules of boards and of nnhw: a model of that name could not be imported."""


def module_name(source: str) -> str:
    """The name to import on the board for a model file called ``source``."""
    name = identifier(Path(source).stem)
    return f"{name}_model" if name in _TAKEN else name


def default_directory(source: str) -> Path:
    """Where the export of the model file ``source`` goes."""
    return Path("build") / Path(source).stem


def banner(source: str, precision_name: str, model_hash: str, command: str) -> str:
    """The line that every generated file carries."""
    text = f"{source}, {precision_name}, format {FORMAT}, nnhw {__version__}, model {model_hash}; made by: {command}"
    return "".join(c if c.isprintable() and c not in '"\\' else "_" for c in text)
