"""Whole calls on an emulated Pico under real MicroPython: what a program pays, its own bytecode included.

    python benchmarks/whole_calls.py --firmware FILE.uf2     writes benchmarks/results/whole_calls.{json,md}

Two trained relu networks, medians over inputs; beside machine code itself, as benchmarks/budgets.py counts it, that is
the interpreter's share. Then a step of training with nnrun.learn: its own kernels, and the module that export --learn
makes for the model in each code. The emulator counts no waiting for the flash memory, from which the interpreter runs.
Exit code 1 where a budget is missed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
from rig.nets import SMALL
from rig.results import write

from nnhw.data import datasets
from nnhw.exporting import learning_files, vectors
from nnhw.exporting.board_package import nnrun
from nnhw.exporting.learning_files import Learning
from nnhw.measuring import whole_calls
from nnhw.measuring.machine_code import CLOCK
from nnhw.targets import ScriptTarget, get_script_target
from nnhw.training.train import Options, create, train
from nnhw_codegen import emitters
from nnhw_codegen.integers import precision, program
from nnhw_codegen.learning.trainable import default_profile
from nnhw_codegen.quantization.quantize import quantize
from nnhw_codegen.writer import Origin

SHOWN = ("Iris 4-8-3", "digits 64-32-10")
FORMS = (("portable", "w8a8"), ("compact", "w8a8"), ("viper", "w8a8"), ("thumb", "w8a8"), ("thumb", "acc16"))
NATIVE = "thumb .mpy"
DOORWAY = 10_600
"""Cycles that one value costs in bytecode: four of its parts are multiplied, shifted and added below 2^30 (SPEC 3.1),
some 60 bytecodes of some 170 cycles each, and packed into a float32 before."""
BUDGETS = {
    ("Iris 4-8-3", "predict_ticks", "thumb", "acc16"): 1_200,
    ("digits 64-32-10", "predict_ticks", "thumb", "acc16"): 6_500,
    ("Iris 4-8-3", "predict", "portable", "w8a8"): 48_000 + 4 * DOORWAY,
    ("Iris 4-8-3", "predict", "viper", "w8a8"): 6_000,
    ("Iris 4-8-3", "predict", "thumb", "acc16"): 3_000,
    ("Iris 4-8-3", "predict_ticks", NATIVE, "acc16"): 620,
    ("digits 64-32-10", "predict_ticks", NATIVE, "acc16"): 6_000,
    ("Iris 4-8-3", "predict of a tuple", NATIVE, "acc16"): 1_050,
    ("Iris 4-8-3", "predict of a list", NATIVE, "acc16"): 1_150,
    ("Iris 4-8-3", "predict of array('f')", NATIVE, "acc16"): 1_100,
    ("digits 64-32-10", "predict of a tuple", NATIVE, "acc16"): 9_600,
    ("Iris 4-8-3", "predict_many, a row", NATIVE, "acc16"): 560,
    ("Iris 4-8-3", "predict_many_ticks of array('i'), a row", NATIVE, "acc16"): 360,
    ("Iris 4-8-3", "predict_many_ticks of array('H'), a row", NATIVE, "acc16"): 400,
    ("Iris 4-8-3", "bytes of heap to import", NATIVE, "acc16"): 1_800,
    ("digits 64-32-10", "bytes of heap to import", NATIVE, "acc16"): 10_000,
}
CALLS = """\
gc.collect()
free = gc.mem_free()
import m
gc.collect()
print(free - gc.mem_free())
rows, ticks = {rows!r}, {ticks!r}
for call, make, given in (
    ("predict_ticks", lambda x: array("i", x), ticks), ("predict", tuple, rows), ("predict", list, rows),
    ("predict", lambda x: array("f", x), rows),
):
    call = getattr(m, call)
    print(sorted([cycles(call, make(x)) for x in given])[len(given) // 2])
def many(call, code, given):
    out, given = bytearray(120), array(code, [v for n in range(120) for v in given[n % len(given)]])
    a = now()
    b = now()
    call(given, out)
    c = now()
    print(((b - c & 0xFFFFFF) - (a - b & 0xFFFFFF)) // 120)
many(m.predict_many, "f", rows)
many(m.predict_many_ticks, "i", ticks)
many(m.predict_many_ticks, "H", ticks)
"""
CALLED = (
    "bytes of heap to import",
    "predict_ticks",
    "predict of a tuple",
    "predict of a list",
    "predict of array('f')",
    "predict_many, a row",
    "predict_many_ticks of array('i'), a row",
    "predict_many_ticks of array('H'), a row",
)
"""What ``CALLS`` prints, line by line."""
LEARN = """\
import nnrun.learn
{kernel}
net = nnrun.learn.load("m.nnt", fast)
gc.collect()
for values, target in {rows!r}:
    print(cycles(net.learn, values, target))
"""


def row(net: str, call: str, code: str, precision_name: str, cycles: int) -> dict[str, Any]:
    """One line of the table."""
    budget = BUDGETS.get((net, call, code, precision_name))
    return {
        "net": net,
        "call": call,
        "code": code,
        "precision": precision_name,
        "cycles": cycles,
        "us at 125 MHz": "" if "heap" in call else round(1e6 * cycles / CLOCK, 1),
        "budget": budget or "",
        "verdict": "" if budget is None else "met" if cycles <= budget else "MISSED",
    }


def predictions(net: str, target: ScriptTarget) -> Iterator[dict[str, Any]]:
    """Every form, from ticks and from values."""
    chosen = SMALL[net]
    network, _ = train(chosen.rows(), chosen.hidden, options=Options(seed=0, **chosen.options))
    for code, precision_name in FORMS:
        model = quantize(network, precision.get(precision_name), network.calibration)
        cost = whole_calls.measure(model, code, target, 5)
        yield row(net, "predict_ticks", code, precision_name, cost.ticks_cycles)
        yield row(net, "predict", code, precision_name, cost.values_cycles)
    ticks = np.clip(vectors.random_ticks(model, 9), *model.tick_range)
    script = whole_calls.TIMER.format(arguments="x") + CALLS.format(
        rows=vectors.values_of(model, ticks).tolist(), ticks=ticks.tolist()
    )
    output = target.run(whole_calls.module(program.build(model), "thumb", native=True), script, timeout=600.0)
    for call, counted in zip(CALLED, map(int, output.split()), strict=True):
        yield row(net, call, NATIVE, "acc16", counted)


def steps(net: str, target: ScriptTarget) -> Iterator[dict[str, Any]]:
    """Steps at the start of training."""
    dataset = SMALL[net].rows()
    start = create(datasets.inputs_from(dataset), SMALL[net].hidden, hidden="relu", classes=dataset.classes, seed=1)
    chosen = [n * len(dataset.rows) // 9 for n in range(9)]
    rows = [(dataset.rows[n].tolist(), int(dataset.targets[n])) for n in chosen]
    for code in ("nnrun", "viper", "thumb"):
        emitter = emitters.get("viper" if code == "nnrun" else code)
        files = learning_files.files(Learning(start, default_profile(start)), Origin("m", "a benchmark", ""), emitter)
        content = {**nnrun(), **{name: files[name] for name in ("m.nnt", "m_learn.py")}}
        kernel = "fast = None" if code == "nnrun" else "import m_learn as fast"
        script = whole_calls.TIMER.format(arguments="x, y") + LEARN.format(rows=rows, kernel=kernel)
        output = target.run(content, script, timeout=600.0)
        yield row(net, "learn", code, "16 bits", round(statistics.median(map(int, output.split()))))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--firmware", help="MicroPython for the Pico, a .uf2 file; by default as nnhw bench finds it")
    firmware = parser.parse_args().firmware
    target = get_script_target(f"pico:{firmware}" if firmware else "pico")
    rows = [line for net in SHOWN for part in (predictions, steps) for line in part(net, target)]
    write("whole_calls", "Whole calls on an emulated Pico, in cycles", rows)
    return int(any(line["verdict"] == "MISSED" for line in rows))


if __name__ == "__main__":
    sys.exit(main())
