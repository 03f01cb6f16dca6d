"""TensorFlow Lite: a .tflite file of floats that is a chain of dense operators; weights are (units, inputs).

Files of integers are refused: they hold another quantization, whose integers would not be kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import tflite
from numpy.typing import NDArray

from nnhw.model_files.chain import ACTIVATIONS, Chain, Imported, Refusal
from nnhw.model_files.conversion import Settings

_KINDS = {number: name for name, number in vars(tflite.BuiltinOperator).items() if isinstance(number, int)}
_FUSED = {number: name for name, number in vars(tflite.ActivationFunctionType).items() if isinstance(number, int)}
_TYPES = {number: name for name, number in vars(tflite.TensorType).items() if isinstance(number, int)}
_FLOATS = {"FLOAT32": "<f4", "FLOAT16": "<f2", "FLOAT64": "<f8"}
_OPTIONS: dict[str, Any] = {
    "FULLY_CONNECTED": tflite.FullyConnectedOptions,
    "ADD": tflite.AddOptions,
    "SUB": tflite.SubOptions,
    "MUL": tflite.MulOptions,
    "DIV": tflite.DivOptions,
    "LEAKY_RELU": tflite.LeakyReluOptions,
    "SOFTMAX": tflite.SoftmaxOptions,
}
_SUPPORTED = f"FULLY_CONNECTED, RESHAPE, arithmetic with constants, {ACTIVATIONS}"


@dataclass(frozen=True, eq=False)
class _Tensor:
    """Shape with the batch, name of the type, and the values of a constant."""

    shape: tuple[int, ...]
    kind: str
    constant: NDArray[Any] | None


@dataclass(frozen=True)
class _Operator:
    """One operator; ``fused`` is the activation that it ends with, ``number`` its slope or factor."""

    kind: str
    place: str
    inputs: tuple[int, ...]
    output: int
    fused: str
    number: float


def read_tflite(content: bytes, settings: Settings) -> Imported:
    """The network in a .tflite file. Raises Refusal that names the operator."""
    try:
        tensors, operators, inputs, outputs = _parse(content)
    except Refusal:
        raise
    except Exception as error:  # whatever reading a damaged file at wrong places raises
        raise Refusal(f"not a readable .tflite file: {error}") from None
    if len(inputs) != 1 or len(outputs) != 1:
        raise Refusal(f"has {len(inputs)} inputs and {len(outputs)} outputs; supported: one of each")
    integers = next((tensor.kind for tensor in tensors if tensor.kind in ("INT8", "UINT8", "INT16")), None)
    if integers is not None:
        raise Refusal(
            f"holds integers ({integers}) of another quantization; convert the float model that it was made of"
        )
    chain = Chain(tensors[inputs[0]].shape[1:])
    current = inputs[0]
    for operator in _joined(tensors, operators):
        data = [index for index in operator.inputs if index >= 0 and tensors[index].constant is None]
        if data != [current]:
            raise Refusal(f"{operator.place}: takes the tensors {data}; supported: {current} alone, not a branch")
        constants = [tensors[index].constant for index in operator.inputs if index >= 0 and index != current]
        _apply(chain, operator, [array for array in constants if array is not None], operator.inputs[0] == current)
        if operator.kind == "RESHAPE":
            chain.reshape(operator.place, tensors[operator.output].shape[1:])
            chain.dropped.append(operator.place)
        current = operator.output
    if outputs != [current]:
        raise Refusal(f"has the output {outputs[0]}, which is not at the end of the chain")
    return chain.finish()


def _parse(content: bytes) -> tuple[list[_Tensor], list[_Operator], list[int], list[int]]:
    """The tables of the file's one graph; a count that the file has no room for is a fault."""
    if content[4:8] != b"TFL3":
        raise Refusal("not a .tflite file: it does not say TFL3")
    model = tflite.Model.GetRootAsModel(content, 0)
    if model.SubgraphsLength() != 1:
        raise Refusal(f"has {model.SubgraphsLength()} graphs; supported: one")
    graph = model.Subgraphs(0)
    if max(graph.TensorsLength(), graph.OperatorsLength()) > len(content) // 4:
        raise Refusal("not a readable .tflite file: it has no room for what it lists")
    tensors = [_tensor(model, graph.Tensors(index)) for index in range(graph.TensorsLength())]
    operators = [_operator(model, graph.Operators(index), index) for index in range(graph.OperatorsLength())]
    inputs, outputs = (list(map(int, numbers)) for numbers in (graph.InputsAsNumpy(), graph.OutputsAsNumpy()))
    used = [
        *inputs,
        *outputs,
        *(index for entry in operators for index in (*entry.inputs, entry.output) if index >= 0),
    ]
    if not all(0 <= index < len(tensors) for index in used):
        raise Refusal("not a readable .tflite file: it names a tensor that it does not hold")
    return tensors, operators, inputs, outputs


