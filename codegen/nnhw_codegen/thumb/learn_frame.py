"""Thumb code of a training step: where its operands lie, and what its blocks have in common."""

from __future__ import annotations

from nnhw_codegen.thumb.assembler import Assembler

ROOM, DATA = "r8", "r9"
"""Registers that hold the addresses of the vectors and of the file throughout."""

END, CONSTANT, PROGRAM = "[sp, #0]", "[sp, #4]", "[sp, #8]"
"""The stack frame: two words for a block that runs out of registers, and the address of the program."""

SATURATED = 32767


class StepCode(Assembler):
    """An assembler that knows the frame. What is seldom run is set aside until ``settle``."""

    def __init__(self) -> None:
        super().__init__("step")
        self._aside: list[tuple[str, tuple[str, ...]]] = []

    def room(self, register: str, place: int) -> None:
        """The address of a place in the room, which counts words."""
        self._based(register, 4 * place, ROOM)

    def file(self, register: str, place: int) -> None:
        """The address of a byte of the file."""
        self._based(register, place, DATA)

    def _based(self, register: str, offset: int, base: str) -> None:
        if offset:
            self.constant(register, offset)
            self(f"add {register}, {base}")
        else:
            self(f"mov {register}, {base}")

    def room_high(self, register: str, place: int, scratch: str) -> None:
        """As ``room``, for any register; the scratch register is lost."""
        self.room(scratch, place)
        self(f"mov {register}, {scratch}")

    def move(self, register: str, amount: int, scratch: str) -> None:
        """Add a constant; the scratch register is lost where the constant is large."""
        op, size = ("adds" if amount > 0 else "subs"), abs(amount)
        if size > 510:
            self.constant(scratch, size)
            self(f"{op} {register}, {register}, {scratch}")
        else:
            self(*(f"{op} {register}, #{part}" for part in (min(size, 255), size - 255) if part > 0))

    def store(self, value: str, base: str, words: int, scratch: str) -> None:
        """Store a word so many words behind ``base``; the scratch register is lost where that is far."""
        if words < 32:
            self(f"str {value}, [{base}, #{4 * words}]")
        else:
            self.constant(scratch, 4 * words)
            self(f"str {value}, [{base}, {scratch}]")

    def aside(self, back: str, *texts: str) -> str:
        """Set code aside that goes on at ``back``; its label."""
        label = self.new_label()
        self._aside.append((label, (*texts, f"b {back}")))
        return label

    def settle(self) -> None:
        """Place what was set aside; the code runs past it."""
        if not self._aside:
            return
        past = self.new_label()
        self(f"b {past}")
        for label, texts in self._aside:
            self.label(label)
            self(*texts)
        self._aside.clear()
        self.label(past)

    def clip(self, value: str, limit: str) -> None:
        """Saturate to plus and minus what a low register holds."""
        back = self.new_label()
        high = self.aside(back, f"movs {value}, {limit}")
        low = self.aside(back, f"rsbs {value}, {limit}, #0")
        self(f"cmp {value}, {limit}", f"bgt {high}", f"cmn {value}, {limit}", f"blt {low}")
        self.label(back)

    def clip_between(self, value: str, least: str, most: str) -> None:
        """Saturate to what two registers from r8 on hold."""
        back = self.new_label()
        high = self.aside(back, f"mov {value}, {most}")
        low = self.aside(back, f"mov {value}, {least}")
        self(f"cmp {value}, {most}", f"bgt {high}", f"cmp {value}, {least}", f"blt {low}")
        self.label(back)
