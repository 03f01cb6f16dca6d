"""The emulated Pico. Without a firmware: its flash image, its refusals, its time-outs and its USB host."""

from __future__ import annotations

import functools
import http.server
import struct
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import usable_target
from support.networks import plain_network as network

from nnhw.cli import commands
from nnhw.errors import TargetError
from nnhw.exporting import write_build
from nnhw.exporting.build_folder import read
from nnhw.running.verify import verify
from nnhw.targets import get, pico

FILES = {"model.py": b"x = 1\n", "nnrun/__init__.py": b"", "data.bin": bytes(range(256)) * 40}
RP2040, RP2350 = 0xE48BFF56, 0xE48BFF59


@pytest.fixture(autouse=True)
def packages() -> None:
    usable_target("rp2040-core")
    pytest.importorskip("littlefs")


def firmware(path: Path, code: bytes, family: int = RP2040) -> Path:
    """A UF2 file with ``code`` at the start of flash."""
    blocks = [code[at : at + 256].ljust(256, b"\0") for at in range(0, len(code), 256)]
    content = b""
    for number, block in enumerate(blocks):
        head = (0x0A324655, 0x9E5D5157, 0x2000, 0x10000000 + 256 * number, 256, number, len(blocks), family)
        content += struct.pack("<8I", *head) + block.ljust(476, b"\0") + struct.pack("<I", 0x0AB16F30)
    path.write_bytes(content)
    return path


def test_the_flash_image_holds_the_files_as_a_littlefs_of_the_boards_size() -> None:
    import littlefs

    image = pico.filesystem_image(FILES)
    assert len(image) == pico.BLOCK_SIZE * pico.BLOCK_COUNT
    context = littlefs.UserContext(len(image))
    context.buffer[:] = image
    mounted = littlefs.LittleFS(context=context, block_size=pico.BLOCK_SIZE, block_count=pico.BLOCK_COUNT)
    for name, content in FILES.items():
        with mounted.open(name, "rb") as file:
            assert file.read() == content


def test_micropython_mounts_the_flash_image() -> None:
    unix = usable_target("unix")
    script = """
import vfs
class Blocks:
    def __init__(self):
        self.data = bytearray(open("flash.img", "rb").read())
    def readblocks(self, n, buf, offset=0):
        start = n * 4096 + offset
        buf[:] = self.data[start : start + len(buf)]
    def writeblocks(self, n, buf, offset=0):
        start = n * 4096 + offset
        self.data[start : start + len(buf)] = buf
    def ioctl(self, op, arg):
        return {4: len(self.data) // 4096, 5: 4096}.get(op, 0)
vfs.mount(vfs.VfsLfs2(Blocks()), "/pico")
print(open("/pico/model.py").read(), len(open("/pico/data.bin", "rb").read()))
"""
    image = {"flash.img": pico.filesystem_image(FILES)}
    assert unix.run(image, script, heap=8 << 20) == "x = 1\n 10240\n"


def test_files_that_do_not_fit_are_named() -> None:
    with pytest.raises(TargetError, match=r"large\.bin \(2,000,000 bytes\) does not fit"):
        pico.filesystem_image({"large.bin": bytes(2_000_000)})


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not a UF2 file, 0 bytes"),
        (b"garbage" * 100, "no whole blocks of 512"),
        (b"\xa5" * 1024, "block 0 lacks its marks"),
    ],
)
def test_a_firmware_that_is_garbage_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "garbage.uf2"
    path.write_bytes(content)
    assert complaint in str(get(f"pico:{path}").why_unavailable())
    with pytest.raises(TargetError, match="UF2"):
        get(f"pico:{path}").session({})


def test_a_firmware_for_another_chip_is_refused(tmp_path: Path) -> None:
    path = firmware(tmp_path / "pico2.uf2", b"\0", RP2350)
    assert "is for RP2350; give the one for the Raspberry Pi Pico" in str(get(f"pico:{path}").why_unavailable())


def test_a_firmware_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = firmware(tmp_path / "half.uf2", bytes(1024))
    path.write_bytes(path.read_bytes()[:1024])
    assert "is cut short, 2 of 4 blocks" in str(get(f"pico:{path}").why_unavailable())


