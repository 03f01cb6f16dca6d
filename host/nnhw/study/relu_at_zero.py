"""The study of ReLU's derivative at 0: plan its cells, run those that are not yet stored, summarize them all.

Cells are independent, and each is stored as one JSON file as soon as it is done: an interrupted study goes on where it
stopped, and its result does not depend on who ran which cell.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nnhw.model_files.strict_json import Fault, Node, read_json
from nnhw.study.cell import Cell
from nnhw.study.jobs import StudyError, outcomes
from nnhw.study.statistics import holm, paired, verdict
from nnhw.study.tasks import BASE, TASKS, Task
from nnhw_codegen.whole_file import write_whole

ARITHMETICS = ("float64", "float32", "float16", "fx16", "fx12", "fx8")
QUICK_SEEDS = 100
_QUICK = {"iris": (0.0,), "iris-deep": (0.0,), "xor-01-4": (0.0, 0.1)}
_QUICK_ARITHMETICS = ("float32", "fx8")


def plan(quick: bool = False, seeds: int | None = None) -> list[Cell]:
    """The cells of the full study, or of the quick one; ``seeds`` replaces every task's own number of seeds."""
    cells = []
    for task in TASKS:
        if quick and task.name not in _QUICK:
            continue
        for bias in _QUICK[task.name] if quick else task.biases:
            for arithmetic in _QUICK_ARITHMETICS if quick else ARITHMETICS:
                count = seeds or (QUICK_SEEDS if quick else task.seeds)
                cells.append(Cell(task, arithmetic, bias, count))
    return cells


def run(
    cells: Sequence[Cell],
    folder: Path,
    jobs: int = 1,
    scheduler: str | None = None,
    done: Callable[[Cell], None] | None = None,
) -> list[dict[str, Any]]:
    """The outcome of every cell, in the order of ``cells``; those found in ``folder``/cells are not run again.

    ``jobs`` processes, or all workers of the Dask ``scheduler`` (its address), share the work. ``done`` is called with
    every cell as it is stored or found. Raises StudyError where joblib or Dask is missing or a stored cell is broken.
    """
    store = folder / "cells"
    store.mkdir(parents=True, exist_ok=True)
    missing = []
    for cell in cells:
        if (store / f"{cell.name}.json").exists():
            _read(store, cell)
            if done:
                done(cell)
        else:
            missing.append(cell)
    # The longest first: what is left for the end is then short, and no worker waits long for the last one.
    missing.sort(key=lambda cell: -cell.cost)
    for cell, outcome in outcomes(_job, missing, jobs, scheduler):
        write_whole(store / f"{cell.name}.json", (json.dumps(outcome) + "\n").encode())
        if done:
            done(cell)
    return [_read(store, cell) for cell in cells]


def _job(cell: Cell) -> tuple[Cell, dict[str, Any]]:
    return cell, cell.run()


def _read(store: Path, cell: Cell) -> dict[str, Any]:
    path = store / f"{cell.name}.json"
    try:
        root = Node(read_json(path.read_bytes()))
        cell.check(root)
    except Fault as fault:
        raise StudyError(f"{path}: {fault}; delete it and run the study again") from None
    outcome: dict[str, Any] = root.value
    return outcome


@dataclass(frozen=True)
class Row:
    """One arm in one cell. Shares are in percent, differences (to the arm "relu 0" of the same cell) in points.

    ``kind`` is "ordinary" for tasks without exact zeros by construction, else "structural" (hidden bias 0) or "biased".
    ``p`` is exact, ``p_holm`` corrected for all comparisons of the study; None for "relu 0" itself.
    """

    task: str
    title: str
    measure: str
    kind: str
    arithmetic: str
    bias: float
    arm: str
    seeds: int
    mean: float
    difference: float
    low: float
    high: float
    p: float | None
    p_holm: float | None
    zeros: float
    dead: float
    failed: float

    @property
    def verdict(self) -> str:
        """ "better" or "worse" than "relu 0" where that is significant, else ""."""
        return verdict(self.difference, self.p_holm)


def summarize(cells: Sequence[Cell], results: Sequence[dict[str, Any]]) -> list[Row]:
    """The rows of the study, arm by arm; Holm's correction is over all of them."""
    rows: list[dict[str, Any]] = []
    for cell, outcome in zip(cells, results, strict=True):
        rows += _cell_rows(cell.task, cell, outcome)
    tested = [row for row in rows if row["p"] is not None]
    for row, corrected in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["p_holm"] = corrected
    return [Row(**row) for row in rows]


def _cell_rows(task: Task, cell: Cell, outcome: dict[str, Any]) -> Iterator[dict[str, Any]]:
    points = 100.0 / outcome["out_of"]
    base = np.array(outcome["arms"][BASE]["score"])
    for name, arm in outcome["arms"].items():
        score = np.array(arm["score"])
        compared = paired(score, base)
        yield {
            "task": task.name,
            "title": task.title,
            "measure": task.measure,
            "kind": "ordinary" if not task.structural else "biased" if cell.bias else "structural",
            "arithmetic": cell.arithmetic,
            "bias": cell.bias,
            "arm": name,
            "seeds": cell.seeds,
            "mean": points * float(score.mean()),
            "difference": points * compared.difference,
            "low": points * compared.low,
            "high": points * compared.high,
            "p": None if name == BASE else compared.p,
            "p_holm": None,
            "zeros": 100.0 * float(np.mean(arm["zeros"])) / outcome["hidden_z"],
            "dead": 100.0 * float(np.mean(arm["dead"])) / outcome["hidden_units"],
            "failed": 100.0 * float(np.mean(arm["failed"])),
        }


def to_json(rows: Sequence[Row]) -> str:
    """All rows as JSON text."""
    values = [{**asdict(row), "verdict": row.verdict} for row in rows]
    return json.dumps({"study": "relu-at-zero", "base": BASE, "rows": values}, indent=1) + "\n"


def to_csv(rows: Sequence[Row]) -> str:
    """All rows as CSV text with a header line; no value holds a quote."""
    lines = [",".join([*asdict(rows[0]), "verdict"])]
    for row in rows:
        values = [*asdict(row).values(), row.verdict]
        lines.append(",".join(f'"{v}"' if isinstance(v, str) else "" if v is None else f"{v}" for v in values))
    return "\n".join(lines) + "\n"
