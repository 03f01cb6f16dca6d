"""The cycle budgets: our machine code and C beside the C libraries, on one emulated Cortex-M0+ core.

    python benchmarks/budgets.py [--inputs 1000]     writes benchmarks/results/budgets.{json,md}

Three trained relu networks. Cycles are those from input codes to the class index, the call included; for Thumb also the
trampoline, 16 cycles (25 from ticks). The spread of the cycles is taken over the given number of extreme and random
inputs (a tenth of them for digits). Exit code 1 where cycles depend on the input or a budget is missed.

The figures of the C libraries were measured on the same emulated core with gcc 12 at -O3, each library bit-exact against
a model of its own arithmetic: NNoM 4d1d8fc, CMSIS-NN 99f736a, TFLM 90b983c with CMSIS-NN, emlearn 0.23.2 (which computes
in floats and ends in a softmax). Their flash is all of .text, .rodata and .data of a linked image.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any

from rig.nets import SMALL
from rig.results import write

from nnhw.measuring import machine_code
from nnhw.training.train import Options, train
from nnhw_codegen.integers import precision
from nnhw_codegen.quantization.quantize import quantize

PEERS: dict[str, tuple[tuple[str, int, int], ...]] = {
    "Iris 4-8-3": (
        ("NNoM", 1_801, 6_584),
        ("CMSIS-NN", 2_904, 3_276),
        ("TFLM + CMSIS-NN", 4_541, 40_448),
        ("emlearn", 34_181, 7_212),
    ),
    "Iris 4-16-16-3": (
        ("NNoM", 5_305, 7_044),
        ("CMSIS-NN", 9_122, 3_804),
        ("TFLM + CMSIS-NN", 11_452, 41_184),
        ("emlearn", 98_628, 9_576),
    ),
    "digits 64-32-10": (
        ("NNoM", 18_993, 9_076),
        ("CMSIS-NN", 26_024, 5_812),
        ("TFLM + CMSIS-NN", 27_751, 43_032),
        ("emlearn", 560_554, 15_996),
    ),
}
"""Cycles and bytes of flash."""

OURS = (
    ("viper", "auto", "", "w8a8"),
    ("thumb", "auto", "", "w8a8"),
    ("thumb", "auto", "", "acc16"),
    ("thumb", "loops", "", "w8a8"),
    ("thumb", "loops", "", "acc16"),
    ("c", "baked", "-O3", "w8a8"),
    ("c", "baked", "-O3", "acc16"),
    ("c", "baked", "-Os", "w8a8"),
    ("c", "baked", "-Os", "acc16"),
    ("c", "loops", "-O3", "w8a8"),
    ("c", "loops", "-O3", "acc16"),
)

BUDGETS: dict[tuple[str, str], dict[str, int]] = {
    ("viper baked", "w8a8"): {"Iris 4-8-3": 900, "Iris 4-16-16-3": 4_000, "digits 64-32-10": 23_000},
    ("thumb baked", "w8a8"): {"Iris 4-8-3": 420, "Iris 4-16-16-3": 1_600, "digits 64-32-10": 8_500},
    ("thumb baked", "acc16"): {"Iris 4-8-3": 340, "Iris 4-16-16-3": 1_250, "digits 64-32-10": 5_300},
    ("c baked -O3", "w8a8"): {"Iris 4-8-3": 400, "Iris 4-16-16-3": 2_000, "digits 64-32-10": 12_800},
    ("c baked -O3", "acc16"): {"Iris 4-8-3": 320, "Iris 4-16-16-3": 1_900, "digits 64-32-10": 7_700},
}


def rows_of(net: str, inputs: int) -> Iterator[dict[str, Any]]:
    """The libraries, then our own code."""
    chosen = SMALL[net]
    network, _ = train(chosen.rows(), chosen.hidden, options=Options(seed=0, **chosen.options))
    macs = sum(layer.weights.size for layer in network.layers)
    best = PEERS[net][0][1]
    for peer, cycles, flash in PEERS[net]:
        yield {
            "net": net,
            "code": peer,
            "precision": "float" if peer == "emlearn" else "int8",
            "codes to class": cycles,
            "per MAC": round(cycles / macs, 2),
            "NNoM / this": round(best / cycles, 2),
            "budget": "",
            "verdict": "",
            "ticks to class": "",
            "spread": "",
            "inputs": "",
            "flash B": flash,
            "RAM B": "",
            "stack B": "",
            "from": "measured on the same emulated core, -O3",
        }
    models = {p.name: quantize(network, p, network.calibration) for p in precision.PRECISIONS}
    for code, form, level, precision_name in OURS:
        cost = machine_code.measure(models[precision_name], code, form, level, inputs)
        budget = BUDGETS.get((cost.name, precision_name), {}).get(net)
        yield {
            "net": net,
            "code": cost.name,
            "precision": precision_name,
            "codes to class": cost.codes_cycles,
            "per MAC": round(cost.per_mac, 2),
            "NNoM / this": round(best / cost.codes_cycles, 2),
            "budget": budget or "",
            "verdict": "" if budget is None else "met" if cost.codes_cycles <= budget else "MISSED",
            "ticks to class": cost.ticks_cycles,
            "spread": cost.spread,
            "inputs": cost.tried,
            "flash B": cost.code_bytes + cost.table_bytes,
            "RAM B": cost.ram_bytes,
            "stack B": cost.stack_bytes,
            "from": "this run",
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--inputs", type=int, default=1000, help="inputs for the spread; a tenth of them for digits")
    inputs = parser.parse_args().inputs
    rows = [row for net in SMALL for row in rows_of(net, inputs if net.startswith("Iris") else max(1, inputs // 10))]
    write("budgets", "Cycles and bytes on the Cortex-M0+ core, beside the C libraries", rows)
    return int(any(row["spread"] or row["verdict"] == "MISSED" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
