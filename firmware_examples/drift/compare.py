"""main.py on this computer, and float SGD from the same start over the same samples in the same order."""

import runpy
import sys
from pathlib import Path

import numpy as np

import nnrun.learn
from nnhw.training.backprop import Backprop, Parameters
from nnhw_codegen.files import nnt

RATE = 2.0**-4
"""As in main.py."""


def main(file: str) -> None:
    """Run main.py in this folder, where its files are; ``file`` is iris.nnt as it was exported."""
    network = nnt.load(Path(file)).to_network()
    steps, learn = [], nnrun.learn.Net.learn

    def record(net, values, target):
        steps.append((tuple(values), target))
        learn(net, values, target)

    nnrun.learn.Net.learn = record
    try:
        others = runpy.run_path(str(Path(__file__).with_name("main.py")))["others"]
    finally:
        nnrun.learn.Net.learn = learn
    rows, classes = (np.array(part) for part in zip(*others, strict=True))
    samples, answers = (np.array(part) for part in zip(*steps, strict=True))
    before = np.mean(network.predict(rows) == classes)
    parameters = Parameters(network.layers)
    backprop = Backprop(network.layers, parameters, 1, "cross_entropy")
    x = np.hstack([network.standardize(samples), np.ones((len(samples), 1))])
    for row, target in zip(x, np.eye(len(network.classes))[answers], strict=True):
        backprop.run(row[:, None], target[:, None])
        parameters.values -= RATE * parameters.gradient
    parameters.store(network.layers)
    after = np.mean(network.predict(rows) == classes)
    print(f"float SGD, the same {len(steps)} steps: {100 * before:.1f} % -> {100 * after:.1f} %")


if __name__ == "__main__":
    main(sys.argv[1])
