"""The epochs of training: batches in a new order each time, and the weights of the best one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import cos, isfinite, pi

import numpy as np
from numpy.typing import NDArray

from nnhw.training import losses, optimizers
from nnhw.training.backprop import Backprop, Parameters
from nnhw.training.history import Epoch, History
from nnhw.training.options import Options, TrainingError
from nnhw_codegen.network.network import Layer

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows as the layers see them: ``x`` (n, inputs + 1), whose last column is ones, and ``targets`` (n, units).

    ``weights`` (n,) say how much the loss of each row counts; None: all the same.
    """

    x: Array
    targets: Array
    weights: Array | None = None


@dataclass(frozen=True, eq=False)
class _Batch:
    """Views of the shuffled rows, units first, and of the last z of all rows."""

    backprop: Backprop
    x: Array
    targets: Array
    weights: Array | None
    z: Array


class Run:
    """One training of some layers: ``epoch`` by epoch until ``finished``, then ``store``.

    ``loss`` is a name of losses.NAMES; the rows of ``held`` are watched, and may be none. Raises TrainingError where the
    loss does not fit the last layer.
    """

    def __init__(self, layers: Sequence[Layer], loss: str, kept: Rows, held: Rows, options: Options) -> None:
        self._layers, self._kept, self._held, self._options = layers, kept, held, options
        self._parameters = Parameters(layers)
        # Batches are views of these, which every epoch refills in a new order.
        weights = None if kept.weights is None else kept.weights.copy()
        self._shuffled = Rows(kept.x.copy(), kept.targets.copy(), weights)
        self._z = np.empty(kept.targets.T.shape)
        try:
            self._batches = tuple(self._batched(loss))
            self._watcher = self._backprop(len(held.x), loss) if len(held.x) else None
            self._loss = losses.make(loss, layers[-1].activation, len(kept.x), len(self._z))
        except ValueError as error:
            raise TrainingError(str(error)) from None
        # Without a hidden layer the weights are the constants that are asked for: nothing overfits that decay could cure.
        decay = options.decay_per_rate(len(kept.x)) if len(layers) > 1 else 0.0
        self._optimizer = optimizers.make(
            options.optimizer,
            self._parameters.values,
            self._parameters.gradient,
            options.rate,
            options.momentum,
            self._parameters.on_weights(decay),
        )
        self._most = options.epochs_for(len(kept.x))
        self._generator = np.random.default_rng([options.seed, 1])
        self._epochs: list[Epoch] = []
        self._best = 0
        self._best_values = self._parameters.values.copy()

    def _backprop(self, rows: int, loss: str) -> Backprop:
        return Backprop(self._layers, self._parameters, rows, loss, self._options.relu_at_zero)

    def _batched(self, loss: str) -> Iterator[_Batch]:
        count = len(self._kept.x)
        full = min(self._options.batch, count)
        whole = self._backprop(full, loss)
        rest = self._backprop(count % full or full, loss)
        for start in range(0, count, full):
            part = slice(start, start + full)
            backprop = whole if start + full <= count else rest
            weights = None if self._shuffled.weights is None else self._shuffled.weights[part]
            yield _Batch(
                backprop, self._shuffled.x[part].T, self._shuffled.targets[part].T, weights, self._z[:, part]
            )

    @property
    def finished(self) -> bool:
        """True after the last epoch, or once as many as the patience have not been better than the best."""
        done = len(self._epochs)
        impatient = self._options.patience and done - self._best >= self._options.patience
        return done == self._most or bool(impatient)

    def epoch(self) -> Epoch:
        """Go once through all rows. Raises TrainingError where the loss or a weight stops being finite."""
        options, number = self._options, len(self._epochs) + 1
        if options.schedule == "cosine":
            self._optimizer.rate = options.rate * 0.5 * (1.0 + cos(pi * (number - 1) / self._most))
        with np.errstate(over="ignore", invalid="ignore"):
            self._descend()
            epoch = Epoch(number, self._most, self._loss.value(self._z, self._shuffled.targets.T), self.watch())
        # The losses may still be finite where the last steps of the epoch left the weights infinite.
        if not (isfinite(epoch.loss) and isfinite(epoch.watched) and np.isfinite(self._parameters.values).all()):
            raise TrainingError(f"training diverged in epoch {number}; use a learning rate below {options.rate:g}")
        self._epochs.append(epoch)
        self.keep_best()
        return epoch

    def _descend(self) -> None:
        order = self._generator.permutation(len(self._kept.x))
        # Mode "clip" writes straight into the output; "raise" would go through a buffer.
        np.take(self._kept.x, order, 0, self._shuffled.x, "clip")
        np.take(self._kept.targets, order, 0, self._shuffled.targets, "clip")
        if self._kept.weights is not None and self._shuffled.weights is not None:
            np.take(self._kept.weights, order, 0, self._shuffled.weights, "clip")
        step = self._optimizer.step
        for batch in self._batches:
            batch.backprop.run(batch.x, batch.targets, batch.weights)
            step()
            batch.z[...] = batch.backprop.z

    def watch(self) -> float | None:
        """The loss of the rows that are not learned from, None without any."""
        return self._watcher.value(self._held.x.T, self._held.targets.T) if self._watcher else None

    def keep_best(self) -> None:
        """Remember the weights if the last epoch is the best: of the watched rows, or the last one where there are none."""
        last = self._epochs[-1]
        if self._watcher is None or not self._best or last.watched < self._epochs[self._best - 1].watched:
            self._best = last.number
            np.copyto(self._best_values, self._parameters.values)

    def store(self) -> History:
        """Give the layers the weights of the best epoch."""
        np.copyto(self._parameters.values, self._best_values)
        self._parameters.store(self._layers)
        return History(tuple(self._epochs), self._best)
