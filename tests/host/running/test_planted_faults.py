"""Faults planted in the files of a build: ``nnhw verify`` ends with 1 for each, in every code."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import sys
import zlib
from ast import literal_eval
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conformance.networks import network
from conftest import usable_target

from nnhw.exporting import write_build
from nnhw_codegen.files import nnb
from nnhw_codegen.integers.proof import accumulator_bounds, output_range
from nnhw_codegen.integers.qmodel import QModel
from nnhw_codegen.network import activations
from nnhw_codegen.network.network import Input

Edit = Callable[[str], str]

TARGETS = {"portable": "wasm", "compact": "microbit", "viper": "rp2040-core", "thumb": "rp2040-core", "c": "c"}

FLOATS = """\
def ticks_from_values(values, t):
    for i in range(3):
        t[i] = int(min(max(values[i] / 0.3 + 0.5, -2e8), 2e8) // 1)


"""
C_FLOATS = """\
static inline int m_ticks(const float *values, int32_t *ticks) {
    for (int i = 0; i < 3; i++) {
        float v = values[i] / 0.3f + 0.5f;
        v = v < -2e8f ? -2e8f : v > 2e8f ? 2e8f : v;
        ticks[i] = (int32_t)v - ((float)(int32_t)v > v);
    }
    return 1;
}

#endif"""


def floats(text: str) -> str:
    return re.sub(r"(?s)def ticks_from_values.*?\n\n\n", lambda _: FLOATS, text)


def swap(old: str, new: str) -> Edit:
    """The last ``old`` becomes ``new``."""
    return lambda text: new.join(text.rsplit(old, 1))


def data(name: str, old: bytes, new: bytes) -> Edit:
    """The last ``old`` in the bytes that are called ``name`` becomes ``new``."""

    def edit(text: str) -> str:
        line = next(line for line in text.splitlines() if line.lstrip().startswith(f"{name} = b"))
        content = literal_eval(line.partition(" = ")[2])
        return text.replace(line, f"{line.partition(' = ')[0]} = {new.join(content.rsplit(old, 1))!r}")

    return edit


def halves(text: str) -> bytes:
    """Instructions as bytes."""
    return b"".join(struct.pack("<H", int(word, 16)) for word in text.split())


# The first class of equals, decided upon with one instruction more and without the largest output, which none reads.
FIRST = halves("c810 1b0c 17e5 402c 1b09 1a9e 402e 1992 3301")
LAST = halves("c810 1b0c 3c01 17e5 1a9e 402e 1992 3301 3301")
NODES, NODES_OFF = b"\x1f'.5", b"\x1f'/5"
BOUND = swap("100)", "99)")
EDITS: dict[tuple[str, str], Edit] = {
    ("portable", "float doorway"): floats,
    ("portable", "weight"): swap("x2 * 114", "x2 * 115"),
    ("portable", "table entry"): data("_T0", NODES, NODES_OFF),
    ("portable", "tie"): swap("y[j] > y[best]", "y[j] >= y[best]"),
    ("portable", "bound"): BOUND,
    ("compact", "float doorway"): floats,
    ("compact", "weight"): data("w", bytes([114 + 128]), bytes([115 + 128])),
    ("compact", "table entry"): data("_T0", NODES, NODES_OFF),
    ("compact", "tie"): swap("y[j] > y[best]", "y[j] >= y[best]"),
    ("compact", "bound"): BOUND,
    ("viper", "float doorway"): floats,
    ("viper", "weight"): swap("x[2] * 114", "x[2] * 115"),
    ("viper", "table entry"): data("_T0", NODES, NODES_OFF),
    ("viper", "tie"): swap("a = b - a", "a = b - a - 1"),
    ("viper", "bound"): swap("(b - 100)) + 100", "(b - 99)) + 99"),
    ("thumb", "float doorway"): floats,
    ("thumb", "weight"): data("_code", struct.pack("<hh", 114, 64), struct.pack("<hh", 115, 64)),
    ("thumb", "table entry"): data("_code", NODES, NODES_OFF),
    ("thumb", "tie"): data("_code", FIRST, LAST),
    ("thumb", "bound"): data("_code", halves("3d64 41bf"), halves("3d63 41bf")),
    ("c", "float doorway"): lambda text: re.sub(r"(?s)static inline int m_ticks.*#endif", lambda _: C_FLOATS, text),
    ("c", "weight"): swap("a0 += x2 * m_weight(4194418)", "a0 += x2 * m_weight(4194419)"),
    ("c", "table entry"): swap("31u, 39u, 46u", "31u, 39u, 47u"),
    ("c", "tie"): swap("d = (top - outputs[2]) >> 31", "d = (top - outputs[2] - 1) >> 31"),
    ("c", "bound"): BOUND,
}


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a build of the same model in each code."""
    folder = tmp_path_factory.mktemp("builds")
    plain = network((3, 4, 3), activations.get("tanh"))
    # A step whose reciprocal is no whole number: only then does a formula of long floats round otherwise.
    inputs = tuple(Input(entry.name, 15, 6, 0.3, 0, 30) for entry in plain.inputs)
    for code in TARGETS:
        write_build.export(replace(plain, inputs=inputs), folder / code, "w8a8", code, source="m.json")
    return folder


def verify(build: Path, target: str, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nnhw", "verify", str(build), "--on", target, "--rows", "300", *more]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("code", TARGETS)
def test_a_build_as_export_wrote_it_verifies(builds: Path, code: str) -> None:
    usable_target(TARGETS[code])
    done = verify(builds / code, TARGETS[code])
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"324/324 rows: .* codes\), (\d+), (\d+) and (\d+) distinct rows of codes", done.stdout)
    assert found, done.stdout
    assert all(250 < int(count) <= 324 for count in found.groups())


@pytest.mark.parametrize(("code", "fault"), EDITS)
def test_verify_fails_for_a_fault_in_generated_code(builds: Path, tmp_path: Path, code: str, fault: str) -> None:
    usable_target(TARGETS[code])
    build = shutil.copytree(builds / code, tmp_path / "build")
    path = build / ("m.h" if code == "c" else "m.py")
    text = path.read_text()
    path.write_text(EDITS[code, fault](text))
    assert path.read_text() != text
    done = verify(build, TARGETS[code])
    assert done.returncode == 1, done.stdout + done.stderr
    assert "first difference: row" in done.stdout


def patched(content: bytes, at: int, change: int) -> bytes:
    """One byte of the main part of a .nnb file increased, with the checksum of what it then holds (SPEC 7.2)."""
    changed = bytearray(content)
    changed[at] += change
    (length,) = struct.unpack_from("<I", changed, 4)
    struct.pack_into("<I", changed, 8, zlib.adler32(changed[12:length]))
    return bytes(changed)


def proved(model: QModel) -> QModel:
    """The model with bounds that hold."""
    layers = []
    low, high = model.code_range
    for layer in model.layers:
        bounds = accumulator_bounds(layer.weights, layer.bias, low, high)
        layers.append(replace(layer, low=bounds[0], high=bounds[1]))
        low, high = output_range(layer.activation, layer.limit, layer.shift, *bounds)
    return replace(model, layers=tuple(layers))


def with_weight(model: QModel) -> bytes:
    """One weight of the first layer is 1 larger."""
    weights = model.layers[0].weights.copy()
    weights[0, 2] += 1
    return nnb.to_bytes(proved(replace(model, layers=(replace(model.layers[0], weights=weights), *model.layers[1:]))))


def with_input(model: QModel, **fields: Any) -> bytes:
    """The first input differs."""
    return nnb.to_bytes(proved(replace(model, inputs=(replace(model.inputs[0], **fields), *model.inputs[1:]))))


@pytest.mark.parametrize("fault", ["doorway", "weight", "table entry", "decision", "bound"])
def test_verify_fails_for_a_fault_in_the_file_that_nnrun_reads(builds: Path, tmp_path: Path, fault: str) -> None:
    """The file is whole, and what it holds is proved: only that it is another model."""
    usable_target("wasm")
    build = shutil.copytree(builds / "portable", tmp_path / "build")
    path = build / "m.nnb"
    content, model = path.read_bytes(), nnb.load(path)
    faults = {
        "doorway": lambda: with_input(model, step=0.2),
        "weight": lambda: with_weight(model),
        "table entry": lambda: patched(content, content.index(NODES) + 2, 1),
        "decision": lambda: patched(content, 17, 3),
        "bound": lambda: with_input(model, span=model.inputs[0].span - 1),
    }
    path.write_bytes(faults[fault]())
    done = verify(build, "wasm", "--runtime", "nnrun")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "m.nnb is not the file that export wrote; run 'nnhw export' again" in done.stdout
