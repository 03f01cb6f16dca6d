"""Raw values on every target: the ticks of SPEC 3.1, saturation on every entry, and no heap."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conformance.networks import emitted, quantized
from conftest import usable_target
from support.learning.boards import LONG

from nnhw.cli import commands
from nnhw.exporting.board_package import nnrun
from nnhw.running.exported import Exported
from nnhw.targets import get_script_target
from nnhw.targets.core.module_on_core import ModuleOnCore
from nnhw_codegen.files import nnb
from nnhw_codegen.integers import reference
from nnhw_codegen.integers.qmodel import QModel
from nnhw_codegen.network import activations

RUNS = [
    ("wasm", "portable"),
    ("wasm", "compact"),
    ("wasm", "nnrun"),
    ("unix", "viper"),
    ("microbit", "portable"),
    ("microbit", "compact"),
    ("microbit", "thumb"),
    ("pico", "portable"),
    ("pico", "compact"),
    ("pico", "viper"),
    ("pico", "thumb"),
    ("pico", "nnrun"),
]


def module(model, code: str) -> Exported:
    """The model as ``code``, or its file under nnrun."""
    if code != "nnrun":
        return emitted(model, code)
    return Exported("m", {**nnrun(), "m.nnb": nnb.to_bytes(model)}, model.sizes, True, code)


def start(code: str) -> str:
    return "import nnrun\nm = nnrun.load('m.nnb')\n" if code == "nnrun" else "import m\n"


@pytest.fixture(scope="module")
def gps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with zone.json: inside or outside of a zone, from degrees with six decimals."""
    folder = tmp_path_factory.mktemp("gps")
    places = np.random.default_rng(7).normal((48.137, 11.576), (0.0013, 0.002), (200, 2))
    near = np.hypot((places[:, 0] - 48.137) / 0.0013, (places[:, 1] - 11.576) / 0.002) < 1.1
    rows = [f"{lat:.6f},{lon:.6f},{'in' if n else 'out'}" for (lat, lon), n in zip(places, near, strict=True)]
    (folder / "zone.csv").write_text("\n".join(["lat,lon,zone", *rows]))
    arguments = [
        "train",
        str(folder / "zone.csv"),
        "--target",
        "zone",
        "--epochs",
        "20",
        "-o",
        str(folder / "zone.json"),
    ]
    told = CliRunner().invoke(commands.main, arguments).output
    assert re.search(
        r"'lat': is in steps of 1e-06, its ticks in steps of 2\.\de-05.* to predict_ticks, subtract a start", told
    )
    return folder


def exported(gps: Path, code: str) -> Path:
    path = gps / code
    done = CliRunner().invoke(commands.main, ["export", str(gps / "zone.json"), "--code", code, "-o", str(path)])
    assert done.exit_code == 0, done.output
    return path


@pytest.mark.parametrize(
    ("target", "code"),
    [
        *(("wasm", code) for code in ("portable", "compact")),
        *(("unix", code) for code in ("portable", "viper")),
        *(("microbit", code) for code in ("compact", "thumb")),
        *(("rp2040-core", code) for code in ("viper", "thumb", "c")),
        *(("pico", code) for code in ("portable", "viper", "thumb")),
        *(("qemu-m4", code) for code in ("portable", "viper", "thumb")),
        *(("qemu-rv32", code) for code in ("portable", "viper")),
        ("c", "c"),
    ],
)
def test_degrees_with_six_decimals_verify_from_values(gps: Path, target: str, code: str) -> None:
    usable_target(target)
    arguments = ["verify", str(exported(gps, code)), "--on", target, "--rows", "6" if target == "pico" else "60"]
    done = CliRunner().invoke(commands.main, arguments)
    assert "rows: logits identical (from values, ticks and codes)" in done.output
    assert done.exit_code == 0


@pytest.mark.parametrize("target", ["wasm", "unix", "microbit"])
def test_a_formula_of_floats_is_found(gps: Path, target: str) -> None:
    usable_target(target)
    path = exported(gps, "compact") / "zone.py"
    steps = tuple(entry.step for entry in nnb.load(path.with_suffix(".nnb")).inputs)
    planted = f"def ticks_from_values(values, t):\n    for i in range(2):\n        v = values[i] / {steps}[i] + 0.5\n"
    planted += "        t[i] = int(min(max(v, -2e8), 2e8) // 1)\n\n\n"
    text = path.read_text()
    path.write_text(re.sub(r"(?s)def ticks_from_values.*?\n\n\n", lambda _: planted, text))
    assert path.read_text() != text
    arguments = ["verify", str(path.parent), "--on", target, "--rows", "60" if target == "microbit" else "4000"]
    done = CliRunner().invoke(commands.main, arguments)
    assert done.exit_code == 1
    assert "first difference: row" in done.output
    assert "from values" in done.output


