"""What each kind of Keras layer does to a chain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.model_files.chain import ACTIVATIONS, LARGEST, Array, Chain, Refusal
from nnhw.model_files.strict_json import Node

Arrays = Callable[[], list[NDArray[Any]]]
"""Gives the weights of a layer, in Keras' order."""

_NAMES = {
    "relu": "relu",
    "sigmoid": "logsig",
    "softplus": "softplus",
    "tanh": "tanh",
    "leaky_relu": "leaky_relu",
    "softmax": "softmax",
    "log_softmax": "softmax",
}
_LEAK = 0.2  # of activation="leaky_relu"; the layer LeakyReLU says its own
_SMALLEST_DEVIATION = 1e-7  # Keras' Normalization divides by no less


def _arrays(place: str, arrays: Arrays, count: int) -> list[NDArray[Any]]:
    found = arrays()
    if len(found) != count or any(array.dtype.kind != "f" for array in found[:2]):
        raise Refusal(
            f"{place}: has {len(found)} arrays of weights; expected {count} of floats (is the layer quantized?)"
        )
    return found


def _dense(chain: Chain, place: str, config: Node, arrays: Arrays) -> None:
    biased = config.at("use_bias").flag()
    kernel, *bias = _arrays(place, arrays, 1 + biased)
    chain.dense(place, kernel.T, bias[0] if biased else 0.0)
    _apply(chain, place, config.at("activation"))


def _apply(chain: Chain, place: str, activation: Node) -> None:
    """An activation by name, or as a layer of its own."""
    if isinstance(activation.value, dict):
        kind = activation.at("class_name").text()
        if kind not in ("ReLU", "LeakyReLU", "Softmax"):
            raise Refusal(f"{place}: the activation {kind} is not supported; supported: {ACTIVATIONS}")
        LAYERS[kind](chain, place, activation.at("config"), list)
        return
    name = activation.text()
    if name == "linear":
        return
    if name not in _NAMES:
        raise Refusal(f"{place}: the activation {name!r} is not supported; supported: {ACTIVATIONS}")
    if _NAMES[name] == "softmax":
        chain.softmax(place, is_logarithm=name == "log_softmax")
    else:
        chain.activate(place, _NAMES[name], _LEAK if name == "leaky_relu" else None)


def _activation(chain: Chain, place: str, config: Node, arrays: Arrays) -> None:
    _apply(chain, place, config.at("activation"))


def _relu(chain: Chain, place: str, config: Node, arrays: Arrays) -> None:
    values = config.mapping()
    if values.get("max_value") is not None or values.get("threshold"):
        raise Refusal(f"{place}: max_value and threshold are not supported; supported: {ACTIVATIONS}")
    slope = config["negative_slope"].number(LARGEST) if values.get("negative_slope") else 0.0
    chain.activate(place, "leaky_relu", slope)


def _leaky_relu(chain: Chain, place: str, config: Node, arrays: Arrays) -> None:
    chain.activate(
        place, "leaky_relu", config.at("negative_slope" if "negative_slope" in config else "alpha").number(LARGEST)
    )


def _softmax(chain: Chain, place: str, config: Node, arrays: Arrays) -> None:
    if config.mapping().get("axis", -1) not in (-1, 1):
        raise Refusal(f"{place}: axis {config['axis'].shown()} is not supported; supported: over the units of a row")
    chain.softmax(place)


def _normalization(chain: Chain, place: str, config: Node, arrays: Arrays) -> None:
    if config.mapping().get("invert"):
        raise Refusal(f"{place}: invert=True is not supported")
    if config.mapping().get("mean") is not None:
        mean, variance = (_listed(config.at(key)) for key in ("mean", "variance"))
    else:
        mean, variance, _ = _arrays(place, arrays, 3)
    chain.scale(place, 1.0, -mean)
    chain.scale(place, 1 / np.maximum(np.sqrt(variance.astype(np.float64)), _SMALLEST_DEVIATION))
    chain.folded.append(place)


def _listed(node: Node) -> Array:
    """Numbers in the configuration: one, a list, or a list of lists of one row."""
    value = node
    while isinstance(value.value, list) and len(value.value) == 1:
        value = value.items()[0]
    if isinstance(value.value, list):
        return np.array(value.numbers(len(value.value), LARGEST))
    return np.array(value.number(LARGEST))


def _rescaling(chain: Chain, place: str, config: Node, arrays: Arrays) -> None:
    chain.scale(place, _listed(config.at("scale")), _listed(config.at("offset")))
    chain.folded.append(place)


def _batch_normalization(chain: Chain, place: str, config: Node, arrays: Arrays) -> None:
    scaled, centered = config.at("scale").flag(), config.at("center").flag()
    found = _arrays(place, arrays, 2 + scaled + centered)
    mean, variance = found[-2:]
    chain.scale(place, 1.0, -mean)
    chain.scale(place, 1 / np.sqrt(variance.astype(np.float64) + config.at("epsilon").number(1.0)))
    chain.scale(place, found[0] if scaled else 1.0, found[-3] if centered else 0.0)
    chain.folded.append(place)


def _reshape(chain: Chain, place: str, config: Node, arrays: Arrays) -> None:
    shape = [size.integer(-1) for size in config.at("target_shape").items()]
    known = int(np.prod([size for size in shape if size != -1], dtype=object))
    chain.reshape(place, tuple(chain.size // max(known, 1) if size == -1 else size for size in shape))
    chain.dropped.append(place)


LAYERS: dict[str, Callable[[Chain, str, Node, Arrays], None]] = {
    "Dense": _dense,
    "Activation": _activation,
    "ReLU": _relu,
    "LeakyReLU": _leaky_relu,
    "Softmax": _softmax,
    "Normalization": _normalization,
    "Rescaling": _rescaling,
    "BatchNormalization": _batch_normalization,
    "Reshape": _reshape,
}
