"""A network as an ONNX file: the inputs' mean and scale, Gemm and activation for every layer, softmax at the end."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from nnhw import __version__
from nnhw.model_files.formats.onnx_graph import CLASSES_KEY, INPUTS_KEY
from nnhw_codegen.errors import InputError
from nnhw_codegen.network.network import Layer, Network

_OPSET = 13
_IR_VERSION = 7  # of the same age
_OPERATORS = {"relu": "Relu", "logsig": "Sigmoid", "softmax": "Softmax", "softplus": "Softplus", "tanh": "Tanh"}


def dumps(network: Network) -> bytes:
    """The bytes of the .onnx file: float32, raw rows ("rows", inputs) -> ("rows", units of the last layer).

    What comes out is the last layer's activation: probabilities of softmax or logsig, or values. Names of inputs and
    classes are JSON lists in the file's metadata.
    """
    mean, scale = (np.array([[getattr(entry, key) for entry in network.inputs]]) for key in ("mean", "scale"))
    constants = {"mean": mean, "scale": scale}
    nodes = [
        helper.make_node("Sub", ["inputs", "mean"], ["centered"], "center"),
        helper.make_node("Div", ["centered", "scale"], ["layer0"], "standardize"),
    ]
    for number, layer in enumerate(network.layers, 1):
        names = [f"layer{number}.weights", f"layer{number}.bias"]
        constants |= dict(zip(names, (layer.weights, layer.bias), strict=True))
        operator = _activation(layer, f"layer{number}.z", f"layer{number}")
        after = f"layer{number}" if operator is None else f"layer{number}.z"
        nodes.append(
            helper.make_node("Gemm", [f"layer{number - 1}", *names], [after], f"layer{number}/gemm", transB=1)
        )
        nodes += [] if operator is None else [operator]
    nodes[-1].output[0] = "outputs"
    graph = helper.make_graph(
        nodes,
        "nnhw",
        [helper.make_tensor_value_info("inputs", TensorProto.FLOAT, ["rows", len(network.inputs)])],
        [helper.make_tensor_value_info("outputs", TensorProto.FLOAT, ["rows", len(network.layers[-1].bias)])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in constants.items()],
    )
    model = helper.make_model(
        graph,
        producer_name="nnhw",
        producer_version=__version__,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
    )
    told = {INPUTS_KEY: json.dumps([entry.name for entry in network.inputs])}
    helper.set_model_props(model, told | ({CLASSES_KEY: json.dumps(network.classes)} if network.classes else {}))
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _activation(layer: Layer, z: str, output: str) -> onnx.NodeProto | None:
    kind = layer.activation
    name = f"{output}/{kind.name}"
    if kind.is_identity:
        return None
    if kind.has_slope:
        return helper.make_node("LeakyRelu", [z], [output], name, alpha=float(kind.ramp or 0))
    if kind.name not in _OPERATORS:
        raise InputError(f"ONNX has no operator for {kind.name}; export takes the network as it is")
    more: dict[str, Any] = {"axis": 1} if kind.across_units else {}
    return helper.make_node(_OPERATORS[kind.name], [z], [output], name, **more)