LOCKED = """
import micropython
a = (5.1, 3.5, 1.4, 0.2)
b = [5.9, 3, 1e30, -0.0]
print(m.predict(a), m.label(a), m.predict(b), m.label(b))
micropython.heap_lock()
m.predict(a)
m.label(a)
m.predict(b)
m.label(b)
micropython.heap_unlock()
print("done")
"""


@pytest.mark.parametrize(("target", "code"), RUNS)
def test_a_class_from_raw_values_takes_nothing_from_the_heap(target: str, code: str) -> None:
    usable_target(target)
    model = quantized((4, 5, 3), activations.get("relu"), "w8a8")
    rows = np.array([[5.1, 3.5, 1.4, 0.2], [5.9, 3, 1e30, -0.0]])
    answers = [f"{n} {model.classes[n]}" for n in reference.predict(model, rows)]
    printed = get_script_target(target).run(dict(module(model, code).files), start(code) + LOCKED)
    assert printed.splitlines() == [" ".join(answers), "done"]


FAR = """
from array import array
big = 1 << 33
ends = array("i", (2147483647, -2147483648, 2147483647, 7))
for t in (big, -big, big, 0), [-big, big, 40, -1 << 70], ends, b"\\x05\\x06\\x07\\xff":
    print(m.predict_ticks(t))
rows = ((1e9, -1e12, 1e20, 3e38), (1 << 40, -1 << 40, 0, 1 << 70), (inf, -inf, 1e-40, -0.0), (4343.104450, 0, 9.8, 2500))
for v in rows:
    print(m.predict(v))
for n in range(4):
    try:
        m.predict([nan if i == n else 1 for i in range(4)])
        print("accepted")
    except ValueError:
        print("refused")
"""


def printed_by(target: str, model: QModel, code: str, script: str) -> list[str]:
    """The words that a script prints, with the module under the name m."""
    if target != "rp2040-core":
        return get_script_target(target).run(dict(module(model, code).files), start(code) + script).split()
    lines: list[str] = []
    names = {
        "m": ModuleOnCore(module(model, code).files["m.py"]).module,
        "print": lambda *w: lines.extend(map(str, w)),
    }
    exec(script, names)
    return lines


EVERYWHERE = [
    *(("wasm", code) for code in ("portable", "compact", "nnrun")),
    *(("unix", code) for code in ("portable", "viper", "nnrun")),
    ("microbit", "thumb"),
    *(("rp2040-core", code) for code in ("viper", "thumb")),
    *(("qemu-m4", code) for code in ("viper", "thumb")),
    *(("pico", code) for code in ("portable", "compact", "viper", "thumb", "nnrun")),
]


@pytest.mark.parametrize(("target", "code"), EVERYWHERE)
def test_what_lies_far_outside_saturates_however_it_enters(target: str, code: str) -> None:
    usable_target(target)
    model = quantized((4, 5, 3), activations.get("relu"), "w8a8")
    big = 1 << 33
    ticks = [[big, -big, big, 0], [-big, big, 40, -1 << 70], [2**31 - 1, -(2**31), 2**31 - 1, 7], [5, 6, 7, 255]]
    low, high = model.tick_range
    within = np.array(
        [[min(max(v, a), b) for v, a, b in zip(row, low.tolist(), high.tolist(), strict=True)] for row in ticks]
    )
    inf = np.inf
    values = np.array(
        [
            [1e9, -1e12, 1e20, 3e38],
            [2.0**40, -(2.0**40), 0, 2.0**70],
            [inf, -inf, 1e-40, -0.0],
            [4343.104450, 0, 9.8, 2500],
        ]
    )
    wanted = [
        *reference.decide(model, reference.logits(model, reference.codes(model, within))),
        *reference.predict(model, values),
    ]
    script = "inf = 1e300 * 1e300\nnan = inf - inf\n" + FAR
    assert printed_by(target, model, code, script) == [*map(str, wanted), *["refused"] * 4]


