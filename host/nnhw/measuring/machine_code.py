"""What emitted machine code costs on the bare Cortex-M0+ core: cycles, their spread over inputs, bytes."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from nnhw.boards import mpy_cross
from nnhw.exporting import vectors
from nnhw.targets import CoreTarget
from nnhw.targets.core import arm_c
from nnhw.targets.core.bare_core import BareCore, CallResult
from nnhw.targets.core.core import Rp2040CoreTarget
from nnhw.targets.core.module_on_core import ModuleOnCore
from nnhw_codegen import emitters
from nnhw_codegen.integers import program
from nnhw_codegen.integers.program import Program
from nnhw_codegen.integers.qmodel import QModel
from nnhw_codegen.registry import listed
from nnhw_codegen.writer import Origin

CLOCK = 125_000_000
"""Hz of an RP2040 under MicroPython."""

EXACT = Rp2040CoreTarget()
"""The core whose cycles are not estimated."""
CODES = EXACT.codes
LEVELS = ("-O3", "-Os")
"""Optimization levels at which C is measured."""

BYTECODE = tuple(name for name in emitters.names() if name not in CODES)
LEFT_OUT = f"{listed(BYTECODE)} code is bytecode, which the bare core has no interpreter for"

_ORIGIN = Origin("model", "a benchmark", "0")


@dataclasses.dataclass(frozen=True)
class Cost:
    """One form of one code of a model.

    codes_cycles  from input codes to the class index: the call with all machine code that it runs
    ticks_cycles  the same from ticks, the most over ``tried`` inputs; ``spread`` is the most less the least
    layers        codes_cycles by layer: the cycles of the network cut off behind a layer, less those of the one cut off
                  before it; the first holds the call, the last the decision
    code_bytes    machine code with weights and constants; ``table_bytes`` the activation tables
    ram_bytes     buffers of the module beside those of the caller; ``stack_bytes`` the deepest stack
    level         optimization level of C, else ""
    target        where it ran; ``cycles`` how its cycles are known: "exact" or "estimated" (see CoreTarget)
    """

    code: str
    form: str
    level: str
    precision: str
    macs: int
    codes_cycles: int
    ticks_cycles: int
    spread: int
    tried: int
    layers: tuple[int, ...]
    code_bytes: int
    table_bytes: int
    ram_bytes: int
    stack_bytes: int
    target: str
    cycles: str

    @property
    def name(self) -> str:
        """Code, form and level, as "c baked -O3"."""
        return " ".join(part for part in (self.code, self.form, self.level) if part)

    @property
    def per_mac(self) -> float:
        """Cycles from codes to the class index per multiplication, those by zero weights included."""
        return self.codes_cycles / self.macs

    def microseconds(self, clock: int = CLOCK) -> float:
        """Time from ticks to the class index at a clock in Hz."""
        return self.ticks_cycles * 1e6 / clock

    def plain(self, clock: int = CLOCK) -> dict[str, Any]:
        """All of it for JSON."""
        more = {"cycles_per_mac": round(self.per_mac, 2), "microseconds": round(self.microseconds(clock), 2)}
        return {**dataclasses.asdict(self), **more}


class _Machine(ABC):
    """A model's machine code, loaded into a core."""

    read_only_bytes: int
    ram_bytes: int
    stack_bytes: int

    @abstractmethod
    def cycles(self, entry: str, row: Sequence[int]) -> int:
        """Cycles of one call from "ticks" or "codes"."""


class _Module(_Machine):
    """Viper or Thumb code, with the trampoline that the latter is called through."""

    def __init__(self, target: CoreTarget, source: bytes, inputs: int, outputs: int) -> None:
        self._board = ModuleOnCore(source, core=target.core())
        self._row, self._outputs = array("i", bytes(4 * inputs)), array("i", bytes(4 * outputs))
        held = vars(self._board.module).values()
        self.ram_bytes = sum(len(value) * value.itemsize for value in held if isinstance(value, array))
        self.read_only_bytes = self._board.read_only_bytes

    def cycles(self, entry: str, row: Sequence[int]) -> int:
        board = self._board
        self._row[:] = array("i", row)
        board.cycles = 0
        if entry == "codes":
            board.module.logits_from_codes(self._row, self._outputs)
        else:
            board.module.predict_ticks(self._row)
        self.stack_bytes = board.stack
        return board.cycles


_C_ENTRY = """#include "model.h"
int32_t run(const int32_t *in, int32_t *out);
int32_t run(const int32_t *in, int32_t *out) {{ {body} }}
"""
_C_BODIES = {
    "codes": ("model_logits(in, out); return 0;", "(void)out; return model_predict_codes(in);"),
    "ticks": ("model_predict_ticks(in, out); return 0;", "(void)out; return model_predict_ticks(in);"),
}


