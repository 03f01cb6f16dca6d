"""Held-out accuracy on Iris, averaged over 20 seeds: 30 % of the rows held back, stratified, default options.

    python benchmarks/iris_accuracy.py          writes benchmarks/results/iris_accuracy.{json,md}

Exit code 1 where the mean of any line is below 93 %.
"""

from __future__ import annotations

import sys

import numpy as np
from rig.results import write

from nnhw.data import datasets
from nnhw.training.train import Options, train

SEEDS = range(20)
HELD_OUT = 0.3
REQUIRED = 93.0
HIDDEN = ("relu", "leaky_relu", "logsig", "softplus", "tanh")


def accuracies(hidden: str, output: str) -> list[float]:
    """Percent of held-out rows told rightly, one number per seed."""
    iris = datasets.load("iris")
    result = []
    for seed in SEEDS:
        training, held_out = datasets.split(iris, HELD_OUT, seed)
        network, _ = train(training, (8,), hidden=hidden, output=output, options=Options(seed=seed))
        right = network.predict(held_out.rows) == held_out.targets
        result.append(100.0 * float(np.mean(right)))
    return result


def main() -> int:
    rows = []
    for hidden in HIDDEN:
        for output in ("softmax", "logsig"):
            found = accuracies(hidden, output)
            rows.append(
                {
                    "hidden layer (8 units)": hidden,
                    "output": output,
                    "mean %": round(float(np.mean(found)), 2),
                    "standard deviation": round(float(np.std(found)), 2),
                    "worst %": round(min(found), 2),
                    "best %": round(max(found), 2),
                }
            )
    title = f"Iris, held-out accuracy over {len(SEEDS)} seeds, default options"
    write("iris_accuracy", title, rows)
    lowest = min(row["mean %"] for row in rows)
    print(f"lowest mean: {lowest} % (required: {REQUIRED} %)")
    return int(lowest < REQUIRED)


if __name__ == "__main__":
    sys.exit(main())
