"""Time per training step, nnhw against scikit-learn's MLPClassifier, same network, optimizer and batch size.

    python benchmarks/training_speed.py          writes benchmarks/results/training_speed.{json,md}

Both sides are timed over whole fits in one process, in turns; time per step = (long fit - short fit) / extra steps, so
that set-up costs cancel out, each the shortest of several rounds. Exit code 1 where SGD is less than 5 times faster.
"""

from __future__ import annotations

import math
import sys
import time
import warnings

from rig.results import write
from sklearn.neural_network import MLPClassifier

from nnhw.data import datasets
from nnhw.data.datasets import Dataset
from nnhw.training.train import Options, create, fit

REQUIRED = 5.0
ROUNDS = 7
STEPS = 1500
CASES = [("iris", (8,)), ("iris", (16, 16)), ("digits", (32,))]


def ours(dataset: Dataset, layers: tuple[int, ...], batch: int, optimizer: str, epochs: int) -> float:
    network = create(datasets.inputs_from(dataset), layers, hidden="relu", classes=dataset.classes)
    options = Options(epochs=epochs, batch=batch, optimizer=optimizer, rate=0.001, schedule="constant")
    start = time.perf_counter()
    fit(network, dataset, options)
    return time.perf_counter() - start


def theirs(dataset: Dataset, layers: tuple[int, ...], batch: int, optimizer: str, epochs: int) -> float:
    model = MLPClassifier(
        layers,
        solver=optimizer,
        batch_size=batch,
        learning_rate_init=0.001,
        max_iter=epochs,
        n_iter_no_change=epochs + 1,
        tol=0.0,
        random_state=0,
    )
    rows = (dataset.rows - dataset.rows.mean(0)) / (dataset.rows.std(0) + 1e-9)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(rows, dataset.targets)
    return time.perf_counter() - start


def microseconds_per_step(dataset: Dataset, layers: tuple[int, ...], batch: int, optimizer: str) -> list[float]:
    """[ours, theirs]"""
    steps = math.ceil(len(dataset.rows) / batch)
    extra = math.ceil(STEPS / steps)
    short, long = [math.inf, math.inf], [math.inf, math.inf]
    for _ in range(ROUNDS):
        for side, run in enumerate((ours, theirs)):
            short[side] = min(short[side], run(dataset, layers, batch, optimizer, 1))
            long[side] = min(long[side], run(dataset, layers, batch, optimizer, 1 + extra))
    return [(long[side] - short[side]) / (extra * steps) * 1e6 for side in (0, 1)]


def main() -> int:
    rows = []
    for name, layers in CASES:
        dataset = datasets.load(name)
        shape = "-".join(map(str, [len(dataset.features), *layers, len(dataset.classes)]))
        for optimizer in ("sgd", "adam"):
            for batch in (1, 8, 32):
                mine, other = microseconds_per_step(dataset, layers, batch, optimizer)
                rows.append(
                    {
                        "network": f"{name} {shape}",
                        "optimizer": optimizer,
                        "batch": batch,
                        "nnhw us/step": round(mine, 1),
                        "scikit-learn us/step": round(other, 1),
                        "times faster": round(other / mine, 1),
                    }
                )
                print(rows[-1], flush=True)
    write("training_speed", "Time per training step, relu, whole fits", rows)
    slowest = min(row["times faster"] for row in rows if row["optimizer"] == "sgd")
    print(f"SGD: at least {slowest} times faster (required: {REQUIRED})")
    return int(slowest < REQUIRED)


if __name__ == "__main__":
    sys.exit(main())
