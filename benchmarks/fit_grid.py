"""Does it hold what `nnhw fit` tells? Digits 64-32-10 in each precision, code and form on each board.

    python benchmarks/fit_grid.py     writes benchmarks/results/fit_grid.{json,md}

The heap to import is found once more on wasm, by another search: downward from a quarter more in steps of one in a
hundred. Then every verdict is tried: in a heap of the board's size the module is imported, and computes rows that must
equal the reference, or must end in MemoryError. wasm loads no machine code: in its place stand bytes of the same length
(.mpy) or the same text as bytecode (.py), which are only imported. The micro:bit is tried on its own emulator, under a
MicroPython that takes less heap than wasm; near its limit it depends on the program whether an import gets through.

Exit code 1 where a heap is off by more than a tenth or a verdict does not hold.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from rig.results import write

from nnhw.boards.catalog import BOARDS, Board
from nnhw.data import datasets
from nnhw.errors import TargetError
from nnhw.measuring import board_fit
from nnhw.measuring.heap import IMPORT, free_in, heap_with, loadable, runs
from nnhw.targets import get_script_target
from nnhw.training.train import Options, train
from nnhw_codegen import emitters
from nnhw_codegen.integers import precision, program, reference
from nnhw_codegen.integers.qmodel import QModel
from nnhw_codegen.quantization.quantize import quantize
from nnhw_codegen.writer import Origin

ROWS = 8

COMPUTE = """\
import {name}
t, y = [0] * {inputs}, [0] * {outputs}
ticks = open("ticks.txt")
for _ in range({rows}):
    for i in range({inputs}):
        t[i] = int(ticks.readline())
    {name}.logits_from_ticks(t, y)
    print(*y)"""

# Uncollected, as the collector of wasm may free what is in use and end in another error.
SHORT = "import gc\ngc.disable()\n" + IMPORT


def heap_found(files: Mapping[str, bytes], told: int) -> int:
    """The least free heap in which the module still loads, from above."""
    heap = heap_with(told * 5 // 4)
    while runs(files, IMPORT.format(name=board_fit.NAME), heap):
        heap -= told // 100
    return free_in(heap + told // 100)


class Checker:
    """Tries the verdicts about one form of one code of a model."""

    def __init__(self, model: QModel, code: str, form: str) -> None:
        self._source = emitters.get(code).emit(program.build(model), Origin(board_fit.NAME, "a model", "0" * 16))
        self.files, self.itself = loadable(board_fit.NAME, self._source[f"{board_fit.NAME}.py"], as_mpy=form == "mpy")
        low, high = model.tick_range
        ticks = np.random.default_rng(0).integers(low - 3, high + 4, (ROWS, len(low)))
        self._given = {"ticks.txt": "".join(f"{tick}\n" for tick in ticks.ravel()).encode()}
        self._expected = reference.logits(model, reference.codes(model, ticks)).ravel().tolist()
        self._compute = COMPUTE.format(name=board_fit.NAME, inputs=len(low), outputs=model.sizes[-1], rows=ROWS)
        self._trial = board_fit.TRIAL.format(held=0, inputs=len(low), outputs=model.sizes[-1])

    def outcome(self, told: board_fit.Fit, board: Board) -> str:
        """The verdict and what it was found to be; it begins with "WRONG" where the verdict does not hold."""
        emulated = board.name in board_fit.EMULATED
        target = board_fit.EMULATED[board.name] if emulated else get_script_target("wasm")
        files, heap = (self._source, None) if emulated else (self.files, heap_with(board.heap))
        alone = not (emulated or self.itself)
        script = (IMPORT if alone else self._compute).format(name=board_fit.NAME)
        if told.verdict != "no":
            files = {**files, **self._given}
        elif emulated:
            script = self._trial
        else:
            script = SHORT.format(name=board_fit.NAME)
        try:
            output = target.run(files, script, heap)
        except TargetError as error:
            reason = next((words for words in ("MemoryError", "flash is full") if words in str(error)), "")
            return f"no: {reason}" if reason and told.verdict == "no" else f"WRONG {told.verdict}: {error}"
        if told.verdict == "no":
            return "WRONG no: it runs"
        if not alone and [int(v) for v in output.split()] != self._expected:
            return f"WRONG {told.verdict}: other integers"
        return f"{told.verdict}: {'imported' if alone else 'computed'}"


def rows_of(models: Sequence[QModel]) -> Iterator[dict[str, Any]]:
    """A row per precision, code and form."""
    by_name = {model.precision.name: model for model in models}
    forms: dict[tuple[str, str, str], dict[str, board_fit.BoardFit]] = {}
    for told in board_fit.fit(models, BOARDS):
        forms.setdefault((told.precision, told.code, told.kind), {})[told.board] = told
    for (name, code, form), tellings in forms.items():
        checker = Checker(by_name[name], code, form)
        told = next(iter(tellings.values())).to_import
        found = heap_found(checker.files, told)
        yield {
            "precision": name,
            "code": f"{code} .{form}",
            "loaded": "itself" if checker.itself else "stand-in",
            "heap told": told,
            "heap found": found,
            "off %": round(100 * (told / found - 1), 1),
            **{b.name: checker.outcome(tellings[b.name], b) if b.name in tellings else "-" for b in BOARDS},
        }


def main() -> int:
    network, _ = train(datasets.load("digits"), (32,), options=Options(seed=0, epochs=15, batch=16, rate=0.005))
    models = [quantize(network, precision.get(name), network.calibration) for name in precision.names()]
    rows = list(rows_of(models))
    write("fit_grid", "What `nnhw fit` tells of digits 64-32-10, and what was found", rows)
    holds = [
        abs(row["off %"]) <= 10 and not any(str(cell).startswith("WRONG") for cell in row.values()) for row in rows
    ]
    return 0 if all(holds) else 1


if __name__ == "__main__":
    sys.exit(main())
