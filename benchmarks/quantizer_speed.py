"""CPU time of the quantizer on large networks with random weights.

    python benchmarks/quantizer_speed.py         writes benchmarks/results/quantizer_speed.{json,md}

Exit code 1 where a network takes longer than its budget.
"""

from __future__ import annotations

import itertools
import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported: seconds of one thread can be compared

import sys
import time
from dataclasses import dataclass

import numpy as np
from rig.results import write

from nnhw_codegen.integers import precision
from nnhw_codegen.network import activations
from nnhw_codegen.network.network import Input, Layer, Network
from nnhw_codegen.quantization.quantize import quantize


@dataclass(frozen=True)
class Case:
    """Widths from the inputs to the outputs, what they are quantized to, calibration rows, seconds that it may take."""

    sizes: tuple[int, ...]
    precision: str
    rows: int
    classifies: bool
    budget: float


CASES = (
    Case((64, 32, 10), "acc16", 256, True, 0.5),
    Case((784, 32, 10), "acc16", 256, True, 2.0),
    Case((784, 128, 10), "acc16", 256, True, 3.0),
    Case((640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640), "w16a16", 20, False, 20.0),
)


def network(case: Case) -> Network:
    """A network of random weights; its inputs range over 0 to 1 in 256 steps."""
    random = np.random.default_rng(0)
    last = activations.get("softmax" if case.classifies else "identity")
    layers = [
        Layer(
            random.normal(scale=np.sqrt(2 / fan_in), size=(units, fan_in)),
            random.normal(scale=0.1, size=units),
            last if number == len(case.sizes) else activations.get("relu"),
        )
        for number, (fan_in, units) in enumerate(itertools.pairwise(case.sizes), 2)
    ]
    names = tuple(f"y{n}" for n in range(case.sizes[-1]))
    inputs = tuple(Input(f"x{n}", 0.5, 0.3, 1 / 256, 0.0, 1.0) for n in range(case.sizes[0]))
    return Network(layers, inputs, names if case.classifies else (), () if case.classifies else names)


def main() -> int:
    """Quantize each network once."""
    rows, late = [], 0
    for case in CASES:
        model, calibration = network(case), np.random.default_rng(1).random((case.rows, case.sizes[0]))
        start = time.process_time()
        quantize(model, precision.get(case.precision), calibration)
        seconds = time.process_time() - start
        late += seconds > case.budget
        sizes = "-".join(map(str, case.sizes))
        rows.append(
            {"network": sizes, "precision": case.precision, "CPU seconds": f"{seconds:.2f}", "budget": case.budget}
        )
        print(f"{sizes}: {seconds:.2f} s", flush=True)
    write("quantizer_speed", "CPU time of the quantizer, one thread", rows)
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
