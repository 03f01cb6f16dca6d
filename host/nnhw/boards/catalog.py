"""The boards that code is picked for: what they run, how fast, and how much memory they have."""

from __future__ import annotations

from dataclasses import dataclass

from nnhw_codegen.registry import find


@dataclass(frozen=True)
class Board:
    """A board under its stock MicroPython.

    From the linker scripts and settings of MicroPython 1.25 and the data sheets of the chips; the heaps of esp32c6, stm32h7,
    teensy41, esp8266 and microbit-v2 and the storage of boards with Wi-Fi are estimates. That of the micro:bit V2 is from
    its own firmware, which has neither native code nor .mpy files. The ESP8266 has too little memory for native code to
    be counted on. A Cortex-M7 runs no Thumb code out of a ``bytes`` object: it may still lie in the data cache. The same
    architecture may have DSP instructions or not (Cortex-M4, M3), so no code is picked for them by ``arch`` alone.

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
_BYTECODE: frozenset[str] = frozenset()

# fmt: off
BOARDS: tuple[Board, ...] = (
    Board("rp2040", "Raspberry Pi Pico: Cortex-M0+", 240_000, 1_400_000, "armv6m", 125_000_000, _CORTEX),
    Board("pico2", "Raspberry Pi Pico 2: Cortex-M33", 450_000, 2_600_000, "armv7emsp", 150_000_000, _CORTEX),
    Board("pico2-riscv", "Raspberry Pi Pico 2: RISC-V Hazard3", 450_000, 2_600_000, "rv32imc", 150_000_000, _NATIVE),
    Board("esp32", "ESP32: Xtensa LX6", 100_000, 2_000_000, "xtensawin", 160_000_000, _NATIVE),
    Board("esp32c3", "ESP32-C3: RISC-V", 100_000, 2_000_000, "rv32imc", 160_000_000, _NATIVE),
    Board("esp32c6", "ESP32-C6: RISC-V", 100_000, 2_000_000, "rv32imc", 160_000_000, _NATIVE),
    Board("esp32s3", "ESP32-S3: Xtensa LX7", 180_000, 2_000_000, "xtensawin", 160_000_000, _NATIVE),
    Board("esp8266", "ESP8266: Xtensa LX106, floats of 30 bits", 30_000, 900_000, "xtensa", 80_000_000, _BYTECODE),
    Board("stm32f4", "STM32F405, as the pyboard: Cortex-M4F", 100_000, 90_000, "armv7emsp", 168_000_000, _CORTEX),
    Board("stm32h7", "STM32H743, as the Nucleo: Cortex-M7", 350_000, 450_000, "armv7emdp", 400_000_000, _NATIVE),
    Board("nrf52840", "nRF52840 without Bluetooth: Cortex-M4F", 128_000, 60_000, "armv7emsp", 64_000_000, _CORTEX),
    Board("teensy41", "Teensy 4.1: Cortex-M7", 700_000, 6_900_000, "armv7emdp", 600_000_000, _NATIVE),
    Board("microbit", "BBC micro:bit: Cortex-M0, MicroPython 1.9, floats of 30 bits", 9_000, 14_000, None, 16_000_000,
          frozenset(("asm_thumb",))),
    Board("microbit-v2", "BBC micro:bit V2: Cortex-M4F", 55_000, 18_000, None, 64_000_000, _BYTECODE),
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
