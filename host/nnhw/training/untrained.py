"""Networks with fresh weights, for a board to train from scratch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.data.datasets import Dataset, inputs_from
from nnhw.training.train import create
from nnhw_codegen.network.network import Input, Network

_CALIBRATION_ROWS = 256


def for_dataset(
    dataset: Dataset, hidden_layers: Sequence[int], *, hidden: str, output: str | None, seed: int
) -> Network:
    """A network for the inputs, classes or outputs of ``dataset``, whose rows calibrate the integers.

    Raises InputError for names or sizes that make no network.
    """
    network = create(
        inputs_from(dataset), hidden_layers, hidden=hidden, output=output, classes=dataset.classes,
        outputs=dataset.outputs, seed=seed,
    )  # fmt: skip
    _scale_outputs(network, dataset.targets)
    network.training = {"seed": seed, "epochs": 0}
    network.calibration = dataset.rows[:: max(1, len(dataset.rows) // _CALIBRATION_ROWS)]
    network.columns = dataset.columns
    return network


def in_range(
    layers: Sequence[int], low: float, high: float, step: float, *, values: bool, hidden: str, output: str | None,
    seed: int,
) -> Network:  # fmt: skip
    """A network of ``layers`` (inputs, hidden units, outputs) whose inputs are raw values from ``low`` to ``high``.

    Its outputs are ``values``, else classes called by their numbers. Raises InputError for sizes that make no network.
    """
    names = [f"x{number + 1}" for number in range(layers[0])]
    inputs = [Input(name, (low + high) / 2, (high - low) / 4, step, low, high) for name in names]
    outputs = [f"y{number + 1}" for number in range(layers[-1])] if values else []
    classes = [] if values else [str(number) for number in range(max(2, layers[-1]))]
    output = output or ("logsig" if layers[-1] == 1 and not values else None)
    network = create(inputs, layers[1:-1], hidden=hidden, output=output, classes=classes, outputs=outputs, seed=seed)
    _scale_outputs(network, None)
    network.training = {"seed": seed, "epochs": 0}
    return network


def _scale_outputs(network: Network, targets: NDArray[Any] | None) -> None:
    """Start the weights of linear values in the size of the targets: from it their format on the board follows."""
    last = network.layers[-1]
    if not network.outputs or not last.activation.is_identity:
        return
    last.weights = last.weights / np.abs(last.weights).max()
    if targets is not None:
        values = np.reshape(targets, (len(targets), -1))
        last.weights = last.weights * float(values.std(axis=0).max() or 1.0)
        last.bias = values.mean(axis=0)
