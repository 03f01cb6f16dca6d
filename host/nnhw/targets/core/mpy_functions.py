"""Viper and asm_thumb functions of an .mpy file on a bare core, without any firmware.

Viper code reaches the MicroPython runtime only through a table of function pointers. For functions whose
parameters and result are int or ptr8, ptr16, ptr32, three entries are called, and for machine words all three
are the identity; every other entry is a trap.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nnhw.boards.loadable import ARCHITECTURES
from nnhw.errors import TargetError
from nnhw.targets.core.bare_core import BareCore, CallResult

BYTECODE, NATIVE, VIPER, ASSEMBLER = range(4)
FLAG_RELOCATIONS, FLAG_READ_ONLY_DATA, FLAG_ZEROED_DATA = 0x10, 0x20, 0x40
FUNCTION_TABLE_MARKER, TUPLE_MARKER = 0, 10
PLAIN_MARKERS = range(5)
ZERO_ENDED_MARKERS = (5, 6)

MAKE_FUNCTION, STORE_NAME = 0x32, 0x16
BYTE_FORMAT, NAME_FORMAT, NUMBER_FORMAT, JUMP_FORMAT = range(4)

# Entries of the runtime's table: argument to machine word, machine word to result, argument count check.
IDENTITIES = (3, 4, 44)
TABLE_ENTRIES = 128
TRAP_START = 0x0F001000
MAXIMUM_ARGUMENTS = 32


@dataclass(frozen=True)
class MachineFunction:
    """The machine code of a viper or asm_thumb function, its read-only data, and the file's table of constants.

    ``constants`` says for each constant whether it is the place of the runtime's function table. Functions of the
    assembler take their arguments in r0 to r3, as the procedure call standard has it.
    """

    name: str
    assembler: bool
    code: bytes
    read_only_data: bytes
    constants: tuple[bool, ...]


@dataclass(frozen=True)
class _RawCode:
    kind: int
    code: bytes
    read_only_data: bytes
    children: tuple[_RawCode, ...]


def machine_functions(mpy: bytes, architecture: str = "armv6m") -> dict[str, MachineFunction]:
    """The viper and asm_thumb functions at the top level of a module, by name.

    Raises TargetError unless ``mpy`` is a version 6 .mpy file with machine code for ``architecture``.
    """
    if len(mpy) < 4 or mpy[:2] != b"M\x06":
        raise TargetError("viper: not an .mpy file of version 6; compile it with mpy-cross 1.19 or later")
    if mpy[2] >> 2 & 0xF != ARCHITECTURES.index(architecture):
        raise TargetError(f"viper: the .mpy file holds no {architecture} code; compile it with -march={architecture}")
    try:
        reader = _Reader(mpy, 4)
        name_count, constant_count = reader.number(), reader.number()
        names = [reader.name() for _ in range(name_count)]
        constants = tuple(reader.constant() == FUNCTION_TABLE_MARKER for _ in range(constant_count))
        module = reader.raw_code()
        return {
            names[name]: MachineFunction(
                names[name], child.kind == ASSEMBLER, child.code, child.read_only_data, constants
            )
            for name, child in _definitions(module)
            if child.kind in (VIPER, ASSEMBLER)
        }
    except IndexError:
        raise TargetError("viper: the .mpy file is cut short or malformed") from None


class ViperModule:
    """The viper and asm_thumb functions of an .mpy file, loaded into a core.

    Calls take and give machine words: integers, and the addresses of buffers placed with ``BareCore.data``.
    """

    def __init__(self, core: BareCore, mpy: bytes) -> None:
        self._core = core
        self._arguments = core.data(bytes(4 * MAXIMUM_ARGUMENTS))
        self.functions = machine_functions(mpy, core.architecture)
        identity = core.pointer(core.load(core.identity))
        entries = []
        for entry in range(TABLE_ENTRIES):
            trap = TRAP_START + 4 * entry
            entries.append(identity if entry in IDENTITIES else core.pointer(trap))
            core.traps[trap] = (
                f"a viper function called entry {entry} of MicroPython's runtime; only int and pointer "
                "arithmetic runs without firmware (no globals, floats, objects, division or exceptions)"
            )
        table = core.data(_words(*entries))
        self._loaded = {name: self._load(function, table) for name, function in self.functions.items()}

    def call(self, name: str, *words: int, max_instructions: int = 20_000_000) -> CallResult:
        """Call a function; see BareCore.call for the words, the result and the errors."""
        if name not in self._loaded:
            raise TargetError(
                f"viper: no machine code function {name!r}; there are: {', '.join(self._loaded) or 'none'}"
            )
        if len(words) > MAXIMUM_ARGUMENTS:
            raise TargetError(f"viper: {len(words)} arguments; at most {MAXIMUM_ARGUMENTS} are supported")
        code, function_object = self._loaded[name]
        if self.functions[name].assembler:
            return self._core.call(code, *words, max_instructions=max_instructions)
        self._core.write(self._arguments, _words(*words))
        return self._core.call(
            code, function_object, len(words), 0, self._arguments, max_instructions=max_instructions
        )

    def _load(self, function: MachineFunction, table: int) -> tuple[int, int]:
        """Place the code and the objects its prologue reads; the addresses of code and function object."""
        core = self._core
        code = core.load(function.code)
        constants = core.data(_words(*(table if is_table else 0 for is_table in function.constants)))
        context = core.data(_words(0, 0, 0, constants))
        data = core.data(function.read_only_data)
        return code, core.data(_words(0, context, data, code))


def _definitions(module: _RawCode) -> Iterator[tuple[int, _RawCode]]:
    """The name index and the code of every function that the module's own bytecode defines by ``def``."""
    made: _RawCode | None = None
    for operation, argument in _operations(module.code):
        if operation == STORE_NAME and made is not None:
            yield argument, made
        made = module.children[argument] if operation == MAKE_FUNCTION else None


