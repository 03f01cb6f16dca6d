"""A whole Raspberry Pi Pico, emulated by rp2040py, under a MicroPython firmware that the user has.

Files lie on a real littlefs image in its flash; scripts go to its raw prompt over the emulated USB.
"""

from __future__ import annotations

import ast
import asyncio
import dataclasses
import importlib.util
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from nnhw.boards import loadable, uf2
from nnhw.boards.firmware import PROBE, Firmware
from nnhw.errors import TargetError
from nnhw.targets.target import ScriptTarget, Session, check_names

PREFIX = "pico:"
FIRMWARE_VARIABLE = "NNHW_PICO_UF2"
BOOT_SECONDS = 60.0

FS_START, BLOCK_SIZE, BLOCK_COUNT = 0xA0000, 4096, 352
"""Where the firmware of a Pico with 2 MB of flash has its file system."""

_MISSING = "the RP2040 emulator is not installed; install it with: pip install 'nnhw[emulators]'"
_NO_FIRMWARE = (
    "no firmware yet: name a MicroPython .uf2 file for the Pico by --firmware FILE, as pico:FILE or in NNHW_PICO_UF2; "
    "without one, run, verify and bench download it once where there is a network"
)
DOWNLOADED = "1.28.0"
"""The version of MicroPython to download; that of target unix."""

_ANSWER_NANOSECONDS = 2_000
_KNOWN: dict[tuple[Path, int], Firmware] = {}
"""What firmware files told of themselves, by path and time of change."""


def filesystem_image(files: Mapping[str, bytes]) -> bytes:
    """A littlefs image as MicroPython on a Pico mounts it. Raises TargetError where ``files`` do not fit."""
    import littlefs

    image = littlefs.LittleFS(block_size=BLOCK_SIZE, block_count=BLOCK_COUNT, prog_size=256, disk_version=0x00020000)
    for name, content in files.items():
        folder = str(PurePosixPath(name).parent)
        try:
            if folder != ".":
                image.makedirs(folder, exist_ok=True)
            with image.open(name, "wb") as file:
                file.write(content)
        except littlefs.LittleFSError as error:
            raise TargetError(
                f"pico: {name} ({len(content):,} bytes) does not fit into the file system: {error}"
            ) from None
    return bytes(image.context.buffer)


def keep_armed(cdc: Any, clock: Any) -> None:
    """Let the emulated host leave an endpoint armed while it has nothing to send, as a real one does.

    rp2040py answers with a packet of no bytes every time, so that the guest is busy with interrupts.
    """
    serve, push = cdc.usb.on_endpoint_read, cdc.send_serial_byte
    armed: list[tuple[int, int]] = []

    def read(endpoint: int, size: int) -> None:
        if endpoint == cdc._out_endpoint and not cdc.tx_fifo.item_count:
            armed[:] = [(endpoint, size)]
        else:
            serve(endpoint, size)

    def answer() -> None:
        if armed and cdc.tx_fifo.item_count:
            serve(*armed.pop())

    alarm = clock.create_alarm(answer)

    def send(byte: int) -> None:
        push(byte)
        if armed:  # not at once: the bytes that follow come in the same packet
            alarm.schedule(_ANSWER_NANOSECONDS)

    cdc.usb.on_endpoint_read = read
    cdc.send_serial_byte = send


