"""A small ARMv6-M assembler on top of instructions.py: labels, literal pools, aligned data.

A conditional branch reaches back over any distance. A literal (``ldr r1, =123456``) goes into a pool that is placed
where its loads reach it, with a branch over it where the code runs on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from nnhw_codegen.thumb.instructions import REGISTERS, AssemblyError, encode

# Mnemonic -> opcode and the bits of its signed offset in halfwords.
_CONDITIONS = {"beq": 0, "bne": 1, "bcc": 3, "bge": 10, "blt": 11, "bgt": 12, "ble": 13}
_BRANCHES = {name: (0xD000 | code << 8, 8) for name, code in _CONDITIONS.items()} | {"b": (0xE000, 11)}
_LITERAL_REACH = 1020


@dataclass(frozen=True)
class _Item:
    """An instruction (``text``), ``data`` that no code runs into, a ``pool``, or none; ``name`` is a label on it."""

    text: str = ""
    name: str = ""
    data: bytes = b""
    pool: bool = False


class Assembler:
    """Collects instructions, labels and data; ``assemble`` places them.

    ``name`` begins the labels it invents, so that parts which are later joined do not invent the same.
    """

    def __init__(self, name: str = "") -> None:
        self._items: list[_Item] = []
        self._name = name
        self._invented = 0

    def __call__(self, *texts: str) -> None:
        """Append instructions."""
        self._items += [_Item(text=text) for text in texts]

    def new_label(self) -> str:
        """A name that is not in use."""
        self._invented += 1
        return f"{self._name}.{self._invented}"

    def label(self, name: str) -> None:
        """Name this place."""
        self._items.append(_Item(name=name))

    def data(self, name: str, content: bytes) -> None:
        """Word-aligned bytes under a label; place it only behind a branch that never falls through."""
        self._items.append(_Item(name=name, data=content))

    def pool(self) -> None:
        """Place the literals so far here, so that none stands in the loop that follows."""
        self._items.append(_Item(pool=True))

    def constant(self, register: str, value: int) -> None:
        """Set a low register: one cycle for 0..255, else two, with the fewest bytes."""
        if 0 <= value <= 255:
            self(f"movs {register}, #{value}")
            return
        shift = (value & -value).bit_length() - 1
        if 0 < value >> shift <= 255:
            self(f"movs {register}, #{value >> shift}", f"lsls {register}, {register}, #{shift}")
        elif -255 <= value < 0:
            self(f"movs {register}, #{-value}", f"rsbs {register}, {register}, #0")
        elif 0 < value <= 510:
            self(f"movs {register}, #255", f"adds {register}, #{value - 255}")
        else:
            self(f"ldr {register}, ={value}")

    def address(self, register: str, name: str, offset: int = 0) -> None:
        """Set a low register to the address of a label plus ``offset``, wherever the code lies: three cycles."""
        place = self.new_label()
        self(f"ldr {register}, ={name} - {place} + {offset}")
        self._items.append(_Item(text=f"add {register}, pc", name=place))

    def extend(self, other: Assembler) -> None:
        """Append everything that ``other`` holds."""
        self._items += other._items

    def registers(self) -> frozenset[str]:
        """The registers r8 to r12 and lr that some instruction names."""
        found = {r for item in self._items for r in re.findall(r"\b(?:r8|r9|r1[0-2]|lr)\b", item.text)}
        return frozenset(found)

    def assemble(self) -> tuple[bytes, dict[str, int]]:
        """(machine code, offset of every label). The code must be loaded at a multiple of four."""
        return _Layout().run(self._items)


@dataclass(frozen=True)
class _Fix:
    offset: int
    text: str


class _Layout:
    """One pass that places items and literal pools, then the branches and literals that were left open."""

    def __init__(self) -> None:
        self.code = bytearray()
        self.labels: dict[str, int] = {}
        self.branches: list[_Fix] = []
        self.waiting: list[_Fix] = []
        self.words: list[tuple[int, str]] = []
        self.falls_through = True

    def run(self, items: list[_Item]) -> tuple[bytes, dict[str, int]]:
        for item in items:
            if item.text:
                self._make_room()
            elif item.data:
                self._flush()
                self._align()
            elif item.pool:
                self._flush()
            if item.name in self.labels:
                raise AssemblyError(f"label {item.name!r} stands twice")
            if item.name:
                self.labels[item.name] = len(self.code)
            if item.text:
                self._instruction(item.text)
            self.code += item.data + bytes(-len(item.data) % 4)
            self.falls_through = self.falls_through or not (item.text or item.data or item.pool)
        self._flush()
        self._align()
        for fix in self.branches:
            self._branch(fix)
        for offset, text in self.words:
            self.code[offset : offset + 4] = (self._value(text) & 0xFFFFFFFF).to_bytes(4, "little")
        return bytes(self.code), self.labels

    def _half(self, opcode: int) -> None:
        self.code += opcode.to_bytes(2, "little")

    def _align(self) -> None:
        if len(self.code) % 4:
            self._half(encode("mov r8, r8"))

    def _make_room(self) -> None:
        """Place the pool while its last word is still in reach of its first load."""
        pool = 4 * len({fix.text for fix in self.waiting}) + 12
        if self.waiting and len(self.code) + pool - self.waiting[0].offset > _LITERAL_REACH:
            self._flush()

    def _instruction(self, text: str) -> None:
        mnemonic, _, rest = text.partition(" ")
        self.falls_through = not (mnemonic in ("b", "bx") or (mnemonic == "pop" and "pc" in rest))
        if mnemonic in _BRANCHES:
            if mnemonic != "b" and len(self.code) + 4 - self.labels.get(rest, len(self.code)) > 256:
                # Too far back: the opposite condition leads over a branch that reaches.
                self._half(_BRANCHES[mnemonic][0] ^ 0x100)
                text = f"b {rest}"
            self.branches.append(_Fix(len(self.code), text))
            self._half(0)
        elif mnemonic == "bl":
            self.branches.append(_Fix(len(self.code), text))
            self.code += bytes(4)
        elif "=" in text:
            register, _, value = rest.partition(", =")
            if mnemonic != "ldr" or register not in REGISTERS or REGISTERS[register] > 7:
                raise AssemblyError(f"{text!r}: only ldr into r0 to r7 takes a literal")
            self.waiting.append(_Fix(len(self.code), value))
            self._half(0x4800 | REGISTERS[register] << 8)
        else:
            self._half(encode(text))

    def _flush(self) -> None:
        """Place the pool; a halfword branch leads over it where the code runs on."""
        if not self.waiting:
            return
        jump = len(self.code) if self.falls_through else None
        if jump is not None:
            self._half(0)
        self._align()
        places: dict[str, int] = {}
        for fix in self.waiting:
            if fix.text not in places:
                places[fix.text] = len(self.code)
                self.words.append((len(self.code), fix.text))
                self.code += bytes(4)
            distance = places[fix.text] - (fix.offset + 4 & ~3)
            if not 0 <= distance <= _LITERAL_REACH:
                raise AssemblyError(f"literal {fix.text} is {distance} bytes away")
            self.code[fix.offset] = distance // 4
        self.waiting.clear()
        if jump is not None:
            self._put(jump, 0xE000 | (len(self.code) - jump - 4 >> 1 & 0x7FF))

    def _put(self, offset: int, opcode: int) -> None:
        self.code[offset : offset + 2] = opcode.to_bytes(2, "little")

    def _branch(self, fix: _Fix) -> None:
        mnemonic, _, name = fix.text.partition(" ")
        distance = self._value(name) - fix.offset - 4
        if mnemonic == "bl":
            # Code is far shorter than the 4 MB within which the bits J1 and J2 are 1 for either sign.
            self._put(fix.offset, 0xF000 | distance >> 12 & 0x7FF)
            self._put(fix.offset + 2, 0xF800 | distance >> 1 & 0x7FF)
            return
        base, bits = _BRANCHES[mnemonic]
        if not -(1 << bits) <= distance < 1 << bits:
            raise AssemblyError(f"{fix.text!r}: the label is {distance} bytes away, the branch reaches {1 << bits}")
        self._put(fix.offset, base | distance >> 1 & (1 << bits) - 1)

    def _value(self, text: str) -> int:
        """A number, a label, or ``label - place + offset``, which ``add rN, pc`` at ``place`` completes."""
        if re.fullmatch(r"-?\d+", text):
            return int(text)
        name, _, rest = text.partition(" - ")
        place, _, offset = rest.partition(" + ")
        for label in filter(None, (name, place)):
            if label not in self.labels:
                raise AssemblyError(f"unknown label {label!r}")
        return self.labels[name] + (int(offset) - self.labels[place] - 4 if place else 0)
