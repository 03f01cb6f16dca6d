"""The boards that code is picked for: what they run, how fast, and how much memory they have."""

from __future__ import annotations

from dataclasses import dataclass

from nnhw_codegen.registry import find


@dataclass(frozen=True)
class Board:
    """A board under its stock MicroPython.

    heap      bytes free after boot, rounded down: what programs can count on (boards with Wi-Fi: with it off)
    storage   bytes of the file system in flash, rounded down
    arch      architecture of native code in .mpy files; None where the port loads no current .mpy
    clock     Hz
    features  of "viper" and "asm_thumb", what its MicroPython offers; an emitter may require one
    """

    name: str
    summary: str
    heap: int
    storage: int
    arch: str | None
    clock: int
    features: frozenset[str]

    def runs(self, requires: str) -> bool:
        """Whether code that asks for a feature (empty: for none) runs here."""
        return not requires or requires in self.features


_CORTEX = frozenset(("viper", "asm_thumb"))
_NATIVE = frozenset(("viper",))

# fmt: off
BOARDS: tuple[Board, ...] = (
    Board("rp2040", "Raspberry Pi Pico: Cortex-M0+", 240_000, 1_400_000, "armv6m", 125_000_000, _CORTEX),
    Board("rp2350", "Raspberry Pi Pico 2: Cortex-M33", 450_000, 2_600_000, "armv7emsp", 150_000_000, _CORTEX),
    Board("esp32", "ESP32: Xtensa LX6", 100_000, 2_000_000, "xtensawin", 160_000_000, _NATIVE),
    Board("esp32c3", "ESP32-C3: RISC-V", 100_000, 2_000_000, "rv32imc", 160_000_000, _NATIVE),
    Board("esp32s3", "ESP32-S3: Xtensa LX7", 180_000, 2_000_000, "xtensawin", 160_000_000, _NATIVE),
    Board("stm32f4", "STM32F405, as the pyboard: Cortex-M4F", 100_000, 90_000, "armv7emsp", 168_000_000, _CORTEX),
    Board("microbit", "BBC micro:bit: Cortex-M0, MicroPython 1.9", 9_000, 25_000, None, 16_000_000,
          frozenset(("asm_thumb",))),
)
# fmt: on


ARCHITECTURES = {"viper": ("armv6m", "armv7m", "armv7emsp", "xtensawin", "rv32imc", "x64"), "asm_thumb": ("armv6m",)}
"""What to compile for where no board is named: every Cortex-M loads armv6m code, as long as it is nothing but Thumb."""


def names() -> tuple[str, ...]:
    """The names of all boards."""
    return tuple(board.name for board in BOARDS)


def get(name: str) -> Board:
    """The board called ``name``. Raises ValueError for an unknown one, with the nearest name if there is one."""
    return find(BOARDS, name, "board")
