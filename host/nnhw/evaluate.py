"""How good a network is, in floats and in each precision, on rows whose answers are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.datasets import Dataset
from nnhw.network import Network
from nnhw_codegen import nnb, precision, reference
from nnhw_codegen.quantize import quantize

FLOAT = "float"


@dataclass(frozen=True, eq=False)
class Score:
    """One precision on one data set.

    For classes: ``accuracy`` and ``agreement`` (with the float network) are shares, ``confusion`` (classes, classes)
    counts rows by true class, then by answer. For values: ``error`` is the root of the mean squared error and
    ``deviation`` the largest distance from the float network. ``size`` is bytes of the .nnb file, None for floats.
    """

    precision: str
    size: int | None
    accuracy: float | None = None
    agreement: float | None = None
    confusion: NDArray[np.int64] | None = None
    error: float | None = None
    deviation: float | None = None


def scores(network: Network, dataset: Dataset) -> list[Score]:
    """Floats first, then every precision. Raises ValueError where the network cannot be quantized."""
    wanted = network.predict(dataset.rows)
    result = [_score(FLOAT, None, dataset, wanted, wanted, network.classes)]
    for name in precision.names():
        model = quantize(network, precision.get(name), network.calibration)
        found = reference.predict(model, dataset.rows)
        result.append(_score(name, len(nnb.to_bytes(model)), dataset, wanted, found, network.classes))
    return result


def _score(
    name: str,
    size: int | None,
    dataset: Dataset,
    wanted: NDArray[Any],
    found: NDArray[Any],
    classes: tuple[str, ...],
) -> Score:
    if not classes:
        error = float(np.sqrt(np.mean((found - dataset.targets) ** 2)))
        return Score(name, size, error=error, deviation=float(np.abs(found - wanted).max()))
    return Score(
        name,
        size,
        accuracy=float((found == dataset.targets).mean()),
        agreement=float((found == wanted).mean()),
        confusion=confusion(dataset.targets, found, len(classes)),
    )


def confusion(targets: NDArray[Any], answers: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Rows by true class, then by answer: (count, count)."""
    return np.bincount(targets * count + answers, minlength=count * count).reshape(count, count)


def confusion_text(matrix: NDArray[np.int64], classes: tuple[str, ...]) -> str:
    """The matrix with a line per true class and a column per answer; columns carry numbers, lines names too."""
    width = max(len(str(int(matrix.max()))), len(str(len(classes) - 1))) + 2
    label = max(map(len, classes))
    lines = [" " * (label + 4) + "".join(f"{n:>{width}}" for n in range(len(classes))) + "   <- answer"]
    for n, (name, row) in enumerate(zip(classes, matrix.tolist(), strict=True)):
        lines.append(f"{n:>3} {name:<{label}}" + "".join(f"{v or '.':>{width}}" for v in row))
    return "\n".join(lines)
