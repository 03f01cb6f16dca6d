"""Every firmware example runs on an emulator, with the commands of its README up to the board."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import usable_target

from nnhw.cli import commands as cli
from nnhw.data import datasets
from nnhw.exporting import build_folder
from nnhw_codegen.integers import reference

EXAMPLES = Path(__file__).parents[2] / "firmware_examples"
FLOWERS = ("5.1 3.5 1.4 0.2", "6.4,3.2,4.5,1.5", "6.3 3.3 6.0 2.5")


def commands(example: str) -> list[list[str]]:
    """The nnhw train and export lines of a README."""
    lines = (line.strip() for line in (EXAMPLES / example / "README.md").read_text().splitlines())
    return [line.split()[1:] for line in lines if line.startswith(("nnhw train", "nnhw export"))]


def files(example: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The Python files of an example and of the model that its README makes, built in portable or compact code."""
    monkeypatch.chdir(folder)
    for data in (EXAMPLES / example).glob("*.*"):
        if data.suffix in (".csv", ".json"):
            (folder / data.name).write_bytes(data.read_bytes())
    for command in commands(example):
        done = CliRunner().invoke(cli.main, command)
        assert done.exit_code == 0, done.output
        if command[0] == "export" and "auto" in command:  # for this emulator, not for the board's machine code
            command[command.index("auto")] = "portable"
            assert CliRunner().invoke(cli.main, command).exit_code == 0
    (build,) = (folder / "build").iterdir()
    made = build_folder.read(build)
    sources = {path.name: path.read_bytes() for path in (EXAMPLES / example).glob("*.py")}
    return {**sources, **made.contents(made.manifest.modules)}


@pytest.fixture
def wasm():
    return usable_target("wasm")


def test_iris_pico_answers_lines_and_switches_its_light(tmp_path, monkeypatch, wasm) -> None:
    lines = [f"{flower}\n" for flower in FLOWERS] + ["5 3\n", "no flower\n"]
    script = f"import main\nlines = {lines!r}\nmain.run(lambda: lines.pop(0) if lines else '', lambda on: print(on))"
    output = wasm.run(files("iris_pico", tmp_path, monkeypatch), script).splitlines()
    assert [line.split()[0] for line in output] == [
        "True", "setosa", "False", "versicolor", "False", "virginica", "expected", "expected",
    ]  # fmt: skip
    assert output[1].endswith(" us")


PINS = """\
class _Pin:
    OUT = 1
    def __init__(self, name, mode): print(name)
    def value(self, on): print("light", on)
class _Machine: pass
_Machine.Pin = _Pin
sys.modules["machine"] = _Machine
"""


def test_iris_pico_starts_with_its_board_and_answers_over_the_serial_port(tmp_path, monkeypatch) -> None:
    """Flashed with its main.py, and asked as from a terminal; the unix port has no pins, so these only print."""
    pty_board = pytest.importorskip("pty_board", reason="this system has no pseudo terminals")
    import serial

    usable_target("unix")
    files("iris_pico", tmp_path, monkeypatch)
    board = pty_board.PtyBoard(more=PINS)
    try:
        main = str(EXAMPLES / "iris_pico" / "main.py")
        done = CliRunner().invoke(cli.main, ["flash", "build/iris", "--port", board.port, "--main", main])
        assert done.exit_code == 0, done.output
        assert "self-test passed" in done.output
        with serial.Serial(board.port, timeout=10) as line:
            assert line.read_until(b"LED\n").endswith(b"LED\n")  # main.py runs
            line.write(b"6.3 3.3 6.0 2.5\n")
            answer = line.read_until(b" us")
        assert b"light False" in answer
        assert b"virginica" in answer
    finally:
        board.close()


def test_iris_esp32_turns_readings_into_centimeters_and_a_flower(tmp_path, monkeypatch, wasm) -> None:
    script = """import main
print(main.centimeters((0, 65535, 0, 65535)))
main.run(lambda: (18022, 39321, 4369, 5243), lambda: print("waited"), 2)"""
    output = wasm.run(files("iris_esp32", tmp_path, monkeypatch), script).splitlines()
    assert output == ["[4.0, 4.5, 1.0, 2.5]", *["5.1 3.5 1.4 0.2 -> setosa", "waited"] * 2]


def test_iris_microbit_shows_three_classes_on_the_emulated_board(tmp_path, monkeypatch) -> None:
    microbit = usable_target("microbit")
    made = files("iris_microbit", tmp_path, monkeypatch)
    # The program itself is the script: the stack of this board has no room for a script that imports it.
    program = made.pop("main.py").decode()
    with microbit.session(made) as session:
        assert session.run(f"{program}\nfor n in range(3): print(flower(n))") == "0\n1\n2\n"
        light = "from microbit import display\ndisplay.show(str(flower(1)))\nprint(display.get_pixel(2, 2))"
        assert session.run(f"{program}\n{light}") == "9\n"


def test_line_5_7_prints_the_plane(tmp_path, monkeypatch, wasm) -> None:
    output = wasm.run(files("line_5_7", tmp_path, monkeypatch), "import main")
    assert [line.split("-> ")[1] for line in output.splitlines()] == ["5.0", "7.0", "19.0", "13.0", "-200.0"]


def test_sensor_anomaly_names_the_state_of_every_recorded_window(tmp_path, monkeypatch, wasm) -> None:
    made = files("sensor_anomaly", tmp_path, monkeypatch)
    with (EXAMPLES / "sensor_anomaly" / "recorded.csv").open() as file:
        recorded = list(csv.reader(file))
    windows = [(list(map(float, row[2:])), float(row[1])) for row in recorded]
    script = f"import main\nw = {windows!r}\nmain.run(lambda: w.pop(0), lambda: None, {len(windows)})"
    assert wasm.run(made, script).split() == [row[0] for row in recorded]


def test_sensor_anomaly_reads_an_accelerometer(tmp_path, monkeypatch, wasm) -> None:
    """A bus that answers as an MPU-6050 does: 1 g along z, and 34 degrees Celsius, later 46."""
    script = """import main
class Bus:
    heat = 0
    def writeto_mem(self, address, register, data): print(address, register, data)
    def readfrom_mem(self, address, register, count):
        value = 8192 if register == 0x3F else (-860 + self.heat)
        return bytes((value >> 8 & 255, value & 255))
bus = Bus()
read = main.accelerometer(bus)
bus.heat = 12 * 340
samples, rise = read()
print(len(samples), samples[5], round(rise, 3))"""
    output = wasm.run(files("sensor_anomaly", tmp_path, monkeypatch), script).splitlines()
    assert output == ["104 107 b'\\x00'", "104 28 b'\\x08'", "128 1.0 12.0"]


def test_the_recorded_data_are_what_the_generator_writes(tmp_path, monkeypatch) -> None:
    folder = EXAMPLES / "sensor_anomaly"
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(folder))
    import generate

    generate.main()
    for name in ("motor.csv", "recorded.csv"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_the_simulated_states_are_told_apart_as_on_the_pc(tmp_path, monkeypatch) -> None:
    files("sensor_anomaly", tmp_path, monkeypatch)
    build = build_folder.read(tmp_path / "build" / "motor")
    data = datasets.load("motor.csv", "state", "classification")
    order = [build.model.classes.index(name) for name in data.classes]
    right = reference.predict(build.model, data.rows) == np.array(order)[data.targets]
    assert right.mean() > 0.97
