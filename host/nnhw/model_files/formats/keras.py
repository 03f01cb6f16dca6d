"""Keras: .keras and .h5 files, read without Keras; a Sequential model, or a Functional one that is a chain.

Dense kernels are (inputs, units). In .keras files the weights lie below the class of their layer, counted in snake case,
whatever the layer is called; in .h5 files attributes name them.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from nnhw.model_files.chain import ACTIVATIONS, Chain, Imported, KnownTask, Refusal
from nnhw.model_files.conversion import Settings
from nnhw.model_files.formats.archive import Archive
from nnhw.model_files.formats.hdf5 import Hdf5
from nnhw.model_files.formats.keras_layers import LAYERS
from nnhw.model_files.strict_json import Node, read_json

Weights = Callable[[str, str], list[NDArray[Any]]]
"""Path below the classes, and name of a layer -> its arrays in Keras' order."""

_NOTHING = ("Dropout", "GaussianNoise", "GaussianDropout", "ActivityRegularization", "Identity")
_SUPPORTED = (
    f"Dense, Flatten, Reshape, Normalization, Rescaling, BatchNormalization, Activation, ReLU, LeakyReLU, Softmax, "
    f"{', '.join(_NOTHING)}, with the activations {ACTIVATIONS}"
)
_ENTROPIES = ("crossentropy", "cross_entropy")
_DISTANCES = (
    "mse",
    "mae",
    "mean_squared",
    "mean_absolute",
    "meansquared",
    "meanabsolute",
    "huber",
    "logcosh",
    "log_cosh",
)


def read_keras(content: bytes, settings: Settings) -> Imported:
    """The network in a .keras file. Raises Refusal that names the layer, or Fault."""
    archive = Archive(content)
    config = archive.json("config.json")
    file = Hdf5(archive.read("model.weights.h5"))

    def weights(path: str, name: str) -> list[NDArray[Any]]:
        return [file.array(f"{path}/vars/{index}") for index in sorted(file.names(f"{path}/vars"), key=_number)]

    return _read(config, weights, config.mapping().get("compile_config"))


def read_h5(content: bytes, settings: Settings) -> Imported:
    """The network in an .h5 file of a whole model. Raises Refusal that names the layer, or Fault."""
    file = Hdf5(content)
    text = file.text("model_config")
    if text is None:
        raise Refusal(
            "holds weights without the layers that they belong to; save the whole with model.save('model.keras')"
        )

    def weights(path: str, name: str) -> list[NDArray[Any]]:
        if path.count("layers/") > 1:
            raise Refusal(
                f"layer {name!r} lies in a model within the model; save the whole with model.save('model.keras')"
            )
        group = f"model_weights/{name}"
        return [file.array(f"{group}/{entry}") for entry in file.texts("weight_names", group)]

    training = file.text("training_config")
    return _read(Node(read_json(text)), weights, None if training is None else read_json(training))


def read_object(model: Any) -> Imported:
    """The network in a Keras model, as it would be saved. Raises Refusal."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.keras")
        model.save(path)
        with open(path, "rb") as file:
            return read_keras(file.read(), Settings())


def _number(text: str) -> tuple[int, str]:
    return (int(text), text) if text.isdecimal() else (0, text)


def _read(config: Node, weights: Weights, training: Any) -> Imported:
    reader = _Reader(weights)
    reader.model(config, "")
    if reader.chain is None:
        raise Refusal("has no layers")
    return reader.chain.finish(task=_task(training))


def _task(training: Any) -> KnownTask | None:
    """What the loss, told by name or by class, says of the outputs."""
    loss = training.get("loss") if isinstance(training, dict) else None
    name = loss.get("class_name") if isinstance(loss, dict) else loss
    if not isinstance(name, str):
        return None
    if any(word in name.lower() for word in _ENTROPIES):
        return "classification"
    return "regression" if any(word in name.lower() for word in _DISTANCES) else None


class _Reader:
    """The walk along the layers."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self.chain: Chain | None = None

    def model(self, model: Node, folder: str) -> None:
        """A Sequential or Functional model; ``folder`` is where the weights of its layers lie."""
        kind = model.at("class_name").text()
        if kind not in ("Sequential", "Functional", "Model"):
            raise Refusal(
                f"{kind!r} is a model of its own code; supported: Sequential, and Functional models that are a chain"
            )
        config = model.at("config")
        counts: Counter[str] = Counter()
        previous: str | None = None
        layers = config.at("layers").items()
        named = bool(layers) and layers[0].at("class_name").value == "InputLayer"
        if self.chain is None and not named and "build_input_shape" in config:
            self._start(config["build_input_shape"])
        for layer in layers:
            name = layer.at("config", "name").text()
            kind = layer.at("class_name").text()
            place = f"layer {name!r} ({kind})"
            if model["class_name"].value != "Sequential" and kind != "InputLayer":
                sources = _sources(layer.at("inbound_nodes").value)
                if sources != [previous]:
                    raise Refusal(
                        f"{place}: takes {' and '.join(sources) or 'nothing'}; supported: a chain without branches"
                    )
            snake = _snake(kind)
            path = f"{folder}layers/{snake}" + (f"_{counts[snake]}" if counts[snake] else "")
            counts[snake] += 1
            self._layer(layer, kind, place, path)
            previous = name
        outputs = config["output_layers"].value if "output_layers" in config else [previous]
        if isinstance(outputs, list) and outputs and isinstance(outputs[0], list):
            raise Refusal(f"has {len(outputs)} outputs; supported: one")

    def _start(self, node: Node) -> None:
        sizes = node.items()[1:]
        if not sizes or any(size.value is None for size in sizes):
            raise node.fault(
                f"found the input shape {node.value}; supported: a fixed number of values behind the batch"
            )
        self.chain = Chain(tuple(size.integer(1) for size in sizes))

    def _layer(self, layer: Node, kind: str, place: str, path: str) -> None:
        config = layer.at("config")
        if kind == "Lambda":
            raise Refusal(f"{place}: holds Python code, which is not run; write what it does as a layer of Keras")
        if not str(layer.mapping().get("module", "keras")).startswith("keras"):
            raise Refusal(f"{place}: is a layer of its own code; supported: {_SUPPORTED}")
        if kind in ("Sequential", "Functional"):
            self.model(layer, f"{path}/")
            return
        if kind == "InputLayer":
            if self.chain is None:
                self._start(config.at("batch_shape" if "batch_shape" in config else "batch_input_shape"))
            return
        if self.chain is None:
            raise Refusal(
                f"{place}: the model tells no input shape; call model.build((None, INPUTS)) and save it again"
            )
        if kind in _NOTHING:
            self.chain.dropped.append(place)
        elif kind == "Flatten":
            self.chain.reshape(place, (self.chain.size,))
            self.chain.dropped.append(place)
        elif kind in LAYERS:
            LAYERS[kind](self.chain, place, config, lambda: self._weights(path, config["name"].value))
        else:
            raise Refusal(f"{place} is not supported; supported: {_SUPPORTED}")


def _snake(name: str) -> str:
    """The name of a class as Keras writes it in paths."""
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _sources(value: Any) -> list[str]:
    """The layers that the tensors in a list of inbound nodes come from."""
    if isinstance(value, dict):
        history = value["config"].get("keras_history") if isinstance(value.get("config"), dict) else None
        if isinstance(history, list) and history:
            return [str(history[0])]
        return [name for item in value.values() for name in _sources(item)]
    if isinstance(value, list):
        if len(value) >= 3 and isinstance(value[0], str):
            return [value[0]]  # as Keras 2 writes it: name, node, tensor
        return [name for item in value for name in _sources(item)]
    return []
