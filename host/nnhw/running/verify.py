"""Compares an exported module on a target with the reference, integer by integer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.errors import TargetError
from nnhw.exporting import vectors
from nnhw.exporting.board_package import nnrun
from nnhw.exporting.build_folder import Build
from nnhw.exporting.ties import tied_ticks
from nnhw.running.exported import NNRUN, Entry, Exported, held, runs_in
from nnhw.targets import get
from nnhw_codegen.emitters import C
from nnhw_codegen.integers import reference
from nnhw_codegen.integers.fixed import IntArray
from nnhw_codegen.integers.qmodel import QModel
from nnhw_codegen.registry import listed

ROWS = 10_000
ROWS_SLOW = 300
_MOST_TIES = 32


@dataclass(frozen=True)
class Difference:
    """The first row on which a target and the reference disagree: (logits, answer or None) of both."""

    entry: Entry
    row: int
    inputs: list[float]
    expected: tuple[list[int], int | None]
    found: tuple[list[int], int | None]

    def __str__(self) -> str:
        def shown(result: tuple[list[int], int | None]) -> str:
            logits, answer = result
            return " ".join(map(str, logits)) + ("" if answer is None else f"   answer {answer}")

        lines = [
            f"first difference: row {self.row}, from {self.entry}",
            f"{self.entry:<9} {' '.join(f'{v:g}' if isinstance(v, float) else str(v) for v in self.inputs)}",
            f"expected  {shown(self.expected)}",
            f"found     {shown(self.found)}",
        ]
        return "\n  ".join(lines)


@dataclass(frozen=True)
class Outcome:
    """The comparison of one module on one target.

    ``rows`` ran from each of ``entries``, ``distinct`` of them as codes of the inputs; ``identical`` of all agree.
    """

    target: str
    random: int
    rows: int
    entries: tuple[Entry, ...]
    distinct: tuple[int, ...]
    identical: int
    difference: Difference | None

    @property
    def passed(self) -> bool:
        """True where every integer of every row is the reference's."""
        return self.difference is None

    def __str__(self) -> str:
        ways = listed(self.entries)
        if self.difference is None:
            distinct = listed([f"{count:,}" for count in self.distinct])
            return (
                f"{self.rows:,}/{self.rows:,} rows: logits identical (from {ways}), {distinct} distinct rows of codes"
            )
        total = self.rows * len(self.entries)
        return f"{self.identical:,}/{total:,} rows identical (from {ways})\n  {self.difference}"


def default_rows(target: str) -> int:
    """How many random rows a target takes in a few seconds."""
    return ROWS if get(target).is_fast else ROWS_SLOW


def exported(build: Build, runtime: str = "module") -> Exported:
    """What runs a build's model: its generated code, or for ``runtime`` "nnrun" its .nnb file under the board package.

    Raises BuildError where a file is missing.
    """
    code, names, files = build.manifest.code, [*build.manifest.modules, *build.manifest.native], {}
    if runtime == NNRUN:
        code, names, files = runtime, [f"{build.name}.nnb"], nnrun()
    elif runs_in(code) == C:
        names = [f"{build.name}.h"]
    return Exported(
        build.name, {**files, **build.contents(names)}, build.model.sizes, bool(build.model.classes), code
    )


def verify(
    build: Build,
    on: str = "wasm",
    count: int | None = None,
    *,
    runtime: str = "module",
    seed: int = 0,
    entries: Sequence[Entry] = (),
) -> Outcome:
    """Run a build on the target called ``on`` and compare every integer with the reference (SPEC 1).

    ``count`` seeded random rows and the extremes enter from each of ``entries``, "values", "ticks" and "codes", by default
    from all that the code has there. ``runtime`` "nnrun" runs the .nnb file under the board package, not the generated
    code. Raises TargetError where the target is unavailable, does not run the code or the module fails on it, and
    where the .nnb file, which holds the reference, is not what export wrote; BuildError where a file is missing.
    """
    reference_file = f"{build.name}.nnb"
    if not build.is_as_written(reference_file):
        raise TargetError(f"{on}: {reference_file} is not the file that export wrote; run 'nnhw export' again")
    return verify_module(build.model, exported(build, runtime), on, count, seed=seed, entries=entries)


def verify_module(
    model: QModel,
    module: Exported,
    target: str,
    count: int | None = None,
    *,
    seed: int = 0,
    entries: Sequence[Entry] = (),
) -> Outcome:
    """``verify`` of a module that need not be in a build: ``count`` random rows and the extremes from each of ``entries``.

    Where draws of the decision are found, up to 32 of the random rows, at most half of them, give way to those. Stops at
    the first entry with a difference. Raises TargetError where the target is unavailable or the module fails on it.
    """
    count = default_rows(target) if count is None else count
    entries = tuple(entries) or module.entries(target)
    tied = tied_ticks(model, min(_MOST_TIES, count // 2), seed)
    identical, distinct = 0, []
    for entry in entries:
        rows, code_rows = _rows(model, entry, count, seed, target, tied)
        distinct.append(len(np.unique(code_rows, axis=0)))
        logits = reference.logits(model, code_rows)
        answers = reference.board_answers(model, logits) if model.classes else np.zeros(len(rows), np.int64)
        found = module.run(target, entry, rows)
        same = (found.logits == logits).all(axis=1) & ((found.answers == answers) | (found.answers < 0))
        identical += int(same.sum())
        if not same.all():
            n = int(np.argmin(same))
            expected = logits[n].tolist(), int(answers[n]) if model.classes else None
            was = found.logits[n].tolist(), int(found.answers[n]) if found.answers[n] >= 0 and model.classes else None
            difference = Difference(entry, n, rows[n].tolist(), expected, was)
            return Outcome(target, count, len(rows), (entry,), tuple(distinct[-1:]), identical, difference)
    return Outcome(target, count, len(rows), entries, tuple(distinct), identical, None)


def _rows(
    model: QModel, entry: Entry, count: int, seed: int, target: str, tied: IntArray
) -> tuple[NDArray[Any], IntArray]:
    """The rows to run, extremes first, then those whose ticks are ``tied``, and their input codes."""
    rest = count - len(tied)
    if entry == "codes":
        parts = vectors.extreme_codes(model), reference.codes(model, tied), vectors.random_codes(model, rest, seed)
        rows = np.concatenate(parts)
        return rows, rows
    if entry == "ticks":
        ticks = np.concatenate([vectors.extreme_ticks(model), tied, vectors.random_ticks(model, rest, seed)])
        return ticks, reference.codes(model, ticks)
    drawn = vectors.values_of(model, tied)
    values = np.concatenate([vectors.extreme_values(model), drawn, vectors.random_values(model, rest, seed)])
    values = held(target, values)
    return values, reference.codes(model, reference.ticks(model, values))


def allocates(model: QModel, module: Exported, target: str = "wasm") -> int:
    """Heap bytes of one forward pass from the highest ticks. Raises TargetError where it fails on a locked heap."""
    return module.allocates(target, model.tick_range[1].tolist())
