"""What every emulated core without firmware offers: memory to fill, functions to call, and what a call costs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from nnhw.errors import TargetError
from nnhw.targets.target import Target


@dataclass(frozen=True)
class CallResult:
    """The outcome of a call: the result register as a signed 32-bit ``value``, and what the call cost.

    ``cycles`` as the target tells them (see CoreTarget.cycles), ``instructions`` executed, and ``stack`` bytes at the
    deepest point; each 0 where the target does not count it.
    """

    value: int
    cycles: int
    instructions: int
    stack: int

    @property
    def unsigned(self) -> int:
        """The result as an unsigned 32-bit number."""
        return self.value & 0xFFFFFFFF


@dataclass(frozen=True)
class Program:
    """A linked program: ``text`` for FLASH_START, ``data`` and then ``bss`` zero bytes for SRAM_START.

    ``symbols`` maps the names of functions and variables to their addresses.
    """

    text: bytes
    data: bytes
    bss: int
    symbols: dict[str, int] = field(repr=False)


class BareCore(ABC):
    """A core with empty memory; load code, place data, call. Every method raises TargetError on misuse.

    architecture  of the code that it runs, as mpy-cross and .mpy files name it
    identity      machine code of a function that returns its first argument
    traps         addresses without code, with what it means when code jumps there
    """

    architecture: str
    identity: bytes
    traps: dict[int, str]

    def pointer(self, code: int) -> int:
        """What machine code holds as a pointer to the function at an address."""
        return code

    @abstractmethod
    def load(self, code: bytes, align: int = 4) -> int:
        """Place machine code, readable and executable; returns its address."""

    def load_program(self, program: Program) -> None:
        """Place a linked program; must come before any load or data. Functions can be called by name.

        Raises TargetError on a core without a place for programs.
        """
        raise TargetError("this core runs no linked programs")

    @abstractmethod
    def data(self, content: bytes, align: int = 4) -> int:
        """Place a buffer, readable and writable; returns its address."""

    @abstractmethod
    def read(self, address: int, count: int) -> bytes:
        """``count`` bytes from ``address``, which must lie in loaded or allocated memory."""

    @abstractmethod
    def write(self, address: int, content: bytes) -> None:
        """Overwrite memory allocated with ``data``, or variables of the linked program."""

    @abstractmethod
    def call(self, function: int | str, *words: int, max_instructions: int = 20_000_000) -> CallResult:
        """Call the function at an address, or of the linked program by name, as C does on this core.

        ``words`` are signed or unsigned 32-bit arguments. Raises TargetError when the code misbehaves, or exceeds
        ``max_instructions``.
        """


class CoreTarget(Target):
    """A core as a target: it runs machine code through ``core()``, not scripts.

    cycles  how a call's cycles are known: "exact", "estimated" by the table that the class names, or "" for not at all
    """

    word_bits = 32
    cycles: str

    @abstractmethod
    def core(self) -> BareCore:
        """A core with empty memory. Raises TargetError where the emulator is not installed."""
