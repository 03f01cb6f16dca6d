"""Fixed-point SGD against float SGD: same initial weights, same order of rows, same epochs, one row per step.

    python benchmarks/learning.py [--seeds N] [--only iris]     writes benchmarks/results/learning.{json,md}

Each seed has its own split (80/20, stratified), weights and order. Differences are paired, in points of held-out
accuracy, with their 95 % confidence interval. Exit code 1 where rounding by residual misses float SGD by more than
0.25 points (0.5 at 8-bit weights) on the mean.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from rig.results import write
from rig.stacked_sgd import FloatLearner

from nnhw.data import datasets
from nnhw_codegen.learning import plan as learning_plan
from nnhw_codegen.learning.engine import Learner, in_order, input_codes, target_codes
from nnhw_codegen.learning.profile import T8, T16, Profile
from nnhw_codegen.network import activations

SEEDS = {"iris": 200, "wine": 200, "breast_cancer": 60, "digits": 60}
SCHEMES = ("residual", "carry", "lcg", "nearest")


@dataclass(frozen=True)
class Task:
    """One line of the table. ``drift``: first train 30 epochs at 2^-5 in floats, then learn ``rows`` shifted rows."""

    data: str
    layers: tuple[int, ...]
    shift: int
    epochs: int
    hidden: str = "relu"
    output: str = "softmax"
    mse: bool = False
    weight_bits: int = 16
    drift: bool = False
    rows: int = 0

    @property
    def profile(self) -> Profile:
        return replace(
            T16 if self.weight_bits == 16 else T8, rate_shift=self.shift, loss="mse" if self.mse else "auto"
        )


TASKS = (
    Task("iris", (8,), 3, 30),
    Task("iris", (8,), 5, 30),
    Task("iris", (8,), 7, 30),
    Task("iris", (8,), 9, 30),
    Task("iris", (16, 16), 5, 30),
    Task("iris", (8,), 5, 30, output="logsig"),
    Task("iris", (8,), 3, 30, output="logsig", mse=True),
    Task("iris", (8,), 5, 30, "leaky_relu"),
    Task("iris", (8,), 7, 30, "logsig"),
    Task("iris", (8,), 5, 30, "softplus"),
    Task("iris", (8,), 5, 30, "tanh"),
    Task("wine", (16,), 5, 15),
    Task("breast_cancer", (16,), 6, 5),
    Task("breast_cancer", (16,), 9, 5),
    Task("digits", (32,), 6, 8),
    Task("iris", (8,), 5, 30, weight_bits=8),
    Task("iris", (8,), 7, 30, weight_bits=8),
    Task("wine", (16,), 5, 15, weight_bits=8),
    Task("breast_cancer", (16,), 6, 5, weight_bits=8),
    Task("digits", (32,), 6, 8, weight_bits=8),
    Task("iris", (8,), 4, 5, drift=True, rows=120),
    Task("iris", (8,), 6, 5, drift=True, rows=120),
    Task("iris", (8,), 4, 5, drift=True, rows=30),
    Task("iris", (8,), 4, 5, weight_bits=8, drift=True, rows=30),
    Task("wine", (16,), 5, 3, drift=True, rows=142),
    Task("digits", (32,), 7, 2, drift=True, rows=300),
)


@dataclass(frozen=True)
class Data:
    """Standardized rows of every seed, (n, inputs, seeds), targets 0 and 1 (n, units, seeds), labels (n, seeds)."""

    train: np.ndarray
    targets: np.ndarray
    test: np.ndarray
    labels: np.ndarray


def load(name: str, seeds: int) -> Data:
    dataset = datasets.load(name)
    parts: list[list[np.ndarray]] = [[], [], [], []]
    for seed in range(seeds):
        train, test = datasets.split(dataset, 0.2, seed)
        inputs = datasets.inputs_from(train)
        mean, scale = np.array([i.mean for i in inputs]), np.array([i.scale for i in inputs])
        targets = np.eye(len(dataset.classes))[train.targets]
        rows = ((train.rows - mean) / scale, targets, (test.rows - mean) / scale, test.targets)
        for part, item in zip(parts, rows, strict=True):
            part.append(item)
    return Data(*(np.stack(part, axis=-1) for part in parts))


def initial(task: Task, sizes: list[int], seeds: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """He or Glorot weights (seeds, units, inputs) and biases (seeds, units): 0, in hidden relu layers 0.1."""
    weights, biases = [], []
    smooth = task.hidden in ("logsig", "tanh")
    for index, (fan_in, units) in enumerate(pairwise(sizes)):
        deviation = np.sqrt(2.0 / (fan_in + units if smooth else fan_in))
        drawn = [np.random.default_rng([seed, 3, index]).standard_normal((units, fan_in)) for seed in range(seeds)]
        weights.append(np.stack(drawn) * deviation)
        alive = 0.1 if task.hidden == "relu" and index + 2 < len(sizes) else 0.0
        biases.append(np.full((seeds, units), alive))
    return weights, biases


def orders(rows: int, epochs: int, seeds: int, salt: int) -> np.ndarray:
    """(epochs, rows, seeds): a new order of the rows in every epoch of every seed."""
    return np.stack(
        [
            np.stack([np.random.default_rng([seed, salt, epoch]).permutation(rows) for seed in range(seeds)], axis=1)
            for epoch in range(epochs)
        ]
    )


def train_float(learner: FloatLearner, rows: np.ndarray, targets: np.ndarray, plan: np.ndarray) -> None:
    for order in plan:
        for x, wanted in zip(in_order(rows, order), in_order(targets, order), strict=True):
            learner.step(x, wanted)


def accuracy(decided: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Percent right, per seed."""
    return 100.0 * (decided == labels).mean(axis=0)