CONTAINERS = """
from array import array
y = array("i", (0, 0, 0))
def tell(call, *given):
    try:
        call(*given)
        print("accepted")
    except (TypeError, ValueError):
        print("refused")
for t in ((5, 6, 7, 8), [5, 6, 7, 8], array("h", (5, 6, 7, 8)), array("I", (5, 6, 7, 8)), b"\\x05\\x06\\x07\\x08"):
    print(m.predict_ticks(t))
    m.logits_from_ticks(t, y)
    print(*y)
for t in (None, 5, 2.5, "abcd", (5, 6, 7), [5] * 5, bytes(16), array("i", (1, 2)), array("f", (1, 2, 3, 4)),
          (1, 2, 3.5, 4), iter("ab")):
    tell(m.predict_ticks, t)
    tell(m.logits_from_ticks, t, y)
    tell(m.logits_from_codes, t, y)
t = array("i", (1, 2, 3, 4))
for out in (None, 5, (1, 2, 3), [0, 0, 0], bytes(12), bytearray(12), array("i", (1, 2)),
            array("h", (1, 2, 3)), array("f", (1, 2, 3))):
    tell(m.logits_from_ticks, t, out)
    tell(m.logits_from_codes, t, out)
for out in (None, 5, (1, 2, 3, 4), [0, 0, 0, 0], bytearray(16), array("i", (1, 2)), array("f", (1, 2, 3, 4))):
    tell(m.ticks_from_values, (1, 2, 3, 4), out)
"""


@pytest.mark.parametrize(
    ("target", "code"), [run for run in EVERYWHERE if run[1] in ("viper", "thumb") and run[0] != "microbit"]
)
def test_machine_code_never_reads_or_writes_what_is_no_buffer_of_words(target: str, code: str) -> None:
    usable_target(target)
    model = quantized((4, 5, 3), activations.get("relu"), "w8a8")
    logits = reference.logits(model, reference.codes(model, np.array([[5, 6, 7, 8]])))
    answer = [str(reference.decide(model, logits)[0]), *map(str, logits[0])]
    refused = ["refused"] * (11 * 3 + 9 * 2 + 7)
    assert printed_by(target, model, code, CONTAINERS) == answer * 5 + refused


TAKES_NOTHING = """
import micropython
from array import array
given = ((5, 6, 7, 8), [5, 6, 7, 268435456], array("i", (5, 6, 7, 8)))
for t in given:
    print(m.predict_ticks(t))
m.predict_ticks(given[2])
micropython.heap_lock()
m.predict_ticks(given[2])
m.predict_ticks(given[0])
m.predict_ticks(given[1])
micropython.heap_unlock()
print("done")
"""


@pytest.mark.parametrize(("target", "code"), RUNS)
def test_a_class_from_ticks_takes_nothing_from_the_heap(target: str, code: str) -> None:
    usable_target(target)
    model = quantized((4, 5, 3), activations.get("relu"), "w8a8")
    ticks = np.array([[5, 6, 7, 8], [5, 6, 7, 1 << 28], [5, 6, 7, 8]])
    wanted = reference.decide(model, reference.logits(model, reference.codes(model, ticks)))
    assert printed_by(target, model, code, TAKES_NOTHING) == [*map(str, wanted), "done"]


@pytest.mark.parametrize("target", ["wasm", "unix", "microbit", "rp2040-core", *(["pico"] if LONG else [])])
def test_ticks_of_every_kind_of_float_are_the_reference_s(target: str) -> None:
    usable_target(target)
    stride = 1009 if target == "pico" else 400 if LONG else 4001
    check = Path(__file__).parents[2] / "benchmarks/ticks.py"
    command = [sys.executable, str(check), "--on", target, "--sample", str(stride)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["0 differences"], done.stdout + done.stderr


def test_the_check_of_ticks_finds_another_integer(tmp_path: Path) -> None:
    usable_target("wasm")
    root = Path(__file__).parents[2]
    faulty = "import sys\nsys.path.insert(0, {!r})\nimport ticks as check\nmake = check.ticks\n"
    faulty += "check.ticks = lambda asked, rows: make(asked, rows) + (rows > 1e5)\n"
    faulty += "sys.argv[1:] = ['--on', 'wasm', '--sample', '4001']\ncheck.main()\n"
    (tmp_path / "faulty.py").write_text(faulty.format(str(root / "benchmarks")))
    done = subprocess.run([sys.executable, str(tmp_path / "faulty.py")], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the checksums differ" in done.stdout
