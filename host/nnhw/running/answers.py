"""The answers to rows as a table: by a network in floats, or by the integers of a build."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw_codegen.integers import reference
from nnhw_codegen.integers.fixed import IntArray
from nnhw_codegen.integers.qmodel import QModel
from nnhw_codegen.network.network import Network

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Answers:
    """A row of cells for each row that was asked for: ``columns`` names them, in the order of a CSV file.

    For classes the answer, of floats the probability of each class, and the logits; the names of the yeses are joined by
    blanks. For values one column each, then the integers that they were made of.
    """

    columns: tuple[str, ...]
    cells: tuple[tuple[Any, ...], ...]

    def to_csv(self) -> bytes:
        """UTF-8, names in the first row, lines that end as those of text files do."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(self.cells)
        return text.getvalue().encode()


def of_network(network: Network, rows: FloatArray) -> Answers:
    """What the network answers to raw ``rows`` (n, inputs), in floats."""
    z = network.logits(rows)
    if not network.classes:
        return _table(network.outputs, [network.answers(z)])
    answers = _names(network.classes, network.answers(z))
    last = network.layers[-1].activation
    shares = network.probabilities(rows) if last.gives_probabilities else np.zeros((len(rows), 0))
    names = network.classes if last.gives_probabilities else ()
    return _classes(answers, names, shares, network.classes, z)


def of_integers(model: QModel, logits: IntArray) -> Answers:
    """What integer ``logits`` (n, units), as a target gave them, answer; they tell no probability by themselves."""
    if not model.classes:
        columns = (*model.outputs, *(f"integer of {name}" for name in model.outputs))
        return _table(columns, [reference.reals(model, logits), logits])
    answers = _names(model.classes, reference.decide(model, logits))
    return _classes(answers, (), np.zeros((len(logits), 0)), model.classes, logits)


def _classes(
    answers: Sequence[str], shared: Sequence[str], shares: FloatArray, classes: Sequence[str], z: NDArray[Any]
) -> Answers:
    asked = classes if z.shape[1] == len(classes) else classes[-1:]
    columns = ("answer", *(f"probability of {name}" for name in shared), *(f"logit of {name}" for name in asked))
    return _table(columns, [np.array(answers, dtype=object)[:, None], np.round(shares, 6), z])


def _names(classes: Sequence[str], answers: NDArray[Any]) -> list[str]:
    if answers.ndim == 1:
        return [classes[int(index)] for index in answers]
    return [" ".join(name for name, yes in zip(classes, row, strict=True) if yes) for row in answers]


def _table(columns: Sequence[str], parts: Sequence[NDArray[Any]]) -> Answers:
    cells = zip(*(part.tolist() for part in parts), strict=True)
    return Answers(tuple(columns), tuple(tuple(cell for part in row for cell in part) for row in cells))
