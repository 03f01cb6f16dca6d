"""Ticks of every kind of float32 (SPEC 3.1), made on each target and compared with the reference by running checksums.

    python benchmarks/ticks.py [--on wasm,unix,microbit,rp2040-core,pico] [--sample N] [--record]

Of each of 20 steps: every sign and exponent with 64 mantissas, and the grid up to 2^18 ticks either way: 11,141,140 ticks.
Bits and grid values are made on the target, from its own reading of the step. With --sample N only each N-th of the
grid, and about as many of the other kind. --record puts what was counted into results/. Exit code 1 where a checksum
differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from array import array
from collections.abc import Iterator
from typing import Any

import numpy as np
from rig import results

from nnhw.running.exported import held
from nnhw.targets import get_script_target
from nnhw.targets.core.module_on_core import ModuleOnCore
from nnhw_codegen import emitters
from nnhw_codegen.integers import precision, program
from nnhw_codegen.integers.fixed import IntArray
from nnhw_codegen.integers.qmodel import QModel
from nnhw_codegen.integers.reference import ticks
from nnhw_codegen.network.activations import get
from nnhw_codegen.network.network import Input, Layer, Network
from nnhw_codegen.quantization.quantize import quantize
from nnhw_codegen.writer import Origin

GROUPS = (
    (1.0, 0.1, 0.01, 0.001, 0.0001, 1e-05, 0.5, 2.0, 0.05, 0.25, 1 / 256, 2.0**-20),
    (1e-06, 10.0, 0.3, 0.7, 1 / 3, 3.3 / 4096, 3.3 / 65535, 1e6),
)
"""Steps whose R has 13 bits, for which code multiplies short, and others."""

GRID = 1 << 18
BLOCK = 8192
CODES = {
    "wasm": ("portable",),
    "unix": ("portable", "viper"),
    "microbit": ("compact", "thumb"),
    "rp2040-core": ("viper", "thumb"),
    "pico": ("portable", "viper", "thumb"),
}
SCRIPT = """\
from array import array
from struct import unpack
import m
t = array("i", bytes(4 * {count}))
b = bytearray(4)
h = 0
def add(v):
    global h
    m.ticks_from_values(v, t)
    for n in t:
        h = (h * 31 + n) & 0x3FFFFF
c = 0
for n in range(0, 32768, {kinds}):
    e = n >> 7
    j = n & 63
    f = (j * 133169 + e * 70001) & 0x7FFFFF if j > 2 else (0, 0x7FFFFF, 0x400000)[j]
    if e == 255:
        f = 0
    b[0] = f & 255
    b[1] = f >> 8 & 255
    b[2] = f >> 16 | (e & 1) << 7
    b[3] = e >> 1 | n << 1 & 128
    v = unpack("<f", b)[0]
    add((v,) * {count})
    c += 1
    if c == {block}:
        print(h)
        c = 0
print(h)
s = {steps}
c = 0
for n in range(-{grid}, {grid} + 1, {stride}):
    add([n * one for one in s])
    c += 1
    if c == {block}:
        print(h)
        c = 0
print(h)
"""


def model(steps: tuple[float, ...]) -> QModel:
    """One unit on inputs of these steps."""
    inputs = tuple(Input(f"x{n}", 0, 300 * step, step, -1000 * step, 1000 * step) for n, step in enumerate(steps))
    network = Network([Layer(np.ones((1, len(steps))), np.zeros(1), get("logsig"))], inputs, ("a", "b"))
    return quantize(network, precision.get("w8a8"))


def bits(stride: int) -> IntArray:
    """What the first loop of SCRIPT makes."""
    n = np.arange(0, 32768, stride)
    e, j = n >> 7, n & 63
    f = np.where(j > 2, (j * 133169 + e * 70001) & 0x7FFFFF, np.array([0, 0x7FFFFF, 0x400000])[np.minimum(j, 2)])
    return (n >> 6 & 1) << 31 | e << 23 | np.where(e == 255, 0, f)


def sampled(sample: int) -> tuple[int, int]:
    """Strides through the kinds of float32 and through the grid; there are 16 times as many on the grid."""
    return sample if sample == 1 else max(3, sample // 16 | 1), sample


def count(strides: tuple[int, int]) -> int:
    """Ticks of one target and code."""
    kinds, grid = strides
    rows = len(range(0, 32768, kinds)) + len(range(-GRID, GRID + 1, grid))
    return rows * sum(map(len, GROUPS))


def wanted(asked: QModel, target: str, strides: tuple[int, int]) -> list[int]:
    """What SCRIPT prints."""
    values = held(target, bits(strides[0]).astype(np.uint32).view(np.float32).astype(float))
    kinds = ticks(asked, np.repeat(values[:, None], len(asked.inputs), axis=1))
    grid = np.repeat(np.arange(-GRID, GRID + 1, strides[1])[:, None], len(asked.inputs), axis=1)
    h, printed = 0, []
    for rows in (kinds.tolist(), grid.tolist()):
        for number, row in enumerate(rows, 1):
            for tick in row:
                h = (h * 31 + tick) & 0x3FFFFF
            if number % BLOCK == 0:
                printed.append(h)
        printed.append(h)
    return printed


def found(module: bytes, target: str, script: str) -> Iterator[int]:
    """What SCRIPT prints there."""
    if target != "rp2040-core":
        yield from map(int, get_script_target(target).run({"m.py": module}, script, timeout=7200).split())
        return
    printed: list[int] = []
    names = {"m": ModuleOnCore(module).module, "array": array, "print": printed.append}
    lines = [line for line in script.splitlines() if line not in ("import m", "from array import array")]
    exec("\n".join(lines), names)
    yield from printed


def compare(target: str, code: str, strides: tuple[int, int]) -> int:
    """The groups of steps whose checksums differ; each is told."""
    different = 0
    for steps in GROUPS:
        asked = model(steps)
        module = emitters.get(code).emit(program.build(asked), Origin("m", "a check of ticks", "0"))["m.py"]
        kinds, grid = strides
        script = SCRIPT.format(kinds=kinds, stride=grid, count=len(steps), block=BLOCK, grid=GRID, steps=steps)
        if list(found(module, target, script)) != wanted(asked, target, strides):
            different += 1
            print(f"{target}, {code}: steps {steps}: the checksums differ", flush=True)
    return different


def record(rows: list[dict[str, Any]]) -> None:
    """Write the result, with the rows of other targets that it held before."""
    path = results.FOLDER / "ticks.json"
    before = json.loads(path.read_text())["rows"] if path.exists() else []
    new = {row["target"] for row in rows}
    kept = [row for row in before if row["target"] not in new] + rows
    kept.sort(key=lambda row: list(CODES).index(row["target"]))
    results.write("ticks", "Ticks compared with the reference", kept)


def main() -> None:
    """Run the targets that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--on", default=",".join(CODES))
    parser.add_argument("--sample", type=int, default=1)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    strides = sampled(options.sample)
    rows: list[dict[str, Any]] = []
    for target in options.on.split(","):
        for code in CODES[target]:
            different = compare(target, code, strides)
            rows.append({"target": target, "code": code, "ticks": count(strides), "groups that differ": different})
            print(f"{target}, {code}: {count(strides):,} ticks", flush=True)
    if options.record:
        record(rows)
    different = sum(row["groups that differ"] for row in rows)
    print(f"{different} differences")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