class _Header(_Machine):
    """C code; each entry is a program of its own, and the sizes are those of the one from ticks."""

    ram_bytes = 0

    def __init__(
        self, target: CoreTarget, header: bytes, inputs: int, outputs: int, classifies: bool, level: str
    ) -> None:
        self._calls: dict[str, Callable[[Sequence[int]], CallResult]] = {}
        for entry, bodies in _C_BODIES.items():
            files = {"model.h": header, "main.c": _C_ENTRY.format(body=bodies[classifies]).encode()}
            built = arm_c.compile_c(files, (level,), arm_c.toolchain_of(target.name))
            core = target.core()
            core.load_program(built)
            given, taken = core.data(bytes(4 * inputs)), core.data(bytes(4 * outputs))
            self._calls[entry] = self._caller(core, given, taken)
            self.read_only_bytes = len(built.text) + len(built.data)

    @staticmethod
    def _caller(core: BareCore, given: int, taken: int) -> Callable[[Sequence[int]], CallResult]:
        def call(row: Sequence[int]) -> CallResult:
            core.write(given, array("i", row).tobytes())
            return core.call("run", given, taken)

        return call

    def cycles(self, entry: str, row: Sequence[int]) -> int:
        result = self._calls[entry](row)
        self.stack_bytes = result.stack
        return result.cycles


def measure(
    model: QModel, code: str, form: str = "auto", level: str = "", inputs: int = 50, target: CoreTarget = EXACT
) -> Cost:
    """The cost of one form, over ``inputs`` extreme and random rows. Raises TargetError where a tool is missing."""
    whole = program.build(model)
    if form == "auto":
        form = emitters.get(code).form_for(whole)
    machine = _load(target, whole, code, form, level)
    ticks = np.concatenate([vectors.extreme_ticks(model), vectors.random_ticks(model, inputs)])[:inputs]
    cycles = {machine.cycles("ticks", row) for row in ticks.tolist()}
    stack = machine.stack_bytes
    row = model.code_range[1].tolist()
    behind = [
        _load(target, _cut(whole, count), code, form, level).cycles("codes", row)
        for count in range(1, len(whole.layers))
    ]
    behind.append(machine.cycles("codes", row))
    tables = sum(len(table.to_bytes()) for table in whole.tables)
    return Cost(
        code=code,
        form=form,
        level=level,
        precision=model.precision.name,
        macs=whole.weight_count,
        codes_cycles=behind[-1],
        ticks_cycles=max(cycles),
        spread=max(cycles) - min(cycles),
        tried=len(ticks),
        layers=tuple(int(n) for n in np.diff(behind, prepend=0)),
        code_bytes=machine.read_only_bytes - tables,
        table_bytes=tables,
        ram_bytes=machine.ram_bytes,
        stack_bytes=stack,
        target=target.name,
        cycles=target.cycles,
    )


def measure_all(
    models: Iterable[QModel],
    codes: Iterable[str] = CODES,
    *,
    every_form: bool = False,
    inputs: int = 50,
    target: CoreTarget = EXACT,
) -> list[Cost]:
    """The cost of every model in every code: in the form that export picks, or in every form."""
    return [
        measure(model, code, form, level, inputs, target)
        for model in models
        for code in codes
        for form in (emitters.get(code).forms if every_form else ("auto",))
        for level in (("",) if emitters.get(code).makes_module else LEVELS)
    ]


def why_unavailable(code: str, target: CoreTarget = EXACT) -> str | None:
    """Why the cycles of a code cannot be counted on a core, or None."""
    if emitters.get(code).makes_module:
        return target.why_unavailable() or mpy_cross.why_unavailable()
    return target.why_unavailable() or arm_c.why_unavailable(arm_c.toolchain_of(target.name))


def _load(target: CoreTarget, whole: Program, code: str, form: str, level: str) -> _Machine:
    inputs, outputs = len(whole.inputs), whole.layers[-1].units
    emitter = emitters.get(code)
    files = emitter.emit(whole, _ORIGIN, form)
    if emitter.makes_module:
        return _Module(target, files["model.py"], inputs, outputs)
    return _Header(target, files["model.h"], inputs, outputs, whole.decision != "values", level)


def _cut(whole: Program, count: int) -> Program:
    """The first ``count`` layers, whose outputs are the result."""
    layers = whole.layers[:count]
    used = {step.table for layer in layers for step in layer.instructions}
    tables = tuple(table for table in whole.tables if table in used)
    units = layers[-1].units
    return dataclasses.replace(
        whole,
        layers=layers,
        tables=tables,
        decision="values",
        classes=(),
        output_frac=(0,) * units,
        offsets=(0.0,) * units,
    )
