"""Training: networks of any depth, from a data set or layer by layer.

    network, history = train(dataset, layers=(8,), hidden="leaky_relu")

``train`` is ``create`` followed by ``fit``; use the two apart to set up or continue a network by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import cos, isfinite, pi, sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nnhw import activations, losses, optimizers
from nnhw.backprop import Backprop, Parameters, with_ones
from nnhw.datasets import Dataset, inputs_from, split_rows
from nnhw.network import Input, Layer, Network

Array = NDArray[np.float64]

_HE = {"relu", "leaky_relu", "softplus"}
_RELU_BIAS = 0.1  # keeps every unit alive on the first rows


class TrainingError(ValueError):
    """Training cannot start or cannot go on; the message says what to change."""


@dataclass(frozen=True)
class Options:
    """How to train. Raises TrainingError for a value outside its range.

    epochs        at most this many passes over the training rows
    batch         rows per step
    optimizer     "adam" or "sgd"
    rate          learning rate of the first epoch
    schedule      "cosine" lowers the rate to zero over the epochs, "constant" keeps it
    momentum      of sgd
    loss          "auto" (cross_entropy for classes, else mse), "cross_entropy" or "mse"
    relu_at_zero  derivative of relu and leaky_relu at 0: 0 (from the left), 1 (from the right), 0.5 (their mean)
    validation    share of the rows kept back to watch; the weights of the best epoch on them win. 0: none
    patience      stop after this many epochs without a better validation loss. 0: never
    seed          of the initial weights, the validation rows and the order of the rows
    """

    epochs: int = 200
    batch: int = 16
    optimizer: str = "adam"
    rate: float = 0.01
    schedule: Literal["cosine", "constant"] = "cosine"
    momentum: float = 0.9
    loss: str = "auto"
    relu_at_zero: float = 1.0
    validation: float = 0.0
    patience: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "patience", "seed"):
            low = 1 if name in ("epochs", "batch") else 0
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
                raise TrainingError(f"{name} is {value!r}; expected an integer of at least {low}")
        _expect(isfinite(self.rate) and self.rate > 0, "rate", self.rate, "a number above 0")
        _expect(0 <= self.momentum < 1, "momentum", self.momentum, "a number from 0 to below 1")
        _expect(0 <= self.validation < 1, "validation", self.validation, "a share from 0 to below 1")
        _expect(self.relu_at_zero in (0, 0.5, 1), "relu_at_zero", self.relu_at_zero, "0, 0.5 or 1")
        for name, known in (
            ("optimizer", optimizers.NAMES),
            ("schedule", ("cosine", "constant")),
            ("loss", ("auto", *losses.NAMES)),
        ):
            _expect(getattr(self, name) in known, name, getattr(self, name), f"one of {', '.join(known)}")


def _expect(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise TrainingError(f"{name} is {value!r}; expected {expected}")


@dataclass(frozen=True)
class Epoch:
    """What one epoch reached; ``number`` counts from 1 and ``validation_loss`` is None without validation rows."""

    number: int
    epochs: int
    loss: float
    validation_loss: float | None


@dataclass(frozen=True)
class History:
    """Every epoch that ran, and the number of the one whose weights the network now has."""

    epochs: tuple[Epoch, ...]
    best: int


def create(
    inputs: Sequence[Input],
    layers: Sequence[int],
    *,
    hidden: str = "relu",
    output: str | None = None,
    slope: float | None = None,
    classes: Sequence[str] = (),
    outputs: Sequence[str] = (),
    seed: int = 0,
) -> Network:
    """A network with fresh weights: one hidden layer per entry of ``layers`` (units), and the output layer.

    ``classes`` or ``outputs`` name what comes out. ``output`` is an activation or "softmax"; by default softmax for
    classes and identity for values. Two classes behind logsig share one unit. Weights are drawn by He where
    ``hidden`` is relu, leaky_relu or softplus, else by Glorot; biases are 0, and 0.1 in hidden relu layers.
    ``slope`` is the left slope of leaky_relu. Raises ValueError for names or sizes that make no network.
    """
    if bool(classes) == bool(outputs):
        raise ValueError("give either classes or outputs, whichever the network shall tell")
    if any(units < 1 for units in layers):
        raise ValueError(f"every hidden layer needs at least one unit; found {list(layers)}")
    output = output or ("softmax" if classes else "identity")
    if output == "softmax" and not classes:
        raise ValueError("softmax gives the probabilities of classes; use identity for values")
    last = len(classes) or len(outputs)
    if len(classes) == 2 and output == "logsig":
        last = 1
    names = [*(hidden for _ in layers), output]
    generator = np.random.default_rng(seed)
    built, fan_in = [], len(inputs)
    for index, (units, name) in enumerate(zip([*layers, last], names, strict=True)):
        if name == "softmax" and index == len(layers):
            activation = None
        else:
            activation = activations.get(name, slope if name == "leaky_relu" else None)
        deviation = sqrt(2.0 / fan_in) if name in _HE else sqrt(2.0 / (fan_in + units))
        weights = generator.standard_normal((units, fan_in)) * deviation
        bias = np.full(units, _RELU_BIAS if name == "relu" and index < len(layers) else 0.0)
        built.append(Layer(weights, bias, activation))
        fan_in = units
    return Network(built, tuple(inputs), tuple(classes), tuple(outputs))


def train(
    dataset: Dataset,
    layers: Sequence[int] = (8,),
    *,
    hidden: str = "relu",
    output: str | None = None,
    slope: float | None = None,
    options: Options | None = None,
    progress: Callable[[Epoch], None] | None = None,
) -> tuple[Network, History]:
    """A trained network for the data set: its inputs standardized by these rows, its weights as ``create`` draws them.

    Raises what ``create`` and ``fit`` raise.
    """
    options = options or Options()
    network = create(
        inputs_from(dataset),
        layers,
        hidden=hidden,
        output=output,
        slope=slope,
        classes=dataset.classes,
        outputs=dataset.outputs,
        seed=options.seed,
    )
    last = network.layers[-1]
    if _is_plain_regression(network):
        mean, scale = _target_scaling(dataset.targets)
        _rescale(last, scale, mean)
    return network, fit(network, dataset, options, progress)


def fit(
    network: Network,
    dataset: Dataset,
    options: Options | None = None,
    progress: Callable[[Epoch], None] | None = None,
) -> History:
    """Train ``network`` in place on all rows of ``dataset`` (raw units), less those kept back for validation.

    ``progress`` is called after every epoch. ``network.training`` receives the options and the outcome. Where the
    last layer is identity, its targets are standardized meanwhile, and the scaling ends up in its weights.
    Raises TrainingError where network, data and loss do not fit together, or the loss stops being finite.
    """
    options = options or Options()
    targets = target_matrix(network, dataset)
    x = with_ones(network.standardize(dataset.rows))
    plain = _is_plain_regression(network)
    if plain:
        mean, scale = _target_scaling(targets)
        targets = (targets - mean) / scale
        _rescale(network.layers[-1], 1.0 / scale, -mean / scale)
    try:
        history = _fit_standardized(network, x, targets, _validation_rows(dataset, options), options, progress)
    finally:
        if plain:
            _rescale(network.layers[-1], scale, mean)
    network.training = {
        **asdict(options),
        "dataset": dataset.name,
        "rows": len(dataset.rows),
        "epochs_run": len(history.epochs),
        "best_epoch": history.best,
        "best_loss": _watched(history.epochs[history.best - 1]),
    }
    return history


def _fit_standardized(
    network: Network,
    x: Array,
    targets: Array,
    rows: tuple[NDArray[np.int64], NDArray[np.int64]],
    options: Options,
    progress: Callable[[Epoch], None] | None,
) -> History:
    """The loop over epochs, on x with its column of ones; stores the best weights in the network."""
    layers, parameters = network.layers, Parameters(network.layers)
    loss = _loss_name(network, options)

    def passes(count: int) -> Backprop:
        return Backprop(layers, parameters, count, loss, options.relu_at_zero)

    kept, held = rows
    x, x_held, targets, targets_held = x[kept], x[held], targets[kept], targets[held]
    try:
        whole, watch = passes(len(x)), passes(len(x_held)) if len(held) else None
    except ValueError as error:
        raise TrainingError(str(error)) from None
    # Batches are views of these two, which every epoch refills in a new order.
    x_shuffled, targets_shuffled = x.copy(), targets.copy()
    full, rest = min(options.batch, len(x)), len(x) % min(options.batch, len(x))
    run, run_rest = passes(full).run, passes(rest or full).run
    batches = [
        (run if start + full <= len(x) else run_rest, x_shuffled[start : start + full], targets_shuffled[start : start + full])
        for start in range(0, len(x), full)
    ]
    optimizer = optimizers.make(
        options.optimizer, parameters.values, parameters.gradient, options.rate, options.momentum
    )
    step = optimizer.step
    generator = np.random.default_rng([options.seed, 1])
    epochs: list[Epoch] = []
    best, best_values = 0, parameters.values.copy()
    with np.errstate(over="ignore", invalid="ignore"):
        for number in range(1, options.epochs + 1):
            if options.schedule == "cosine":
                optimizer.rate = options.rate * 0.5 * (1.0 + cos(pi * (number - 1) / options.epochs))
            order = generator.permutation(len(x))
            np.take(x, order, 0, x_shuffled)
            np.take(targets, order, 0, targets_shuffled)
            for descend, some_x, some_targets in batches:
                descend(some_x, some_targets)
                step()
            epoch = Epoch(
                number,
                options.epochs,
                whole.value(x, targets),
                watch.value(x_held, targets_held) if watch else None,
            )
            if not isfinite(_watched(epoch)) or not isfinite(epoch.loss):
                raise TrainingError(
                    f"training diverged: the loss of epoch {number} is {epoch.loss}; "
                    f"use a learning rate below {options.rate:g}"
                )
            epochs.append(epoch)
            if progress:
                progress(epoch)
            if watch is None or not best or _watched(epoch) < _watched(epochs[best - 1]):
                best = number
                np.copyto(best_values, parameters.values)
            elif options.patience and number - best >= options.patience:
                break
    np.copyto(parameters.values, best_values)
    parameters.store(layers)
    return History(tuple(epochs), best)


def target_matrix(network: Network, dataset: Dataset) -> Array:
    """The targets of ``dataset`` as the network's last layer should give them, float64 (n, units).

    Raises TrainingError where the inputs, classes or outputs of the two differ in number.
    """
    _expect_match("inputs", len(network.inputs), "features", len(dataset.features))
    if not network.classes:
        _expect_match("outputs", len(network.layers[-1].bias), "targets", len(dataset.outputs))
        return np.asarray(dataset.targets, dtype=np.float64)
    _expect_match("classes", len(network.classes), "classes", len(dataset.classes))
    if len(network.layers[-1].bias) == 1:
        return np.asarray(dataset.targets, dtype=np.float64)[:, None]
    return np.asarray(np.eye(len(network.classes))[dataset.targets])


def _expect_match(ours: str, count: int, theirs: str, found: int) -> None:
    if count != found:
        raise TrainingError(f"the network has {count} {ours}, but the data set has {found} {theirs}")


def _watched(epoch: Epoch) -> float:
    return epoch.loss if epoch.validation_loss is None else epoch.validation_loss


def _loss_name(network: Network, options: Options) -> str:
    if options.loss != "auto":
        return options.loss
    probabilities = network.layers[-1].activation_name in ("softmax", "logsig")
    return "cross_entropy" if network.classes and probabilities else "mse"


def _validation_rows(
    dataset: Dataset, options: Options
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if not options.validation:
        return np.arange(len(dataset.rows)), np.arange(0)
    kept, held = split_rows(dataset, options.validation, options.seed)
    if not len(kept) or not len(held):
        raise TrainingError(
            f"validation {options.validation:g} of {len(dataset.rows)} rows leaves "
            f"{len(kept)} to train and {len(held)} to validate; change the share or use 0"
        )
    return kept, held


def _is_plain_regression(network: Network) -> bool:
    return not network.classes and network.layers[-1].activation_name == "identity"


def _target_scaling(targets: Array) -> tuple[Array, Array]:
    """Mean and standard deviation (1 where constant) of each target, both (m,)."""
    scale = targets.std(axis=0)
    return targets.mean(axis=0), np.where(np.ptp(targets, axis=0) > 0, scale, 1.0)


def _rescale(layer: Layer, factor: Array, offset: Array) -> None:
    """Make the layer give ``factor * z + offset`` instead of z; both (units,)."""
    layer.weights = layer.weights * factor[:, None]
    layer.bias = layer.bias * factor + offset
