"""model.json: save and load a float network, exactly, with messages that name the path of a fault.

    {"format": "nnhw-model", "version": 1, "inputs": 2,
     "layers": [{"activation": "identity", "weights": [[5, 7]]}]}

is a complete file. ``data/model.schema.json`` describes the keys; this module checks them and what a schema cannot.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.model_files import columns as model_columns
from nnhw.model_files.strict_json import Fault, Node, read_json
from nnhw_codegen.errors import InputError
from nnhw_codegen.network import activations
from nnhw_codegen.network.network import MOST_ANSWERS, Input, Layer, Network
from nnhw_codegen.whole_file import write_whole

FORMAT = "nnhw-model"
VERSION = 1
SCHEMA = "urn:nnhw:model:1"

MODEL_KEYS = (
    *("$schema", "format", "version", "inputs", "columns", "classes", "multilabel", "outputs", "layers"),
    *("training", "calibration"),
)
INPUT_KEYS = ("name", "mean", "scale", "step", "low", "high")
LAYER_KEYS = ("units", "activation", "slope", "weights", "bias")
PACKED_KEYS = ("encoding", "dtype", "shape", "data")

_LARGEST = 1e30
_LARGEST_TICK = 2**28
_MOST_UNITS = 65535  # a .nnb file counts them in 16 bits, layers in 8
_MOST_LAYERS = 255
_MOST_ROWS = 4096
_LISTED_WEIGHTS = 10_000  # more than this are saved as base64
_DTYPES = ("<f4", "<f8")


class ModelFileError(InputError):
    """A model file cannot be used; the message names the file, the path in it, and what was expected."""


def save(network: Network, path: str | Path) -> None:
    """Write ``network`` to ``path``, in one piece: a reader sees the old file or the new one.

    Loading it gives the very same numbers. Raises ModelFileError, and writes nothing, where ``load`` would refuse the
    file; OSError where it cannot be written.
    """
    path = Path(path)
    text = dumps(network)
    loads(text, str(path))
    write_whole(path, text.encode())


def load(path: str | Path) -> Network:
    """The network in the file at ``path``, weights as float64. Raises ModelFileError."""
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from None
    return loads(content, str(path))


def dumps(network: Network) -> str:
    """The text of the model file of ``network``."""
    listed = sum(layer.weights.size for layer in network.layers) <= _LISTED_WEIGHTS
    model: dict[str, Any] = {
        "$schema": SCHEMA,
        "format": FORMAT,
        "version": VERSION,
        "inputs": [{key: getattr(item, key) for key in INPUT_KEYS} for item in network.inputs],
    }
    if network.columns:
        model["columns"] = model_columns.to_json(network.columns)
    if network.classes:
        model["classes"] = list(network.classes)
    if network.multilabel:
        model["multilabel"] = True
    if network.outputs:
        model["outputs"] = list(network.outputs)
    model["layers"] = [_layer_to_json(layer, listed) for layer in network.layers]
    if network.training:
        model["training"] = network.training
    if network.calibration is not None:
        model["calibration"] = np.asarray(network.calibration, np.float64).tolist()
    return _lines(model) + "\n"


def _layer_to_json(layer: Layer, listed: bool) -> dict[str, Any]:
    item: dict[str, Any] = {"units": len(layer.bias), "activation": layer.activation.name}
    if layer.activation.has_slope:
        item["slope"] = float(layer.activation.ramp or 0)
    item["weights"] = np.asarray(layer.weights, np.float64).tolist() if listed else _pack(layer.weights)
    item["bias"] = np.asarray(layer.bias, np.float64).tolist()
    return item


def _pack(weights: NDArray[Any]) -> dict[str, Any]:
    single = weights.astype("<f4")
    exact = single if np.array_equal(single, weights) else weights.astype("<f8")
    return {
        "encoding": "base64",
        "dtype": exact.dtype.str,
        "shape": list(exact.shape),
        "data": base64.b64encode(exact.tobytes()).decode("ascii"),
    }


def _lines(value: Any, indent: str = "") -> str:
    """JSON with one line per item, except that lists of plain values and packed weights stay on one line."""
    deeper = indent + "  "
    if isinstance(value, dict) and value and "encoding" not in value:
        items = [f"{deeper}{json.dumps(key)}: {_lines(item, deeper)}" for key, item in value.items()]
        return "{\n" + ",\n".join(items) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        return "[\n" + ",\n".join(deeper + _lines(item, deeper) for item in value) + f"\n{indent}]"
    return json.dumps(value, allow_nan=True)


def loads(content: str | bytes, name: str = "model.json") -> Network:
    """The network in the text of a model file; ``name`` stands for the file in messages. Raises ModelFileError."""
    try:
        return _network(Node(read_json(content)))
    except Fault as fault:
        raise ModelFileError(f"{name}: {fault}") from None


def _network(model: Node) -> Network:
    if "format" not in model.mapping():
        raise model.fault(f'missing key "format"; a model file of nnhw says "format": "{FORMAT}"')
    model["format"].one_of((FORMAT,))
    if "version" not in model:
        raise model.fault(f'missing key "version"; this nnhw reads "version": {VERSION}')
    version = model["version"].integer(1)
    if version != VERSION:
        raise model["version"].fault(
            f"expected {VERSION}, found {version}; update nnhw, or save the model again with this version of nnhw"
        )
    model.expect_keys(MODEL_KEYS, required=("inputs", "layers"))
    inputs = _inputs(model["inputs"])
    names = [item.name for item in inputs]
    columns = model_columns.from_json(model["columns"], names) if "columns" in model else ()
    classes = model["classes"].names() if "classes" in model else ()
    outputs = model["outputs"].names() if "outputs" in model else ()
    if classes and outputs:
        raise model["outputs"].fault('a network tells either "classes" or "outputs"; remove one of them')
    items = model["layers"].items()
    if not items:
        raise model["layers"].fault("expected at least one layer, found an empty list")
    if len(items) > _MOST_LAYERS:
        raise model["layers"].fault(f"found {len(items)} layers; at most {_MOST_LAYERS} fit the files of a board")
    layers: list[Layer] = []
    count, source = len(inputs), 'from "inputs"'
    for index, item in enumerate(items):
        layers.append(_layer(item, count, source, is_last=index + 1 == len(items)))
        count, source = len(layers[-1].bias), f"from layers[{index}]"
    last = layers[-1].activation
    if last.across_units and not classes:
        raise items[-1].fault(
            f'{last.name} tells classes, but "classes" is missing; name them, or use another activation'
        )
    multilabel = "multilabel" in model and model["multilabel"].boolean()
    if multilabel:
        _expect_multilabel(model, layers, classes)
    if classes and count != len(classes) and (multilabel or (count, len(classes)) != (1, 2)):
        raise model["classes"].fault(f"found {len(classes)} classes, but the last layer has {count} units")
    if classes and len(classes) < 2:
        raise model["classes"].fault("expected at least two classes, found one")
    if outputs and count != len(outputs):
        raise model["outputs"].fault(f"found {len(outputs)} names, but the last layer has {count} units")
    training = model["training"].finite_mapping() if "training" in model else {}
    calibration = _calibration(model["calibration"], len(inputs)) if "calibration" in model else None
    return Network(layers, inputs, classes, outputs, training, calibration, columns, multilabel)


def _expect_multilabel(model: Node, layers: list[Layer], classes: tuple[str, ...]) -> None:
    if not classes:
        raise model["multilabel"].fault('answers of yes or no need names; add "classes"')
    last = layers[-1].activation
    if last.across_units:
        raise model["multilabel"].fault(
            f"{last.name} is for classes that exclude each other; use logsig on the last layer"
        )
    if len(classes) > MOST_ANSWERS:
        raise model["classes"].fault(
            f"found {len(classes)} answers of yes or no; at most {MOST_ANSWERS} fit an integer"
        )


def _calibration(node: Node, inputs: int) -> NDArray[np.float64]:
    rows = node.items()
    if not 1 <= len(rows) <= _MOST_ROWS:
        raise node.fault(f"expected 1 to {_MOST_ROWS} rows, found {len(rows)}; remove the key if there are none")
    return np.array([row.numbers(inputs, _LARGEST) for row in rows], dtype=np.float64)


def _inputs(node: Node) -> tuple[Input, ...]:
    if isinstance(node.value, int) and not isinstance(node.value, bool):
        return tuple(Input(f"x{number + 1}") for number in range(node.integer(1, _MOST_UNITS)))
    if not isinstance(node.value, list):
        raise node.fault(f"expected a list of inputs, or their number, found {node.shown()}")
    if not node.value:
        raise node.fault("expected at least one input, found an empty list")
    if len(node.value) > _MOST_UNITS:
        raise node.fault(f"found {len(node.value)} inputs; at most {_MOST_UNITS} fit the files of a board")
    inputs: dict[str, Input] = {}
    for item in node.items():
        entry = Input(item.text()) if isinstance(item.value, str) else _input(item)
        if entry.name in inputs:
            raise item.fault(f"a second input called {entry.name!r}; give every input its own name")
        inputs[entry.name] = entry
    return tuple(inputs.values())


def _input(node: Node) -> Input:
    node.expect_keys(INPUT_KEYS, required=("name",))
    numbers = {key: node[key].number(_LARGEST) for key in INPUT_KEYS[1:] if key in node}
    for key in ("scale", "step"):
        if key in numbers and not numbers[key] >= 1 / _LARGEST:
            raise node[key].fault(f"expected a number of at least {1 / _LARGEST:g}, found {node[key].shown()}")
    item = Input(node["name"].text(), **numbers)
    if item.low >= item.high:
        raise node.fault(f"expected low below high, found low {item.low:g} and high {item.high:g}")
    if max(-item.low, item.high) / item.step > _LARGEST_TICK:
        raise node.fault(
            f"step {item.step:g} is too fine for low {item.low:g} and high {item.high:g}: "
            "both must lie within 2^28 steps of 0; use a coarser step"
        )
    return item


def _layer(node: Node, inputs: int, source: str, is_last: bool) -> Layer:
    node.expect_keys(LAYER_KEYS, required=("activation", "weights"))
    activation = _activation(node, is_last)
    packed = isinstance(node["weights"].value, dict)
    weights = _packed(node["weights"]) if packed else _matrix(node["weights"], inputs)
    units, columns = weights.shape
    if columns != inputs:
        raise node["weights"].fault(f"expected {inputs} numbers per unit ({source}), found {columns}")
    if "units" in node and node["units"].integer(1, _MOST_UNITS) != units:
        raise node["units"].fault(f"found {node['units'].value}, but weights has {units} rows, one per unit")
    bias = np.zeros(units)
    if "bias" in node:
        bias = np.array(node["bias"].numbers(units, _LARGEST))
    return Layer(weights, bias, activation)


def _activation(node: Node, is_last: bool) -> activations.Activation:
    name = node["activation"].text()
    known = activations.output_names()
    if name not in known:
        raise node["activation"].fault(f"unknown activation {name!r}; known: {', '.join(known)}")
    record = activations.get(name)
    if record.across_units and not is_last:
        raise node["activation"].fault(f"{name} is allowed on the last layer only")
    if "slope" not in node:
        return record
    if not record.has_slope:
        raise node["slope"].fault(f"{name} takes no slope, only {activations.sloped()} does")
    slope = node["slope"].number(_LARGEST)
    if not 0 <= slope <= 1:
        raise node["slope"].fault(f"expected a number from 0 to 1, found {slope:g}")
    return activations.get(name, slope)


def _matrix(node: Node, inputs: int) -> NDArray[np.float64]:
    rows = node.items()
    if not rows:
        raise node.fault("expected one row per unit, found an empty list")
    if len(rows) > _MOST_UNITS:
        raise node.fault(f"found {len(rows)} units; at most {_MOST_UNITS} fit the files of a board")
    # Where all rows agree on another length, it is the layer that does not fit, not a row.
    lengths = {len(row.value) if isinstance(row.value, list) else inputs for row in rows}
    count = lengths.pop() if len(lengths) == 1 else inputs
    return np.array([row.numbers(count, _LARGEST) for row in rows], dtype=np.float64)


def _packed(node: Node) -> NDArray[np.float64]:
    node.expect_keys(PACKED_KEYS, required=PACKED_KEYS)
    node["encoding"].one_of(("base64",))
    dtype = np.dtype(node["dtype"].one_of(_DTYPES))
    sizes = node["shape"].items()
    if len(sizes) != 2:
        raise node["shape"].fault(f"expected [units, inputs], found {len(sizes)} numbers")
    units, columns = (size.integer(1, _MOST_UNITS) for size in sizes)
    try:
        data = base64.b64decode(node["data"].text(), validate=True)
    except ValueError as error:
        raise node["data"].fault(f"not base64: {error}") from None
    expected = units * columns * dtype.itemsize
    if len(data) != expected:
        raise node["data"].fault(
            f"expected {expected} bytes for {units} x {columns} of {dtype.str}, found {len(data)}"
        )
    weights = np.frombuffer(data, dtype).reshape(units, columns).astype(np.float64)
    wrong = np.argwhere(~(np.abs(weights) <= _LARGEST))
    if len(wrong):
        unit, column = wrong[0]
        raise node["data"].fault(
            f"weight [{unit}][{column}] is {weights[unit, column]:g}; expected a finite number up to {_LARGEST:g}"
        )
    return weights
