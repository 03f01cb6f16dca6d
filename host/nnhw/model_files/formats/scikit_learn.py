"""scikit-learn: a pipeline in Python, or a .skops file, whose JSON and arrays are read without skops or scikit-learn.

Only plain attributes are read. ``MLPClassifier`` and ``MLPRegressor`` store ``coefs_[k]`` as (inputs, units).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nnhw.model_files.chain import Array, Chain, Imported, KnownTask, Refusal
from nnhw.model_files.conversion import Settings
from nnhw.model_files.formats.archive import Archive
from nnhw.model_files.strict_json import Node, read_json
from nnhw_codegen.network.network import Network

_SCALERS = ("StandardScaler", "MinMaxScaler", "RobustScaler", "MaxAbsScaler")
_NETWORKS: dict[str, KnownTask] = {"MLPClassifier": "classification", "MLPRegressor": "regression"}
_OWN: dict[str, KnownTask] = {
    "nnhw.training.estimator.NnhwClassifier": "classification",
    "nnhw.training.estimator.NnhwRegressor": "regression",
}
_SUPPORTED = f"{', '.join(_SCALERS)}, PCA, and at the end {', '.join(_NETWORKS)}, NnhwClassifier or NnhwRegressor"
_ACTIVATIONS: dict[str, str | None] = {"relu": "relu", "logistic": "logsig", "tanh": "tanh", "identity": None}
_OUTPUTS = ("softmax", "logistic", "identity")


class Estimator(Protocol):
    """A fitted estimator: its class, and its attributes as plain values, None where there is no such attribute."""

    @property
    def kind(self) -> str:
        """The class, without its module where it is one of scikit-learn."""

    def get(self, name: str) -> Any:
        """An attribute: a number, text, array, or a list of these."""

    def steps(self) -> list[tuple[str, Estimator]]:
        """The named steps of a Pipeline, without those that pass values through."""


class _Live:
    """An object in Python."""

    def __init__(self, found: Any) -> None:
        self._object = found
        self.kind = _short(type(found).__module__, type(found).__name__)

    def get(self, name: str) -> Any:
        return getattr(self._object, name, None)

    def steps(self) -> list[tuple[str, Estimator]]:
        return [(name, _Live(step)) for name, step in self._object.steps if step not in ("passthrough", None)]


class _Saved:
    """A node of the JSON tree in a .skops file."""

    def __init__(self, archive: Archive, node: Node) -> None:
        self._archive = archive
        self._node = node
        self.kind = _short(node.at("__module__").text(), node.at("__class__").text())

    def get(self, name: str) -> Any:
        attributes = self._node.at("content", "content")
        return self._value(attributes.at(name)) if name in attributes.mapping() else None

    def steps(self) -> list[tuple[str, Estimator]]:
        found: list[tuple[str, Estimator]] = []
        for entry in self._node.at("content", "content", "steps", "content").items():
            pair = entry.at("content").items()
            if len(pair) != 2:
                raise entry.fault(f"expected a name and a step, found {len(pair)} entries")
            name, step = pair
            if step.at("__loader__").value != "JsonNode":
                found.append((str(self._value(name)), _Saved(self._archive, step)))
            elif self._value(step) not in ("passthrough", None):
                raise step.fault(f"found {step['content'].shown()} for a step")
        return found

    def _value(self, node: Node) -> Any:
        loader = node.at("__loader__").text()
        if loader == "JsonNode":
            return read_json(node.at("content").text())
        if loader in ("ListNode", "TupleNode"):
            return [self._value(item) for item in node.at("content").items()]
        if loader == "NdArrayNode":
            if node.at("type").value == "numpy":
                return self._archive.array(node.at("file").text())
            return np.array(self._value(node.at("content")), dtype=str)
        raise node.fault(f"expected plain values, found a {loader}")


def _short(module: str, name: str) -> str:
    return name if module.startswith("sklearn.") else f"{module}.{name}"


def read_skops(content: bytes, settings: Settings) -> Imported:
    """The network in a .skops file. Raises Refusal or Fault."""
    archive = Archive(content)
    return read_estimator(_Saved(archive, archive.json("schema.json")))


def read_object(model: Any) -> Imported:
    """The network in a fitted estimator or pipeline of scikit-learn. Raises Refusal."""
    return read_estimator(_Live(model))


def read_estimator(model: Estimator) -> Imported:
    """The network in an estimator or pipeline. Raises Refusal that names step and class."""
    steps = model.steps() if model.kind == "Pipeline" else [("", model)]
    if not steps:
        raise Refusal(f"a Pipeline without steps; supported: {_SUPPORTED}")
    if steps[-1][1].kind not in {*_NETWORKS, *_OWN}:
        raise Refusal(f"{_place(*steps[-1])} is not a network; supported: {_SUPPORTED}")
    count = steps[0][1].get("n_features_in_")
    if not isinstance(count, (int, np.integer)):
        raise Refusal(f"{_place(*steps[0])} is not fitted; fit it first")
    chain = Chain((int(count),))
    ranges = None
    for number, (name, step) in enumerate(steps[:-1]):
        place = _place(name, step)
        if step.kind == "MinMaxScaler" and number == 0:
            ranges = (_array(place, step, "data_min_"), _array(place, step, "data_max_"))
        if step.kind in _SCALERS:
            chain.scale(place, *_scaling(place, step))
        elif step.kind == "PCA":
            _project(chain, place, step)
        else:
            raise Refusal(f"{place} is not supported; supported: {_SUPPORTED}")
        chain.folded.append(step.kind)
    names = _texts(steps[0][1], "feature_names_in_")
    if steps[-1][1].kind in _OWN:
        return _own_network(chain, _place(*steps[-1]), steps[-1][1], names)
    return _network(chain, _place(*steps[-1]), steps[-1][1], names, ranges)


def _place(name: str, step: Estimator) -> str:
    return f"step {name!r} ({step.kind})" if name else step.kind


def _array(place: str, step: Estimator, name: str) -> Array:
    values = step.get(name)
    if not isinstance(values, (np.ndarray, np.generic)) or values.dtype.kind not in "fiu":
        raise Refusal(f"{place}: has no numbers in {name}; fit it first")
    return np.asarray(values, dtype=np.float64)


def _scaling(place: str, step: Estimator) -> tuple[NDArray[Any], NDArray[Any]]:
    """(factor, offset) of a scaler, obeying its switches: mean_ is there even where with_mean is off."""
    one, zero = np.array(1.0), np.array(0.0)
    if step.get("clip"):
        raise Refusal(f"{place}: clip=True is not supported; use clip=False, as every input is limited to its range")
    if step.kind == "MinMaxScaler":
        return _array(place, step, "scale_"), _array(place, step, "min_")
    if step.kind == "MaxAbsScaler":
        return 1 / _array(place, step, "scale_"), zero
    center, scale, switches = "mean_", "scale_", ("with_mean", "with_std")
    if step.kind == "RobustScaler":
        center, switches = "center_", ("with_centering", "with_scaling")
    middle = _array(place, step, center) if step.get(switches[0]) else zero
    spread = _array(place, step, scale) if step.get(switches[1]) else one
    return 1 / spread, -middle / spread


def _project(chain: Chain, place: str, step: Estimator) -> None:
    chain.scale(place, 1.0, -_array(place, step, "mean_"))
    chain.dense(place, _array(place, step, "components_"))
    if step.get("whiten"):
        chain.scale(place, 1 / np.sqrt(_array(place, step, "explained_variance_")))


def _network(
    chain: Chain, place: str, step: Estimator, names: tuple[str, ...], ranges: tuple[Array, Array] | None
) -> Imported:
    hidden, output = step.get("activation"), step.get("out_activation_")
    if not isinstance(hidden, str) or hidden not in _ACTIVATIONS or output not in _OUTPUTS:
        raise Refusal(
            f"{place}: activations {hidden!r} and {output!r}; supported: {', '.join(_ACTIVATIONS)}, softmax"
        )
    weights, biases = _arrays(place, step, "coefs_"), _arrays(place, step, "intercepts_")
    if len(weights) != len(biases):
        raise Refusal(f"{place}: has {len(weights)} layers of weights, but {len(biases)} of biases")
    for number, (matrix, bias) in enumerate(zip(weights, biases, strict=True), 1):
        chain.dense(place, matrix.T, bias)
        if number < len(weights) and (name := _ACTIVATIONS[hidden]) is not None:
            chain.activate(place, name)
    if output == "softmax":
        chain.softmax(place)
    elif output == "logistic":
        if chain.size > 1:
            raise Refusal(f"{place}: {chain.size} logistic outputs are labels of their own (multilabel), not classes")
        chain.activate(place, "logsig")
    task = _NETWORKS[step.kind]
    labels = _texts(step, "classes_") if task == "classification" else ()
    return chain.finish(names=names, classes=labels, task=task, ranges=ranges)


def _own_network(chain: Chain, place: str, step: Estimator, names: tuple[str, ...]) -> Imported:
    """The network of an estimator of nnhw; its inputs' ranges are those of raw values where scalers alone come before."""
    network = step.get("network_")
    if not isinstance(network, Network):
        raise Refusal(f"{place} is not fitted, or was saved; give nnhw.from_sklearn the fitted object")
    if network.multilabel:
        raise Refusal(
            f"{place}: answers several questions with yes or no, which is not supported here; give it raw rows"
        )
    mean, scale, low, high = (
        np.array([getattr(entry, name) for entry in network.inputs]) for name in ("mean", "scale", "low", "high")
    )
    ranges = None
    if chain.scaling is not None:
        factor, offset = chain.scaling
        ends = (low - offset) / factor, (high - offset) / factor
        ranges = np.minimum(*ends), np.maximum(*ends)
    chain.scale(place, 1 / scale, -mean / scale)
    for layer in network.layers:
        chain.dense(place, layer.weights, layer.bias)
        if layer.activation is None:
            chain.softmax(place)
        elif not layer.activation.is_identity:
            slope = layer.activation.ramp if layer.activation.name == "leaky_relu" else None
            chain.activate(place, layer.activation.name, None if slope is None else float(slope))
    return chain.finish(names=names, classes=network.classes, task=_OWN[step.kind], ranges=ranges)


def _texts(step: Estimator, name: str) -> tuple[str, ...]:
    values = step.get(name)
    return tuple(map(str, values)) if isinstance(values, np.ndarray) and values.ndim == 1 else ()


def _arrays(place: str, step: Estimator, name: str) -> Sequence[NDArray[Any]]:
    arrays = step.get(name)
    if not isinstance(arrays, list) or not arrays or not all(isinstance(array, np.ndarray) for array in arrays):
        raise Refusal(f"{place}: has no arrays in {name}; fit it first")
    return arrays
