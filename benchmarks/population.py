"""Time to train one network on Iris: 200 seeds stacked in arrays, against one by one, against scikit-learn in a loop.

    python benchmarks/population.py          writes benchmarks/results/population.{json,md}

The network is 4-8-3 with relu, trained by SGD over the whole data set; microseconds are per step and network, the
shortest of several rounds in turns, whole fits. One by one means ``train.fit`` for floats and a stack of a single
network for integers. Exit code 1 where stacked floats are less than 20 times faster than either other way.
"""

from __future__ import annotations

import math
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
from rig.results import write
from sklearn.neural_network import MLPClassifier

from nnhw.data import datasets
from nnhw.study.fixed_point import FixedPopulation
from nnhw.study.tasks import stack
from nnhw.training.population import Arm, Population
from nnhw.training.train import Options, create, fit
from nnhw_codegen.network.activations import get

SEEDS, EPOCHS, ROUNDS, ALONE = 200, 5, 5, 3
REQUIRED = 20.0
RATE = 2.0**-5
IRIS = datasets.load("iris")
ARM = Arm("relu", get("relu"), 1.0, RATE)


def fresh(seed: int):
    inputs = datasets.inputs_from(IRIS)
    return create(inputs, (8,), hidden="relu", output="logsig", classes=IRIS.classes, seed=seed)


def material(seeds: int):
    networks = [fresh(seed) for seed in range(seeds)]
    return stack([(n, n.standardize(IRIS.rows), IRIS.targets, IRIS.rows, IRIS.targets) for n in networks])


def orders(seeds: int) -> list[np.random.Generator]:
    return [np.random.default_rng([seed, 1]) for seed in range(seeds)]


def stacked(seeds: int, dtype: type, batch: int) -> Callable[[], None]:
    data = material(seeds)
    return lambda: Population([ARM], data.weights, dtype).fit(data.rows, data.targets, orders(seeds), EPOCHS, batch)


def integers(seeds: int) -> Callable[[], None]:
    data = material(seeds)
    return lambda: FixedPopulation([ARM], data.weights, "fx16").fit(data.rows, data.targets, orders(seeds), EPOCHS)


def one_by_one(batch: int) -> Callable[[], None]:
    def run() -> None:
        for seed in range(ALONE):
            options = Options(
                epochs=EPOCHS, batch=batch, optimizer="sgd", momentum=0.0, rate=RATE, schedule="constant", seed=seed
            )
            fit(fresh(seed), IRIS, options)

    return run


def scikit_learn(batch: int) -> Callable[[], None]:
    rows = (IRIS.rows - IRIS.rows.mean(0)) / IRIS.rows.std(0)

    def run() -> None:
        for seed in range(ALONE):
            model = MLPClassifier(
                (8,), solver="sgd", batch_size=batch, learning_rate_init=RATE, momentum=0.0, max_iter=EPOCHS,
                n_iter_no_change=EPOCHS + 1, tol=0.0, alpha=0.0, random_state=seed,
            )  # fmt: skip
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.fit(rows, IRIS.targets)

    return run


def main() -> int:
    cases: list[tuple[str, int, int, Callable[[], None]]] = []
    for batch in (1, 8):
        cases += [
            ("scikit-learn MLPClassifier", batch, ALONE, scikit_learn(batch)),
            ("nnhw.train one by one", batch, ALONE, one_by_one(batch)),
            ("stacked float64", batch, SEEDS, stacked(SEEDS, np.float64, batch)),
            ("stacked float32", batch, SEEDS, stacked(SEEDS, np.float32, batch)),
        ]
    cases += [("fx16 one by one", 1, 1, integers(1)), ("fx16 stacked", 1, SEEDS, integers(SEEDS))]
    best = [math.inf] * len(cases)
    for _ in range(ROUNDS):
        for number, (_, _, _, run) in enumerate(cases):
            start = time.perf_counter()
            run()
            best[number] = min(best[number], time.perf_counter() - start)
    steps = {batch: EPOCHS * math.ceil(len(IRIS.rows) / batch) for batch in (1, 8)}
    cost = {(name, batch): best[n] / steps[batch] / count * 1e6 for n, (name, batch, count, _) in enumerate(cases)}
    rows, least = [], math.inf
    for (name, batch), each in cost.items():
        theirs = [cost[other, batch] / each for other in ("scikit-learn MLPClassifier", "nnhw.train one by one")]
        rows.append(
            {
                "way": name,
                "batch": batch,
                "us per step and network": round(each, 2),
                "times faster than scikit-learn": round(theirs[0], 1),
                "times faster than nnhw.train": round(theirs[1], 1),
            }
        )
        if name.startswith("stacked"):
            least = min(least, *theirs) if batch == 1 else least
    write("population", f"Iris 4-8-3, {SEEDS} networks trained together, SGD", rows)
    print(f"stacked floats, batch 1: at least {least:.1f} times faster (required: {REQUIRED})")
    return int(least < REQUIRED)


if __name__ == "__main__":
    sys.exit(main())
