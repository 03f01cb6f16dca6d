"""Iris from scratch on an emulated Pico under real MicroPython, in seconds of the board: 120 rows, 30 times.

    python benchmarks/board_training.py --firmware FILE.uf2     writes benchmarks/results/board_training.{json,md}

From the first row to the last by the board's own clock, all Python included, loading and saving not. Every saved file
is compared with the reference engine's. Modules are .mpy. The emulator counts no waiting for the flash memory, from which
the interpreter runs. Where fewer epochs were run, the seconds are those of an epoch times 30.
"""

from __future__ import annotations

import argparse
import ast
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rig.results import write

from nnhw.boards.mpy_cross import compile_mpy
from nnhw.data import datasets
from nnhw.exporting import learning_files
from nnhw.exporting.board_package import nnrun
from nnhw.exporting.learning_files import Learning
from nnhw.targets.pico import PicoTarget
from nnhw.training.train import create
from nnhw_codegen import emitters
from nnhw_codegen.files import nnt
from nnhw_codegen.learning.trainable import default_profile, trainable
from nnhw_codegen.writer import Origin

EPOCHS = 30
FORMS = (
    ("viper", "nnrun, with --code viper", "import m_learn as fast", EPOCHS),
    ("thumb", "nnrun, with --code thumb", "import m_learn as fast", EPOCHS),
    ("viper", "nnrun, its own kernels", "fast = None", EPOCHS),
    ("compact", "--code compact, no nnrun", "", 1),
)
_NNRUN = "import nnrun.learn\n{fast}\nnet = nnrun.learn.load('m.nnt', fast)\n"
_ALONE = "import m_learn as net\nnet.load('m.nnt')\n"
_RUN = """
import time
rows = {rows!r}
start = time.ticks_ms()
for _ in range({epochs}):
    for values, target in rows:
        net.learn(values, target)
print(time.ticks_diff(time.ticks_ms(), start))
net.save("m.nnt")
with open("m.nnt", "rb") as f:
    print(f.read())
"""


def measure(firmware: Path, code: str, form: str, fast: str, epochs: int) -> dict[str, Any]:
    """One line of the table."""
    dataset = datasets.load("iris")
    start = create(datasets.inputs_from(dataset), (8,), classes=dataset.classes, seed=1)
    order = np.random.default_rng(0).permutation(150)[:120]
    profile = default_profile(start)
    model = trainable(start, profile)
    codes, targets = model.input_codes(dataset.rows[order]), model.target_codes(dataset.targets[order])
    for _ in range(epochs):
        for x, wanted in zip(codes, targets, strict=True):
            model.learner.step(x[:, None], wanted[:, None])
    made = learning_files.files(Learning(start, profile), Origin("m", "a benchmark", ""), emitters.get(code))
    modules = {name: content for name, content in made.items() if name.startswith("m_learn")}
    modules |= nnrun() if fast else {}
    files = {f"{name[:-3]}.mpy": compile_mpy(text, name, "armv6m") for name, text in modules.items()}
    files["m.nnt"] = made["m.nnt"]
    rows = [(dataset.rows[n].tolist(), int(dataset.targets[n])) for n in order]
    opening = _NNRUN.format(fast=fast) if fast else _ALONE
    output = PicoTarget(firmware).run(files, opening + _RUN.format(rows=rows, epochs=epochs), timeout=1200.0)
    milliseconds, saved = output.splitlines()
    return {
        "form": form,
        "epochs run": epochs,
        "seconds": round(int(milliseconds) / 1000 * EPOCHS / epochs, 2),
        "ms per step": round(int(milliseconds) / epochs / len(rows), 3),
        "file": "the reference's" if ast.literal_eval(saved) == nnt.to_bytes(model) else "DIFFERS",
        "training rows right": f"{np.mean(model.predict(dataset.rows[order]) == dataset.targets[order]):.1%}",
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--firmware", type=Path, required=True, help="a .uf2 file of MicroPython for the Pico")
    firmware = parser.parse_args().firmware
    rows = [measure(firmware, *form) for form in FORMS]
    write("board_training", "Iris from scratch on a Pico: 30 epochs of 120 rows, in seconds of the board", rows)
    return int(any(row["file"] != "the reference's" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
