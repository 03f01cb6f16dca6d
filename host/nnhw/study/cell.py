"""One cell of the study, a task in one arithmetic with one bias: trains its networks, tells what came out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nnhw.model_files.strict_json import Node
from nnhw.study.fixed_point import PROFILES, FixedPopulation
from nnhw.study.tasks import Material, Task, material, parts
from nnhw.training.population import Arm, Population

IntArray = NDArray[np.int64]

FORMAT = 2
"""Part of every cell's key; count it up whenever the same cell would come out differently."""

_FLOATS = {"float64": np.float64, "float32": np.float32, "float16": np.float16}
_BLOCK = 1 << 17  # weights trained together: their arrays then stay in the processor's second-level cache
_FLOAT16_COST = 3.0  # against float32: every result is rounded
_STEP_COST = 10_000  # of calling NumPy for one step, in weights


class Trainer(Protocol):
    """What the cell needs from an engine: networks (arms, seeds) that can train and be asked."""

    def fit(self, rows: Any, targets: Any, orders: Sequence[np.random.Generator], epochs: int) -> None:
        """Train."""

    def test(self, rows: Any) -> tuple[IntArray, IntArray]:
        """Answers (n, arms, seeds) and dead units (arms, seeds)."""

    def finite(self) -> NDArray[np.bool_]:
        """Whether all weights are finite, (arms, seeds)."""

    @property
    def zeros(self) -> IntArray:
        """Hidden z that were exactly 0 in training, (arms, seeds)."""


_COUNTS = ("score", "zeros", "dead", "failed")
"""What is counted of each arm and seed."""

_MOST = 1 << 53


@dataclass(frozen=True)
class Cell:
    """A task in one arithmetic, with one initial hidden bias, over seeds 0 to ``seeds`` - 1."""

    task: Task
    arithmetic: str
    bias: float
    seeds: int

    @property
    def parameters(self) -> dict[str, Any]:
        """All that the outcome depends on, as JSON knows it."""
        values: dict[str, Any] = json.loads(json.dumps({"format": FORMAT, **asdict(self)}))
        return values

    @property
    def name(self) -> str:
        """A file name, with a hash of all parameters."""
        digest = hashlib.sha256(json.dumps(self.parameters, sort_keys=True).encode()).hexdigest()[:10]
        return f"{self.task.name}_{self.arithmetic}_bias{self.bias:g}_{digest}"

    @property
    def cost(self) -> float:
        """About how long it takes, in arbitrary units."""
        inputs, outputs, rows = {"iris": (4, 3, 120), "wine": (13, 3, 142), "digits": (64, 10, 1437)}.get(
            self.task.data, (2, 1, 4)
        )
        sizes = [inputs, *self.task.hidden, outputs]
        weights = sum((a + 1) * b for a, b in pairwise(sizes))
        factor = {"float64": 1.2, "float32": 1.0, "float16": _FLOAT16_COST}.get(self.arithmetic, 2.0)
        return factor * self.task.epochs * rows * (weights * self.seeds + _STEP_COST)

    def run(self) -> dict[str, Any]:
        """Train and test; the same bits every time. Raises DataError where the data set is missing."""
        task, arms = self.task, self.task.arms()
        training, test = parts(task, 0)
        outcome: dict[str, list[IntArray]] = {key: [] for key in _COUNTS}
        weights, width = 0, len(training.features)
        for units in (*task.hidden, len(training.classes)):
            weights, width = weights + (width + 1) * units, units
        block = max(1, _BLOCK // (weights * len(arms)))
        for start in range(0, self.seeds, block):
            seeds = range(start, min(start + block, self.seeds))
            data = material(task, self.bias, seeds)
            for key, value in _outcome(self._engine(arms, data), task, data, seeds).items():
                outcome[key].append(value)
        joined = {key: np.concatenate(values, axis=1).tolist() for key, values in outcome.items()}
        return {
            "parameters": self.parameters,
            "out_of": 1 if task.measure == "solved" else len(test.rows),
            "hidden_units": sum(task.hidden),
            "hidden_z": sum(task.hidden) * task.epochs * len(training.rows),
            "arms": {arm.name: {key: joined[key][n] for key in joined} for n, arm in enumerate(arms)},
        }

    def check(self, outcome: Node) -> None:
        """Raise Fault, with its path, where ``outcome`` is not one that ``run`` of this cell can give."""
        keys = ("parameters", "out_of", "hidden_units", "hidden_z", "arms")
        outcome.expect_keys(keys, required=keys)
        if outcome["parameters"].value != self.parameters:
            raise outcome["parameters"].fault("it belongs to another cell")
        for key in keys[1:4]:
            outcome[key].integer(1, _MOST)
        arms = [arm.name for arm in self.task.arms()]
        outcome["arms"].expect_keys(arms, required=arms)
        for name in arms:
            arm = outcome["arms"][name]
            arm.expect_keys(_COUNTS, required=_COUNTS)
            for key in _COUNTS:
                values = arm[key].items()
                if len(values) != self.seeds:
                    raise arm[key].fault(f"expected {self.seeds} numbers, found {len(values)}")
                for value in values:
                    value.integer(0, _MOST)

    def _engine(self, arms: list[Arm], data: Material) -> Trainer:
        if self.arithmetic in PROFILES:
            return FixedPopulation(arms, data.weights, self.arithmetic)
        return Population(arms, data.weights, _FLOATS[self.arithmetic])


def _outcome(networks: Trainer, task: Task, data: Material, seeds: Sequence[int]) -> dict[str, IntArray]:
    """What came out, each (arms, seeds): ``failed`` networks have infinite weights or never tell one of "
    "the classes."""
    networks.fit(data.rows, data.targets, [np.random.default_rng([seed, 1]) for seed in seeds], task.epochs)
    answers, _ = networks.test(data.test_rows)
    right = (answers == data.test_classes.T[:, None, :]).sum(axis=0)
    told, dead = networks.test(data.rows)
    classes = max(2, data.targets.shape[2])
    all_told = np.logical_and.reduce([(told == index).any(axis=0) for index in range(classes)])
    return {
        "score": (right == len(answers)).astype(np.int64) if task.measure == "solved" else right,
        "zeros": networks.zeros,
        "dead": dead,
        "failed": (~(networks.finite() & all_told)).astype(np.int64),
    }
