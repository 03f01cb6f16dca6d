"""Native .mpy files: machine code put in place of functions that mpy-cross has compiled to bytecode.

Layout of .mpy version 6.3, which MicroPython 1.23 and newer load: ``M``, version, feature byte, bits of a small integer;
number of names and of constants, the names, the constants, then the raw code of the module with that of its functions
inside. Numbers are big-endian in base 128. Machine code of kind VIPER is called as
``f(function object, n_args, n_kw, args*)`` and returns an object; nothing of its arguments is converted or checked. It is
independent of its position and has no relocations, so no linker is needed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

ARCHITECTURES = {"x64": 2, "armv6m": 4, "armv7m": 5, "armv7emsp": 7, "armv7emdp": 8, "xtensawin": 10, "rv32imc": 11}
"""Numbers of the architectures in the feature byte."""

RUN_TIME_TABLE = b"nnhw: run-time"
"""A bytes constant of this content becomes the address of the run-time's function table."""

_SUB_VERSION = 3
_BYTECODE, _NATIVE, _VIPER, _ASSEMBLER = range(4)
_TABLE, _TUPLE, _BYTES = 0, 10, 6
_PLAIN_MARKERS = range(5)
_HAS_CHILDREN = 4


def number(value: int) -> bytes:
    """A number as .mpy files hold it."""
    parts = [value & 0x7F]
    while value := value >> 7:
        parts.append(value & 0x7F | 0x80)
    return bytes(reversed(parts))


@dataclass(frozen=True)
class NativeModule:
    """MicroPython ``source`` with placeholders for ``functions``, which are machine code of one ``architecture`` by name.

    ``reentrant``: an interrupt may call ``predict`` and ``predict_ticks`` while the program does.
    """

    source: bytes
    functions: dict[str, bytes]
    architecture: str
    reentrant: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """All functions at the top level of the source, in their order."""
        return tuple(re.findall(r"^def (\w+)", self.source.decode(), re.MULTILINE))


def splice(mpy: bytes, module: NativeModule) -> bytes:
    """``mpy``, what mpy-cross makes of the module's source, with machine code in place of the placeholders.

    Raises ValueError for a file of another format, an unknown architecture and a function that is not there.
    """
    architecture, names, functions = module.architecture, module.names, module.functions
    if architecture not in ARCHITECTURES:
        raise ValueError(f"no architecture {architecture!r}; known: {', '.join(ARCHITECTURES)}")
    if len(mpy) < 4 or mpy[:2] != b"M\x06" or mpy[2] >> 2:
        raise ValueError("expected bytecode, an .mpy file of version 6 without machine code")
    missing = set(functions) - set(names)
    if missing:
        raise ValueError(f"the module has no function {', '.join(sorted(missing))}")
    reader = _Reader(mpy, 4)
    name_count, constant_count = reader.number(), reader.number()
    start = reader.position
    for _ in range(name_count):
        reader.name()
    texts = mpy[start : reader.position]
    constants = b"".join(reader.constant() for _ in range(constant_count))
    head = mpy[:2] + bytes((ARCHITECTURES[architecture] << 2 | _SUB_VERSION, mpy[3]))
    head += number(name_count) + number(constant_count) + texts + constants
    kind = reader.number()
    parts = [number(kind), reader.take(kind >> 3)]
    children = reader.number() if kind & _HAS_CHILDREN else 0
    if children != len(names):
        raise ValueError(f"the module has {children} functions, {len(names)} are named")
    parts.append(number(children))
    for name in names:
        before = reader.position
        reader.raw_code()
        code = functions.get(name)
        if code is None:
            parts.append(mpy[before : reader.position])
        else:
            parts += [number(len(code) << 3 | _VIPER), code, number(0)]
    return head + b"".join(parts)


class _Reader:
    """A position in an .mpy file."""

    def __init__(self, content: bytes, position: int) -> None:
        self._content = content
        self.position = position

    def take(self, count: int) -> bytes:
        self.position += count
        return self._content[self.position - count : self.position]

    def number(self) -> int:
        value = 0
        while True:
            (byte,) = self.take(1)
            value = value << 7 | byte & 0x7F
            if not byte & 0x80:
                return value

    def name(self) -> None:
        length = self.number()
        if not length & 1:
            self.take((length >> 1) + 1)

    def constant(self) -> bytes:
        """The next constant as it stands, the one that asks for the run-time's table as that."""
        start = self.position
        (marker,) = self.take(1)
        if marker == _TUPLE:
            return bytes((marker,)) + self._members()
        if marker not in _PLAIN_MARKERS:
            content = self.take(self.number())
            self.take(marker in (5, _BYTES))
            if marker == _BYTES and content == RUN_TIME_TABLE:
                return bytes((_TABLE,))
        return self._content[start : self.position]

    def _members(self) -> bytes:
        count = self.number()
        return number(count) + b"".join(self.constant() for _ in range(count))

    def raw_code(self) -> None:
        """Step over bytecode and what is defined inside it."""
        kind = self.number()
        self.take(kind >> 3)
        if kind & 3 != _BYTECODE:
            raise ValueError("expected functions of bytecode")
        if kind & _HAS_CHILDREN:
            for _ in range(self.number()):
                self.raw_code()
