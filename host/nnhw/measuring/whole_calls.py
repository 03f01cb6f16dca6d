"""What a whole call of an emitted module costs on the emulated Pico, under real MicroPython: its bytecode included."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterable
from typing import Any

from nnhw.errors import TargetError
from nnhw.exporting import vectors
from nnhw.exporting.compile import compile_native
from nnhw.measuring.machine_code import CLOCK
from nnhw.targets import ScriptTarget
from nnhw.targets.pico import PicoTarget
from nnhw_codegen import emitters
from nnhw_codegen.integers import program
from nnhw_codegen.integers.qmodel import QModel
from nnhw_codegen.writer import Origin

CODES = PicoTarget().codes

TIMER = """\
import gc, micropython
from array import array
from machine import mem32
mem32[0xE000E014] = 0xFFFFFF
mem32[0xE000E018] = 0
mem32[0xE000E010] = 5
@micropython.viper
def now() -> int:
    return ptr32(0xE000E018)[0]
def cycles(call, {arguments}):
    a = now()
    b = now()
    call({arguments})
    c = now()
    return (b - c & 0xFFFFFF) - (a - b & 0xFFFFFF)
"""
"""Defines ``cycles`` on a Pico: what a call takes from the bytecode that makes it, below 2^24 cycles.

SysTick counts those of the processor down.
"""

_SCRIPT = """\
import m
gc.collect()
ticks = array("i", {rows!r}[0][0])
m.predict_ticks(ticks)
for given, values in {rows!r}:
    for i in range(len(given)):
        ticks[i] = given[i]
    print(cycles(m.predict_ticks, ticks), cycles(m.predict, values))
"""
_ORIGIN = Origin("m", "a benchmark", "0")


@dataclasses.dataclass(frozen=True)
class CallCost:
    """One code of a model: medians over ``tried`` calls, as an interrupt falls into some.

    native         whether the module was the native .mpy that the code has beside its source
    ticks_cycles   ``predict_ticks`` on a buffer of ticks that it has seen before, from the bytecode that calls it
                   to the class index
    values_cycles  ``predict`` on a list of floats, which it turns into ticks first
    """

    code: str
    native: bool
    precision: str
    macs: int
    ticks_cycles: int
    values_cycles: int
    tried: int

    def microseconds(self, clock: int = CLOCK) -> tuple[float, float]:
        """Time from ticks and from values at a clock in Hz."""
        return self.ticks_cycles * 1e6 / clock, self.values_cycles * 1e6 / clock

    def plain(self, clock: int = CLOCK) -> dict[str, Any]:
        """All of it for JSON."""
        ticks, values = self.microseconds(clock)
        times = {"ticks_microseconds": round(ticks, 2), "values_microseconds": round(values, 2)}
        return {**dataclasses.asdict(self), **times}


def module(whole: program.Program, code: str, native: bool = False) -> dict[str, bytes]:
    """The module ``m`` of a program, as source or as the native .mpy. Raises TargetError where mpy-cross is missing."""
    emitter = emitters.get(code)
    if native and emitter.native is not None:
        return {"m.mpy": compile_native(emitter.native(whole, _ORIGIN), "m")}
    return {"m.py": emitter.emit(whole, _ORIGIN)["m.py"]}


def measure(model: QModel, code: str, target: ScriptTarget, inputs: int = 9, *, native: bool = False) -> CallCost:
    """What the calls take over ``inputs`` random rows, with ``native`` of the native .mpy.

    Raises TargetError where a tool is missing or memory runs out.
    """
    whole = program.build(model)
    files = module(whole, code, native)
    ticks = vectors.random_ticks(model, inputs)
    rows = list(zip(ticks.tolist(), vectors.values_of(model, ticks).tolist(), strict=True))
    output = target.run(files, TIMER.format(arguments="x") + _SCRIPT.format(rows=rows), timeout=600.0)
    try:
        counts = [tuple(map(int, line.split())) for line in output.splitlines()]
        from_ticks, from_values = (round(statistics.median(column)) for column in zip(*counts, strict=True))
    except ValueError:
        raise TargetError(f"{target.name}: unexpected answer {output[:200]!r}", output) from None
    return CallCost(code, native, model.precision.name, whole.weight_count, from_ticks, from_values, len(counts))


def measure_all(
    models: Iterable[QModel], target: ScriptTarget, codes: Iterable[str] = CODES, inputs: int = 9
) -> list[CallCost]:
    """The cost of every model in every code, in the form that export picks, and of the native .mpy where there is one."""
    ways = [
        (code, native) for code in codes for native in (False, True)[: 1 + (emitters.get(code).native is not None)]
    ]
    return [measure(model, code, target, inputs, native=native) for model in models for code, native in ways]
