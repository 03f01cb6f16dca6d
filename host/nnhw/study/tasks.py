"""What the study trains: the tasks, the arms, and the material of every seed (rows, split, initial weights)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.data import datasets
from nnhw.data.datasets import Dataset, inputs_from, split
from nnhw.training.population import Arm
from nnhw.training.train import create
from nnhw_codegen.network.activations import get
from nnhw_codegen.network.network import Network

Array = NDArray[Any]

HELD_OUT = 0.2
BASE = "relu 0"
"""The arm that all others are compared with: relu with the derivative 0 at 0."""
ARMS: dict[str, tuple[str, float]] = {
    BASE: ("relu", 0.0),
    "relu 1/2": ("relu", 0.5),
    "relu 1": ("relu", 1.0),
    "leaky relu": ("leaky_relu", 1.0),
    "softplus": ("softplus", 1.0),
}
"""Name -> (activation, derivative at 0); a leaky relu's left slope is 1/8."""


@dataclass(frozen=True)
class Task:
    """One data set, shape and training schedule: batch-1 SGD at the rate 2^-``rate_shift``.

    ``measure`` is "accuracy" on held-out rows, or "solved" where all rows must be right. ``biases`` are the initial
    hidden biases to try. ``structural`` marks tasks where, with a bias of 0, rows make hidden z exactly 0 by
    construction: rows of zeros, or layers so narrow that all of their units can be off.
    """

    name: str
    title: str
    data: str
    hidden: tuple[int, ...]
    rate_shift: int
    epochs: int
    seeds: int
    biases: tuple[float, ...] = (0.0, 0.1)
    structural: bool = False

    @property
    def measure(self) -> str:
        """What is counted."""
        return "solved" if self.data.startswith("xor") else "accuracy"

    def arms(self) -> list[Arm]:
        """The arms, at this task's rate."""
        return [Arm(name, get(f), at_zero, 2.0**-self.rate_shift) for name, (f, at_zero) in ARMS.items()]


TASKS = (
    Task("iris", "Iris 4-8-3", "iris", (8,), 5, 30, 200),
    Task("iris-fast", "Iris 4-8-3, rate 1/4", "iris", (8,), 2, 30, 200),
    Task("wine", "Wine 13-16-3", "wine", (16,), 5, 15, 200),
    Task("digits", "Digits 64-32-10", "digits", (32,), 6, 12, 30),
    Task("iris-deep", "Iris, narrow and deep 4-4-4-4-3", "iris", (4, 4, 4), 4, 30, 200, (0.0, 0.1, 0.5), True),
    Task("xor-01-4", "XOR of {0, 1}, 2-4-1", "xor 0", (4,), 3, 500, 400, (0.0, 0.1, 0.5), True),
    Task("xor-01-8", "XOR of {0, 1}, 2-8-1", "xor 0", (8,), 3, 500, 400, structural=True),
    Task("xor-11-4", "XOR of {-1, 1}, 2-4-1", "xor -1", (4,), 3, 500, 400),
    Task("xor-11-8", "XOR of {-1, 1}, 2-8-1", "xor -1", (8,), 3, 500, 400),
)


@dataclass(frozen=True)
class Material:
    """Stacked over seeds: initial weights per layer (seeds, units, inputs + 1), standardized training rows
    (seeds, n, inputs) and targets (seeds, n, units), test rows (seeds, m, inputs) and classes (seeds, m)."""

    weights: list[Array]
    rows: Array
    targets: Array
    test_rows: Array
    test_classes: NDArray[np.int64]
    networks: list[Network]


@cache
def _dataset(name: str) -> Dataset:
    if not name.startswith("xor"):
        return datasets.load(name)
    low = float(name.split()[1])
    rows = np.array([[low, low], [low, 1.0], [1.0, low], [1.0, 1.0]])
    return Dataset(name, ("a", "b"), rows, np.array([0, 1, 1, 0]), ("same", "different"))


def parts(task: Task, seed: int) -> tuple[Dataset, Dataset]:
    """The training and the test part of a seed; XOR's four rows are both. Raises DataError without the data."""
    dataset = _dataset(task.data)
    return (dataset, dataset) if task.measure == "solved" else split(dataset, HELD_OUT, seed)


def material(task: Task, bias: float, seeds: Sequence[int]) -> Material:
    """The material of these seeds, with ``bias`` as every hidden unit's initial bias; inputs are standardized by the
    training rows (XOR's stay as they are)."""
    made = []
    for seed in seeds:
        training, test = parts(task, seed)
        network = create(
            inputs_from(training), task.hidden, hidden="relu", output="logsig", classes=training.classes, seed=seed
        )
        for layer in network.layers[:-1]:
            layer.bias[:] = bias
        scaled = (lambda rows: rows) if task.measure == "solved" else network.standardize
        made.append((network, scaled(training.rows), training.targets, scaled(test.rows), test.targets))
    return stack(made)


def stack(made: Sequence[tuple[Network, Array, Array, Array, Array]]) -> Material:
    """One Material of several seeds' (network, rows, classes, test rows, test classes)."""
    networks, rows, classes, test_rows, test_classes = zip(*made, strict=True)
    weights = [
        np.stack([np.hstack([layer.weights, layer.bias[:, None]]) for layer in layers])
        for layers in zip(*(network.layers for network in networks), strict=True)
    ]
    told = np.stack(classes)
    units = weights[-1].shape[1]
    targets = np.eye(units)[told] if units > 1 else told[:, :, None].astype(np.float64)
    return Material(weights, np.stack(rows), targets, np.stack(test_rows), np.stack(test_classes), list(networks))