def _operations(code: bytes) -> Iterator[tuple[int, int]]:
    """The opcodes of a bytecode function with their name or number argument (0 for the others)."""
    reader = _Reader(code, 0)
    while reader.byte() & 0x80:  # how much state the function needs
        pass
    skipped = shift = 0
    while True:  # the size of the line table and the number of cells, in bits 6-1 and bit 0
        size = reader.byte()
        skipped += ((size & 0x7E) >> 1 << 6 * shift) + ((size & 1) << shift)
        shift += 1
        if not size & 0x80:
            break
    reader.bytes(skipped)
    while reader.position < len(code):
        operation = reader.byte()
        form = 0x3A4 >> 2 * (operation >> 4) & 3
        argument = 0
        if form in (NAME_FORMAT, NUMBER_FORMAT):
            argument = reader.number()
        elif form == JUMP_FORMAT and reader.byte() & 0x80:
            reader.byte()
        if form != BYTE_FORMAT and operation & 0x9E == 0:  # these carry one byte more
            reader.byte()
        yield operation, argument


class _Reader:
    """A position in an .mpy file. Reading past the end raises IndexError."""

    def __init__(self, content: bytes, position: int) -> None:
        self._content = content
        self.position = position

    def byte(self) -> int:
        self.position += 1
        return self._content[self.position - 1]

    def bytes(self, count: int) -> bytes:
        start, self.position = self.position, self.position + count
        if self.position > len(self._content):
            raise IndexError
        return self._content[start : self.position]

    def number(self) -> int:
        value = 0
        while True:
            byte = self.byte()
            value = value << 7 | byte & 0x7F
            if not byte & 0x80:
                return value

    def name(self) -> str:
        length = self.number()
        if length & 1:
            return f"<built-in name {length >> 1}>"
        text = self.bytes(length >> 1).decode()
        self.byte()
        return text

    def constant(self) -> int:
        """Step over a constant object; its type marker."""
        marker = self.byte()
        if marker == TUPLE_MARKER:
            for _ in range(self.number()):
                self.constant()
        elif marker not in PLAIN_MARKERS:
            self.bytes(self.number() + (marker in ZERO_ENDED_MARKERS))
        return marker

    def raw_code(self) -> _RawCode:
        head = self.number()
        kind, has_children = head & 3, head >> 2 & 1
        code = self.bytes(head >> 3)
        data = b""
        if kind == NATIVE:
            self.number()
        elif kind != BYTECODE:
            flags = self.number()
            if flags & (FLAG_RELOCATIONS | FLAG_ZEROED_DATA):
                raise TargetError("viper: the .mpy file is a native module; only compiled Python is supported")
            if kind == VIPER and flags & FLAG_READ_ONLY_DATA:
                data = self.bytes(self.number())
            elif kind == ASSEMBLER:
                self.number()
                self.number()
        children = tuple(self.raw_code() for _ in range(self.number())) if has_children else ()
        return _RawCode(kind, code, data, children)


def _words(*values: int) -> bytes:
    return b"".join((value & 0xFFFFFFFF).to_bytes(4, "little") for value in values)
