"""The losses in the training record of model.json."""

from __future__ import annotations

import pytest

from nnhw.data import datasets
from nnhw.training import history, train
from nnhw.training.history import Epoch, History
from nnhw.training.options import Options


def test_the_losses_are_kept_evenly_spread_and_rounded() -> None:
    epochs = tuple(Epoch(n, 2500, 1 / n + 1e-9, 2 / n) for n in range(1, 2501))
    kept = history.losses({"history": history.record(History(epochs, 7))})
    assert kept is not None
    assert (kept.every, len(kept.loss), len(kept.validation)) == (3, 834, 834)
    assert kept.loss[2] == 0.14286
    assert kept.validation[1] == 0.5


@pytest.mark.parametrize("validation", [0.0, 0.25])
def test_training_records_the_loss_of_every_epoch(validation: float) -> None:
    options = Options(epochs=4, validation=validation)
    network, found = train.train(datasets.load("iris"), (3,), options=options)
    kept = history.losses(network.training)
    assert kept is not None
    assert kept.loss == pytest.approx([epoch.loss for epoch in found.epochs], rel=1e-4)
    watched = [epoch.validation_loss for epoch in found.epochs] if validation else []
    assert kept.validation == pytest.approx(watched, rel=1e-4)


@pytest.mark.parametrize(
    "found",
    [
        [],
        {"every": 0, "loss": [1]},
        {"every": 1, "loss": []},
        {"every": 1, "loss": [1, "2"]},
        {"every": 1, "loss": [1, 2], "validation_loss": [1]},
    ],
)
def test_a_record_of_something_else_holds_no_losses(found: object) -> None:
    assert history.losses({}) is None
    assert history.losses({"history": found}) is None
