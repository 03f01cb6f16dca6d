"""What a step of training costs on the Cortex-M0+ core: cycles over rows of the data, from ticks to changed weights.

    python benchmarks/learning_cost.py            writes benchmarks/results/learning_cost.{json,md}

"generic" are nnrun's own native kernels, "viper" and "thumb" the modules that export --learn makes for the model. The
Python round them costs nothing here.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rig.results import write

import nnrun
from nnhw.boards.mpy_cross import compile_mpy
from nnhw.data import datasets
from nnhw.targets import get
from nnhw.targets.core.mpy_functions import ViperModule
from nnhw.training.train import create
from nnhw_codegen.files import nnt
from nnhw_codegen.learning.profile import T16
from nnhw_codegen.learning.trainable import trainable
from nnhw_codegen.thumb import learn as thumb_learn
from nnhw_codegen.viper import learn as viper_learn
from nnrun import learn_kernels
from nnrun.learn import Net

CLOCK = 125e6
GENERIC = (Path(nnrun.__file__).parent / "learn_kernels_viper.py").read_bytes()
SOURCES: dict[str, Callable[[bytes, str], bytes]] = {
    "generic": lambda data, banner: GENERIC,
    "viper": viper_learn.source,
    "thumb": thumb_learn.source,
}
CASES = (("iris", (8,), "relu", "softmax"), ("iris", (8,), "relu", "logsig"), ("iris", (8,), "tanh", "softmax"),
         ("wine", (16,), "relu", "softmax"), ("digits", (32,), "relu", "softmax"))  # fmt: skip


class Kernel:
    """``run`` of a module on the bare core, and the cycles of each call."""

    def __init__(self, source: bytes) -> None:
        self.core = get("rp2040-core").core()
        self.module = ViperModule(self.core, compile_mpy(source, "kernel.py", "armv6m"))
        self.places: list[int] = []
        self.cycles: list[int] = []
        self.bytes = len(self.module.functions["run"].code)

    def __call__(self, room: Any, data: bytearray, program: Any) -> None:
        buffers = (room, data, program)
        self.places = self.places or [self.core.data(bytes(b), align=16) for b in buffers]
        for place, buffer in zip(self.places, buffers, strict=True):
            self.core.write(place, bytes(buffer))
        self.cycles.append(self.module.call("run", *self.places).cycles)
        room[:] = array("i", self.core.read(self.places[0], 4 * len(room)))
        data[:] = self.core.read(self.places[1], len(data))


def measure(name: str, layers: tuple[int, ...], hidden: str, output: str, form: str) -> dict[str, Any]:
    """Steps at the start of training and after 300 steps."""
    dataset = datasets.load(name)
    start = create(
        datasets.inputs_from(dataset), layers, hidden=hidden, output=output, classes=dataset.classes, seed=1
    )
    data = nnt.to_bytes(trainable(start, replace(T16, rate_shift=6)))
    kernel = Kernel(SOURCES[form](data, "benchmark"))
    net = Net(bytearray(data))
    rows, targets = dataset.rows.tolist(), dataset.targets.tolist()
    count = 4 if name == "digits" else 40
    order = np.random.default_rng(0).integers(len(rows), size=300 + count).tolist()
    for number, row in enumerate(order):
        net._kernel = kernel if number < count or number >= 300 else learn_kernels.run
        net.learn(rows[row], targets[row])
    cycles = kernel.cycles
    return {
        "net": "-".join(map(str, (len(dataset.features), *layers, len(dataset.classes)))),
        "hidden": hidden,
        "output": output,
        "kernel": form,
        "cycles, first steps": round(float(np.mean(cycles[:count]))),
        "cycles, later steps": round(float(np.mean(cycles[count:]))),
        "most": max(cycles),
        "us at 125 MHz": round(1e6 * float(np.mean(cycles)) / CLOCK, 1),
        "code B": kernel.bytes,
        ".nnt B": len(data),
    }


if __name__ == "__main__":
    rows = [measure(*case, form) for case in CASES for form in SOURCES]
    write("learning_cost", "A step of training on the Cortex-M0+ core, in cycles", rows)
