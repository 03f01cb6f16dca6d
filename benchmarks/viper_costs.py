"""What viper modules cost: cycles on the Cortex-M0+ core and their spread over inputs, and bytes for each architecture.

    python benchmarks/viper_costs.py            writes benchmarks/results/viper_costs.{json,md}

Exit code 1 where the cycles of a form depend on the input. The networks have random weights: cycles do not depend on
training but for the weights that are 0, 1 and -1.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from typing import Any

import numpy as np
from rig.results import write

from nnhw.boards.catalog import ARCHITECTURES
from nnhw.boards.mpy_cross import compile_mpy
from nnhw.measuring import machine_code
from nnhw_codegen.integers import precision, program, qmodel
from nnhw_codegen.network import activations
from nnhw_codegen.network.network import Input, Layer, Network
from nnhw_codegen.quantization import quantize
from nnhw_codegen.viper import emitter
from nnhw_codegen.writer import Origin

NETS = (((4, 8, 3), 1000), ((4, 16, 16, 3), 1000), ((64, 32, 10), 20))


def network(sizes: tuple[int, ...]) -> Network:
    """A classifier with relu and random weights."""
    random = np.random.default_rng(1)
    layers = [
        Layer(
            random.normal(0, 1.5 / np.sqrt(fan_in), (units, fan_in)),
            random.normal(0, 0.3, units),
            activations.get("relu" if number + 2 < len(sizes) else "softmax"),
        )
        for number, (fan_in, units) in enumerate(pairwise(sizes))
    ]
    inputs = tuple(Input(f"x{i}", 5, 2, 0.1, 0, 10) for i in range(sizes[0]))
    return Network(layers, inputs, tuple(str(i) for i in range(sizes[-1])))


def row(model: qmodel.QModel, form: emitter.Form, count: int) -> dict[str, Any]:
    """Cycles and bytes of one form of a model over ``count`` extreme and random inputs."""
    source = emitter.source(program.build(model), Origin("model", "a model", "0"), form).encode()
    cost = machine_code.measure(model, "viper", form, inputs=count)
    return {
        "net": "-".join(map(str, model.sizes)),
        "precision": cost.precision,
        "form": form,
        "codes to class": cost.codes_cycles,
        "ticks to class": cost.ticks_cycles,
        "spread": cost.spread,
        "inputs tried": cost.tried,
        "per MAC": round(cost.per_mac, 2),
        "doorway per input": round((cost.ticks_cycles - cost.codes_cycles) / model.sizes[0], 1),
        "code and tables B": cost.code_bytes + cost.table_bytes,
        "stack B": cost.stack_bytes,
        ".py B": len(source),
        **{f"{arch} .mpy B": len(compile_mpy(source, "model.py", arch)) for arch in ARCHITECTURES["viper"]},
    }


def main() -> int:
    rows = [
        row(quantize.quantize(network(sizes), wanted), form, count)
        for sizes, count in NETS
        for wanted in precision.PRECISIONS
        for form in ("baked", "loops")
    ]
    write("viper_costs", "Viper modules on the Cortex-M0+ core, in cycles", rows)
    return int(any(row["spread"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