@pytest.fixture
def no_firmware(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A home folder without a downloaded firmware; none is named."""
    monkeypatch.delenv(pico.FIRMWARE_VARIABLE, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    return tmp_path


def test_a_firmware_that_was_never_named_is_downloaded_once(
    no_firmware: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import rp2040py.utils.firmware_retrieve as firmwares

    served = no_firmware / "served"
    served.mkdir()
    content = firmware(served / "RPI_PICO-1.uf2", b"\xfe\xe7").read_bytes()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(served))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/RPI_PICO-1.uf2"
        boards = {"pico": firmwares.BoardFirmwareSpec("1", {pico.DOWNLOADED: url})}
        monkeypatch.setattr(firmwares, "MICROPYTHON", firmwares.FirmwareSpec(boards))
        assert "no firmware yet" in str(get("pico").why_unavailable())
        get("pico").require()
        server.shutdown()
    get("pico").require()
    found = get("pico").firmware()
    assert found is not None
    assert found.is_relative_to(no_firmware / "home")
    assert found.read_bytes() == content


def test_a_download_that_fails_tells_what_to_do(no_firmware: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import rp2040py.utils.firmware_retrieve as firmwares

    boards = {"pico": firmwares.BoardFirmwareSpec("1", {pico.DOWNLOADED: "http://127.0.0.1:9/RPI_PICO-1.uf2"})}
    monkeypatch.setattr(firmwares, "MICROPYTHON", firmwares.FirmwareSpec(boards))
    with pytest.raises(TargetError, match=r"--firmware FILE, as pico:FILE or in NNHW_PICO_UF2.*refused"):
        get("pico").require()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--on", "pico", "--firmware", "none.uf2"], "firmware none.uf2: No such file"),
        (["--on", "wasm", "--firmware", "none.uf2"], "--firmware is for the emulated Pico: add --on pico"),
        (["--firmware", "none.uf2"], "--firmware is for the emulated Pico: add --on pico"),
    ],
)
@pytest.mark.parametrize("command", ["run", "verify", "bench"])
def test_a_firmware_option_out_of_place_is_bad_usage(command: str, options: list[str], complaint: str) -> None:
    result = CliRunner().invoke(commands.main, [command, "m", *options])
    assert result.exit_code == 2
    assert complaint in result.output


def test_a_firmware_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(pico.FIRMWARE_VARIABLE, str(tmp_path / "none.uf2"))
    assert "none.uf2: No such file" in str(get("pico").why_unavailable())
    monkeypatch.delenv(pico.FIRMWARE_VARIABLE)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert "NNHW_PICO_UF2" in str(get("pico").why_unavailable())


def test_a_firmware_that_never_comes_up_runs_into_the_time_out(tmp_path: Path) -> None:
    """The boot sector is a branch to itself: the board boots, and no USB device appears."""
    path = firmware(tmp_path / "loop.uf2", b"\xfe\xe7" * 128)
    with get(f"pico:{path}").session(FILES) as session, pytest.raises(TargetError, match="did not boot"):
        session.run("print(1)", timeout=2.0)


def test_an_idle_host_sends_no_empty_packets_and_bytes_arrive_together() -> None:
    from rp2040py.clock.simulation_clock import SimulationClock
    from rp2040py.rp2040 import RP2040 as Chip
    from rp2040py.usb.cdc import USBCDC

    clock = SimulationClock()
    cdc = USBCDC(Chip().usb_ctrl)
    cdc._out_endpoint = 2
    packets: list[bytes] = []
    cdc.usb.endpoint_read_done = lambda endpoint, data: packets.append(bytes(data))
    pico.keep_armed(cdc, clock)
    cdc.usb.on_endpoint_read(2, 64)
    clock.tick(1_000_000)
    assert packets == []
    for byte in b"print":
        cdc.send_serial_byte(byte)
    clock.tick(1_010_000)
    assert packets == [b"print"]


def test_a_model_runs_on_the_real_firmware(tmp_path: Path) -> None:
    usable_target("pico")
    write_build.export(network((4, 8, 3), "relu"), tmp_path / "m", "w8a8", "viper", source="m.json")
    build = read(tmp_path / "m")
    assert verify(build, "pico", 4).passed