class PicoSession(Session):
    """A flash image with modules as .mpy where the firmware can load that; every run boots the board anew."""

    def __init__(self, firmware: Path, files: Mapping[str, bytes]) -> None:
        self._firmware = firmware
        self._files = files
        self._directory = tempfile.TemporaryDirectory(prefix="nnhw-")
        self._image = Path(self._directory.name) / "flash.img"
        self._open, self._filled = True, False

    def run(self, script: str, timeout: float = 60.0) -> str:
        """See Session.run; ``timeout`` is in seconds of this computer, which emulates 2 to 5 million cycles in one.

        Raises TargetError also where the files do not fit into the file system.
        """
        if not self._open:
            raise TargetError("pico: the session is closed")
        if not self._filled:
            files, _ = loadable.loadable(self._files, self._asked(timeout))
            self._image.write_bytes(filesystem_image(files))
            self._filled = True
        return self._execute(script, timeout)

    def _asked(self, timeout: float) -> Firmware:
        """What the firmware tells of itself; each file is asked once."""
        key = self._firmware, self._firmware.stat().st_mtime_ns
        if key not in _KNOWN:
            self._image.write_bytes(filesystem_image({}))
            _KNOWN[key] = Firmware(*ast.literal_eval(self._execute(PROBE, timeout)))
        return _KNOWN[key]

    def _execute(self, script: str, timeout: float) -> str:
        try:
            output, errors = asyncio.run(self._run(script, timeout))
        except (TimeoutError, asyncio.TimeoutError):
            raise TargetError(f"pico: no answer within {timeout:g} s, or the firmware did not boot") from None
        except (RuntimeError, ValueError) as error:
            raise TargetError(f"pico: the emulator failed: {error}") from error
        printed, told = (part.decode(errors="replace").replace("\r\n", "\n") for part in (output, errors))
        if told:
            raise TargetError(f"pico: {told.strip()}", printed)
        return printed

    async def _run(self, script: str, timeout: float) -> tuple[bytes, bytes]:
        from rp2040py.boards import BOARDS, FlashLayout
        from rp2040py.device import MicroPythonDevice

        layout = FlashLayout(fs_start=FS_START, fs_blockcount=BLOCK_COUNT, fs_blocksize=BLOCK_SIZE)
        board = dataclasses.replace(BOARDS["pico"], image=str(self._firmware), layout=layout)
        device = MicroPythonDevice(board=board, filesystem=self._image)
        keep_armed(device.cdc, device.simulator.clock)
        try:
            await device.astart(timeout=min(timeout, BOOT_SECONDS))
            output, errors = await device.aexec(script, timeout=timeout)
            device.dump_flash_image(self._image)
        finally:
            device.stop()
        return output, errors

    def close(self) -> None:
        self._open = False
        self._directory.cleanup()


class PicoTarget(ScriptTarget):
    """The emulated Pico; the firmware is given by its path, by NNHW_PICO_UF2, or lies in rp2040py's cache."""

    summary = "a whole emulated Raspberry Pi Pico under MicroPython: --firmware FILE, pico:FILE or NNHW_PICO_UF2"
    executes = ("micropython", "viper", "asm_thumb")
    word_bits = 32
    counts = "whole calls"
    opt_in = True
    loads_mpy = True

    def __init__(self, firmware: Path | None = None) -> None:
        self.name = "pico" if firmware is None else f"{PREFIX}{firmware}"
        self._given = firmware

    def at(self, which: str) -> PicoTarget:
        """The one with the firmware in the file ``which``."""
        return PicoTarget(Path(which))

    def firmware(self) -> Path | None:
        """The UF2 file to run, or None."""
        if self._given is not None:
            return self._given
        named = os.environ.get(FIRMWARE_VARIABLE)
        if named:
            return Path(named)
        cached = sorted((Path.home() / ".cache" / "rp2040py").glob("RPI_PICO-*.uf2"))
        return cached[-1] if cached else None

    def require(self) -> None:
        """See Target.require; a firmware that is needed and was never named is downloaded once by rp2040py."""
        if importlib.util.find_spec("rp2040py") and self.firmware() is None:
            self._download()
        super().require()

    def _download(self) -> None:
        from rp2040py.utils.firmware_retrieve import MICROPYTHON, retrieve

        try:
            retrieve(MICROPYTHON, DOWNLOADED)
        except OSError as error:
            raise TargetError(f"{self.name}: {_NO_FIRMWARE}: {error}") from error

    def why_unavailable(self) -> str | None:
        if not all(importlib.util.find_spec(package) for package in ("rp2040py", "littlefs")):
            return _MISSING
        found = self.firmware()
        if found is None:
            return _NO_FIRMWARE
        try:
            uf2.check(found)
        except TargetError as error:
            return str(error).removeprefix("pico: ")
        return None

    def session(self, files: Mapping[str, bytes], heap: int | None = None) -> PicoSession:
        """See ScriptTarget.session."""
        self.require()
        if heap is not None:
            raise TargetError("pico: the heap of this board is fixed; leave heap at None")
        check_names(self.name, files)
        firmware = self.firmware()
        assert firmware is not None
        return PicoSession(firmware, files)