def _tensor(model: Any, tensor: Any) -> _Tensor:
    kind = _TYPES.get(tensor.Type(), str(tensor.Type()))
    shape = tuple(map(int, tensor.ShapeAsNumpy())) if tensor.ShapeLength() else ()
    buffer = model.Buffers(tensor.Buffer())
    constant = None
    if buffer is not None and buffer.DataLength() and kind in (*_FLOATS, "INT32"):
        raw = buffer.DataAsNumpy().tobytes()
        array = np.frombuffer(raw, _FLOATS.get(kind, "<i4"))
        if array.size != prod(shape):
            raise Refusal(f"tensor {tensor.Name()!r}: {len(raw)} bytes do not hold the shape {shape}")
        constant = array.reshape(shape)
    return _Tensor(shape, kind, constant)


def _operator(model: Any, operator: Any, index: int) -> _Operator:
    code = model.OperatorCodes(operator.OpcodeIndex())
    kind = _KINDS.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "unknown")
    fused, number = "NONE", 1.0
    if kind in _OPTIONS and operator.BuiltinOptions() is not None:
        options, table = _OPTIONS[kind](), operator.BuiltinOptions()
        options.Init(table.Bytes, table.Pos)
        if kind == "LEAKY_RELU":
            number = float(options.Alpha())
        elif kind == "SOFTMAX":
            number = float(options.Beta())
        else:
            fused = _FUSED.get(options.FusedActivationFunction(), "unknown")
    outputs = operator.OutputsAsNumpy()
    if operator.OutputsLength() != 1:
        raise Refusal(f"operator {index} ({kind}): has {operator.OutputsLength()} outputs; supported: one")
    inputs = tuple(map(int, operator.InputsAsNumpy())) if operator.InputsLength() else ()
    return _Operator(kind, f"operator {index} ({kind})", inputs, int(outputs[0]), fused, number)


def _joined(tensors: list[_Tensor], operators: list[_Operator]) -> list[_Operator]:
    """The operators, EXP, ADD 1, LOG in a row as the softplus that they are."""
    found: list[_Operator] = []
    for operator in operators:
        if operator.kind == "LOG" and [entry.kind for entry in found[-2:]] == ["EXP", "ADD"]:
            before, added = found[-2:]
            constants = [tensors[index].constant for index in added.inputs if index >= 0]
            ones = all(array is None or (array == 1).all() for array in constants)
            if (
                ones
                and before.output in added.inputs
                and operator.inputs == (added.output,)
                and added.fused == "NONE"
            ):
                found[-2:] = [_Operator("SOFTPLUS", operator.place, before.inputs, operator.output, "NONE", 1.0)]
                continue
        found.append(operator)
    return found


def _apply(chain: Chain, operator: _Operator, constants: list[NDArray[Any]], data_first: bool) -> None:
    kind, place = operator.kind, operator.place
    if kind == "FULLY_CONNECTED" and constants and data_first:
        chain.dense(place, constants[0], constants[1] if len(constants) > 1 else 0.0)
    elif kind in ("ADD", "SUB", "MUL", "DIV") and len(constants) == 1:
        _ARITHMETIC[kind, data_first](chain, place, constants[0].astype(np.float64))
    elif kind in _ACTIVATIONS:
        chain.activate(place, _ACTIVATIONS[kind])
    elif kind == "LEAKY_RELU":
        chain.activate(place, "leaky_relu", operator.number)
    elif kind in ("SOFTMAX", "LOG_SOFTMAX"):
        chain.scale(place, operator.number)
        chain.softmax(place, is_logarithm=kind == "LOG_SOFTMAX")
    elif kind != "RESHAPE":
        raise Refusal(f"{place} is not supported; supported: {_SUPPORTED}")
    if operator.fused not in ("NONE", *_ACTIVATIONS):
        raise Refusal(f"{place}: the activation {operator.fused} is not supported; supported: {ACTIVATIONS}")
    if operator.fused != "NONE":
        chain.activate(place, _ACTIVATIONS[operator.fused])


_ACTIVATIONS = {"RELU": "relu", "TANH": "tanh", "LOGISTIC": "logsig", "SOFTPLUS": "softplus"}


def _undividable(chain: Chain, place: str, constant: NDArray[Any]) -> None:
    raise Refusal(f"{place}: divides a constant by the data, which is not supported")


_ARITHMETIC: dict[tuple[str, bool], Callable[[Chain, str, NDArray[Any]], None]] = {
    ("ADD", True): lambda chain, place, constant: chain.scale(place, 1.0, constant),
    ("ADD", False): lambda chain, place, constant: chain.scale(place, 1.0, constant),
    ("SUB", True): lambda chain, place, constant: chain.scale(place, 1.0, -constant),
    ("SUB", False): lambda chain, place, constant: chain.scale(place, -1.0, constant),
    ("MUL", True): lambda chain, place, constant: chain.scale(place, constant),
    ("MUL", False): lambda chain, place, constant: chain.scale(place, constant),
    ("DIV", True): lambda chain, place, constant: chain.scale(place, 1.0 / constant),
    ("DIV", False): _undividable,
}
