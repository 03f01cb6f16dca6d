"""What viper modules cost: cycles on the Cortex-M0+ core and their spread over inputs, and bytes for each architecture.

    python benchmarks/viper_costs.py            writes benchmarks/results/viper_costs.{json,md}

Exit code 1 where the cycles of a form depend on the input. The networks have random weights: cycles do not depend on
training but for the weights that are 0, 1 and -1.
"""

from __future__ import annotations

import sys
from array import array
from itertools import pairwise
from typing import Any

import numpy as np
from results import write

from nnhw import activations
from nnhw.network import Input, Layer, Network
from nnhw.targets.module_board import ModuleBoard
from nnhw.targets.mpy import compile_mpy
from nnhw_codegen import emit_viper, precision, program, qmodel, quantize
from nnhw_codegen.text import Origin

NETS = (((4, 8, 3), 1000), ((4, 16, 16, 3), 1000), ((64, 32, 10), 20))
ARCHITECTURES = ("armv6m", "armv7m", "armv7emsp", "xtensawin", "rv32imc", "x64")


def network(sizes: tuple[int, ...]) -> Network:
    """A classifier with relu and random weights."""
    random = np.random.default_rng(1)
    layers = [
        Layer(
            random.normal(0, 1.5 / np.sqrt(fan_in), (units, fan_in)),
            random.normal(0, 0.3, units),
            activations.get("relu") if number + 2 < len(sizes) else None,
        )
        for number, (fan_in, units) in enumerate(pairwise(sizes))
    ]
    inputs = tuple(Input(f"x{i}", 5, 2, 0.1, 0, 10) for i in range(sizes[0]))
    return Network(layers, inputs, tuple(str(i) for i in range(sizes[-1])))


def measure(model: qmodel.QModel, form: emit_viper.Form, count: int) -> dict[str, Any]:
    """Cycles and bytes of one form of a model over ``count`` random and extreme inputs."""
    source = emit_viper.source(program.build(model), Origin("model", "a model", "0"), form).encode()
    board = ModuleBoard(source)
    inputs, outputs = model.sizes[0], model.sizes[-1]
    t, y = array("i", bytes(4 * inputs)), array("i", bytes(4 * outputs))
    rows = np.random.default_rng(0).integers(-50, 150, (count, inputs))
    rows[0], rows[1] = 1 - (1 << 29), (1 << 29) - 1
    cycles = set()
    for row in rows.tolist():
        t[:] = array("i", row)
        board.cycles = 0
        board.module.predict_ticks(t)
        cycles.add(board.cycles)
    board.cycles = 0
    board.module.logits_from_codes(board.module._x, y)
    macs = sum(layer.weights.size for layer in model.layers)
    return {
        "net": "-".join(map(str, model.sizes)),
        "precision": model.precision.name,
        "form": form,
        "codes to class": board.cycles,
        "ticks to class": max(cycles),
        "spread": max(cycles) - min(cycles),
        "inputs tried": count,
        "per MAC": round(board.cycles / macs, 2),
        "doorway per input": round((max(cycles) - board.cycles) / inputs, 1),
        "code B": board.code_bytes,
        "stack B": board.stack,
        ".py B": len(source),
        **{f"{arch} .mpy B": len(compile_mpy(source, "model.py", arch)) for arch in ARCHITECTURES},
    }


def main() -> int:
    rows = [
        measure(quantize.quantize(network(sizes), wanted), form, count)
        for sizes, count in NETS
        for wanted in precision.PRECISIONS
        for form in ("baked", "loops")
    ]
    write("viper_costs", "Viper modules on the Cortex-M0+ core, in cycles", rows)
    return int(any(row["spread"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