def drifted(data: Data, seeds: int) -> Data:
    """Every feature of every seed with a gain of 0.6 to 1.4 and an offset of -1 to 1."""
    generators = [np.random.default_rng([seed, 4]) for seed in range(seeds)]
    shape = data.train.shape[1]
    gain = np.stack([g.uniform(0.6, 1.4, shape) for g in generators], axis=-1)
    offset = np.stack([g.uniform(-1.0, 1.0, shape) for g in generators], axis=-1)
    return replace(data, train=data.train * gain + offset, test=data.test * gain + offset)


def measure(task: Task, data: Data, seeds: int) -> dict[str, object]:
    """One line of the table."""
    sizes = [data.train.shape[1], *task.layers, data.targets.shape[1]]
    last = activations.get(task.output)
    records = [*(activations.get(task.hidden) for _ in task.layers), last]
    weights, biases = initial(task, sizes, seeds)
    before = "-"
    if task.drift:
        tutor = FloatLearner(records, weights, biases, 2.0**-5)
        train_float(tutor, data.train, data.targets, orders(len(data.train), 30, seeds, 5))
        weights, biases = tutor.parameters()
        plain = accuracy(tutor.decide(data.test), data.labels).mean()
        data = drifted(data, seeds)
        before = f"{plain:.2f} / {accuracy(tutor.decide(data.test), data.labels).mean():.2f}"
        picked = orders(len(data.train), 1, seeds, 6)[0, : task.rows]
        data = replace(data, train=in_order(data.train, picked), targets=in_order(data.targets, picked))
    plan = orders(len(data.train), task.epochs, seeds, 7)
    ideal = FloatLearner(records, weights, biases, 2.0**-task.shift, mse=task.mse)
    train_float(ideal, data.train, data.targets, plan)
    reference = accuracy(ideal.decide(data.test), data.labels)
    drift = f", drift, {task.rows} rows" if task.drift else ""
    row: dict[str, object] = {
        "task": f"{task.data} {'-'.join(map(str, sizes))} {task.hidden}{drift}",
        "output": task.output + (" MSE" if task.mse else ""),
        "weight bits": task.weight_bits,
        "seeds": seeds,
        "epochs": task.epochs,
        "rate": f"2^-{task.shift}",
        "before drift / after": before,
        "float SGD %": round(float(reference.mean()), 2),
    }
    for scheme in SCHEMES:
        profile = replace(task.profile, scheme=scheme)
        learner = Learner(learning_plan.make(sizes, records, profile), weights, biases)
        learner.train(input_codes(learner.plan, data.train), target_codes(learner.plan, data.targets), plan)
        difference = accuracy(learner.decide(input_codes(learner.plan, data.test)), data.labels) - reference
        spread = 1.96 * float(difference.std(ddof=1)) / np.sqrt(seeds)
        row[scheme] = f"{difference.mean():+.2f} ± {spread:.2f}"
    return row


def misses(row: dict[str, object]) -> bool:
    """True where the residual's mean difference is beyond the tolerance."""
    mean = float(str(row["residual"]).split("±")[0])
    return abs(mean) > (0.25 if row["weight bits"] == 16 else 0.5)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=0, help="of every task; by default as many as SEEDS says")
    parser.add_argument("--only", default="", help="only tasks whose data set has this name")
    options = parser.parse_args()
    loaded: dict[str, Data] = {}
    rows = []
    for task in TASKS:
        if options.only not in ("", task.data):
            continue
        seeds = options.seeds or SEEDS[task.data]
        if task.data not in loaded:
            loaded[task.data] = load(task.data, seeds)
        rows.append(measure(task, loaded[task.data], seeds))
        print(rows[-1], flush=True)
    title = "Fixed-point SGD less float SGD, points of held-out accuracy (95 % CI, paired)"
    if options.only == "":
        write("learning", title, rows)
    return int(any(misses(row) for row in rows))


if __name__ == "__main__":
    sys.exit(main())
