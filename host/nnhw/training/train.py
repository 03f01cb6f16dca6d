"""Training: networks of any depth, from a data set or layer by layer.

    network, history = train(dataset, layers=(16,), hidden="leaky_relu")

``train`` is ``create`` followed by ``fit``; use the two apart to set up or continue a network by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from nnhw.data.datasets import Dataset, inputs_from, split_rows
from nnhw.training import history
from nnhw.training.epochs import Rows, Run
from nnhw.training.history import Epoch, History
from nnhw.training.options import Options, TrainingError
from nnhw_codegen.errors import InputError
from nnhw_codegen.network import activations
from nnhw_codegen.network.network import Input, Layer, Network

__all__ = ["Epoch", "History", "Options", "TrainingError", "create", "fit", "train"]

Array = NDArray[np.float64]

_CALIBRATION_ROWS = 256
_STARTS, _SEEDS_APART = 3, 1_000_003


def create(
    inputs: Sequence[Input],
    layers: Sequence[int],
    *,
    hidden: str = "relu",
    output: str | None = None,
    slope: float | None = None,
    classes: Sequence[str] = (),
    outputs: Sequence[str] = (),
    multilabel: bool = False,
    seed: int = 0,
) -> Network:
    """A network with fresh weights: one hidden layer per entry of ``layers`` (units), and the output layer.

    ``classes`` or ``outputs`` name what comes out; ``multilabel`` says that each class is a question of its own, answered
    with yes or no. ``output`` is an activation; by default softmax for classes, logsig for such questions and identity
    for values. Two classes behind logsig share one unit. Weights and biases are drawn as the records of the activations
    say (``initial_scale``, ``initial_bias``). ``slope`` is the left slope of leaky_relu, rounded to the one that the
    integers take, so that the network trains with it. Raises InputError for names or sizes that make no network.
    """
    if bool(classes) == bool(outputs):
        raise InputError("give either classes or outputs, whichever the network shall tell")
    if any(units < 1 for units in layers):
        raise InputError(f"every hidden layer needs at least one unit; found {list(layers)}")
    if multilabel and not classes:
        raise InputError("multilabel needs classes: the names of the questions")
    output = output or ("logsig" if multilabel else "softmax" if classes else "identity")
    behind = activations.get(output)
    if behind.across_units and multilabel:
        raise InputError(f"{output} gives the probabilities of classes that exclude each other; use logsig")
    if behind.across_units and not classes:
        raise InputError(f"{output} gives the probabilities of classes; use identity for values")
    last = len(classes) or len(outputs)
    if len(classes) == 2 and behind.gives_probabilities and not behind.across_units and not multilabel:
        last = 1
    names = [*(hidden for _ in layers), output]
    left = None if slope is None else float(activations.dyadic(slope))
    generator = np.random.default_rng(seed)
    built, fan_in = [], len(inputs)
    for index, (units, name) in enumerate(zip([*layers, last], names, strict=True)):
        activation = activations.get(name)
        if activation.has_slope and left is not None:
            activation = activations.get(name, left)
        is_hidden = index < len(layers)
        if is_hidden and activation.across_units:
            raise InputError(f"{name} is allowed on the last layer only; found it on layer {index}")
        weights = generator.standard_normal((units, fan_in)) * activation.initial_scale(fan_in, units)
        bias = np.full(units, activation.initial_bias if is_hidden else 0.0)
        built.append(Layer(weights, bias, activation))
        fan_in = units
    return Network(built, tuple(inputs), tuple(classes), tuple(outputs), multilabel=multilabel)


def train(
    dataset: Dataset,
    layers: Sequence[int] = (16,),
    *,
    hidden: str = "relu",
    output: str | None = None,
    slope: float | None = None,
    options: Options | None = None,
    progress: Callable[[Epoch], None] | None = None,
    weights: Array | None = None,
) -> tuple[Network, History]:
    """A trained network for the data set: its inputs standardized by these rows, its weights as ``create`` draws them.

    ``weights`` are those of ``fit``. A network that died, so that it tells the same of every row, is trained anew from other
    weights, twice at most. Raises what ``create`` and ``fit`` raise.
    """
    options = options or Options()
    for start in range(_STARTS):
        network = create(
            inputs_from(dataset),
            layers,
            hidden=hidden,
            output=output,
            slope=slope,
            classes=dataset.classes,
            outputs=dataset.outputs,
            multilabel=dataset.multilabel,
            seed=options.seed + start * _SEEDS_APART,
        )
        network.columns = dataset.columns
        if _is_plain_regression(network):
            mean, scale = _target_scaling(dataset.targets)
            _rescale(network.layers[-1], scale, mean)
        reached = fit(network, dataset, options, progress, weights)
        if np.ptp(network.logits(dataset.rows), axis=0).any() or not np.ptp(dataset.targets, axis=0).any():
            break
    return network, reached


def fit(
    network: Network,
    dataset: Dataset,
    options: Options | None = None,
    progress: Callable[[Epoch], None] | None = None,
    weights: Array | None = None,
) -> History:
    """Train ``network`` in place on all rows of ``dataset`` (raw units), less those kept back for validation.

    ``progress`` is called after every epoch. ``weights`` (n,) say how much the loss of each row counts, and are scaled to a
    mean of 1; the losses that are told know nothing of them. ``network.training`` receives the options, the outcome and
    the losses, ``network.calibration`` up to 256 of the rows. Where the
    last layer is identity, its targets are standardized meanwhile, and the scaling ends up in its weights.
    Raises TrainingError where network, data and loss do not fit together, or the loss stops being finite.
    """
    options = options or Options()
    targets = target_matrix(network, dataset)
    x = np.hstack([network.standardize(dataset.rows), np.ones((len(dataset.rows), 1))])
    weights = _row_weights(dataset, options, weights)
    plain = _is_plain_regression(network)
    if plain:
        mean, scale = _target_scaling(targets)
        targets = (targets - mean) / scale
        _rescale(network.layers[-1], 1.0 / scale, -mean / scale)
    try:
        kept, held = (
            Rows(x[rows], targets[rows], None if weights is None else weights[rows])
            for rows in _validation_rows(dataset, options)
        )
        run = Run(network.layers, _loss_name(network, options), kept, held, options)
        while not run.finished:
            epoch = run.epoch()
            if progress:
                progress(epoch)
        reached = run.store()
    finally:
        if plain:
            _rescale(network.layers[-1], scale, mean)
    network.training = {
        **{key: value.item() if isinstance(value, np.generic) else value for key, value in asdict(options).items()},
        "dataset": dataset.name,
        "rows": len(dataset.rows),
        "epochs_run": len(reached.epochs),
        "best_epoch": reached.best,
        "best_loss": reached.epochs[reached.best - 1].watched,
        "history": history.record(reached),
    }
    spread = np.linspace(0, len(dataset.rows) - 1, min(len(dataset.rows), _CALIBRATION_ROWS))
    network.calibration = dataset.rows[spread.astype(np.int64)]
    return reached


def target_matrix(network: Network, dataset: Dataset) -> Array:
    """The targets of ``dataset`` as the network's last layer should give them, float64 (n, units).

    Raises TrainingError where the inputs, classes or outputs of the two differ in number.
    """
    _expect_match("inputs", len(network.inputs), "features", len(dataset.features))
    if not network.classes:
        _expect_match("outputs", len(network.layers[-1].bias), "targets", len(dataset.outputs))
        return np.asarray(dataset.targets, dtype=np.float64)
    _expect_match("classes", len(network.classes), "classes", len(dataset.classes))
    if network.multilabel != dataset.multilabel:
        raise TrainingError(
            "either network or data set answers each class with yes or no, and the other one does not"
        )
    if network.multilabel:
        return np.asarray(dataset.targets, dtype=np.float64)
    if len(network.layers[-1].bias) == 1:
        return np.asarray(dataset.targets, dtype=np.float64)[:, None]
    return np.asarray(np.eye(len(network.classes))[dataset.targets])


def _row_weights(dataset: Dataset, options: Options, weights: Array | None) -> Array | None:
    """How much each row counts, (n,) with a mean of 1; None where all count the same. Raises TrainingError."""
    if weights is not None:
        weights = np.asarray(weights, dtype=np.float64)
        if weights.shape != (len(dataset.rows),) or not (np.isfinite(weights).all() and (weights >= 0).all()):
            raise TrainingError(f"weights: expected a number of at least 0 for each of the {len(dataset.rows)} rows")
        if not weights.any():
            raise TrainingError("weights: all are 0; at least one row must count")
    if options.balance:
        if not dataset.classes or dataset.multilabel:
            raise TrainingError("balance weighs classes that exclude each other, but the data set has none")
        of_class = 1.0 / np.sqrt(np.maximum(np.bincount(dataset.targets, weights, len(dataset.classes)), 1e-9))
        weights = of_class[dataset.targets] * (1.0 if weights is None else weights)
    return None if weights is None else weights / weights.mean()


def _expect_match(ours: str, count: int, theirs: str, found: int) -> None:
    if count != found:
        raise TrainingError(f"the network has {count} {ours}, but the data set has {found} {theirs}")


def _loss_name(network: Network, options: Options) -> str:
    if options.loss != "auto":
        return options.loss
    probabilities = network.layers[-1].activation.gives_probabilities
    return "cross_entropy" if network.classes and probabilities else "mse"


def _validation_rows(dataset: Dataset, options: Options) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
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
    return not network.classes and network.layers[-1].activation.is_identity


def _target_scaling(targets: Array) -> tuple[Array, Array]:
    """Mean and standard deviation (1 where constant) of each target, both (m,)."""
    scale = targets.std(axis=0)
    return targets.mean(axis=0), np.where(np.ptp(targets, axis=0) > 0, scale, 1.0)


def _rescale(layer: Layer, factor: Array, offset: Array) -> None:
    """Make the layer give ``factor * z + offset`` instead of z; both (units,)."""
    layer.weights = layer.weights * factor[:, None]
    layer.bias = layer.bias * factor + offset
