"""The graph of an ONNX file as plain records: constants are arrays, and operators on constants are carried out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from nnhw.model_files.chain import Refusal

CLASSES_KEY, INPUTS_KEY = "nnhw.classes", "nnhw.inputs"
"""The entries of the file's metadata that hold the names of classes and inputs, as JSON lists."""

_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")


@dataclass(frozen=True, eq=False)
class Step:
    """One operator. ``values`` names its inputs; ``constants`` holds the arrays of those that are constant."""

    kind: str
    place: str
    values: tuple[str, ...]
    constants: tuple[NDArray[Any] | None, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    @property
    def output(self) -> str:
        """The name of the first output."""
        return self.outputs[0]

    def get(self, name: str, default: Any) -> Any:
        """An attribute, which must be of the kind of ``default``: a number, or a tuple."""
        value = self.attributes.get(name, default)
        if not isinstance(value, (list, tuple) if isinstance(default, tuple) else (int, float)):
            raise Refusal(f"{self.place}: {name} is {str(value)[:40]!r}")
        return value

    def constant(self, index: int) -> NDArray[Any]:
        """Input number ``index``, which must be a constant array of numbers."""
        value = self.constants[index] if index < len(self.constants) else None
        if value is None:
            raise Refusal(
                f"{self.place}: input {index + 1} is not a constant; supported: data first, weights from the file"
            )
        if value.dtype.kind not in "fiu":
            raise Refusal(f"{self.place}: input {index + 1} holds no numbers")
        return value

    def other(self) -> NDArray[Any]:
        """The constant beside the data, on either side."""
        return self.constant(0 if self.constants and self.constants[0] is not None else 1)


class Graph:
    """The operators in the file's order, less those that only make constants. Raises Refusal."""

    def __init__(self, content: bytes) -> None:
        try:
            model = onnx.load_model_from_string(content)
            graph = model.graph
            self._constants = {_text(tensor.name): _array(tensor) for tensor in graph.initializer}
            inputs = [(_text(entry.name), entry.type.tensor_type.shape) for entry in graph.input]
            shapes = {name: [int(size.dim_value) for size in shape.dim] for name, shape in inputs}
            self.outputs = tuple(_text(entry.name) for entry in graph.output)
            self.opset = max(
                (entry.version for entry in model.opset_import if entry.domain in _DOMAINS[:2]), default=1
            )
            nodes = [_plain(node) for node in graph.node]
            metadata = {_text(entry.key): _text(entry.value) for entry in model.metadata_props}
            sparse = len(graph.sparse_initializer)
        except Refusal:
            raise
        except Exception as error:  # whatever the parser of a damaged file may raise
            raise Refusal(f"not a readable ONNX file: {error}") from None
        if sparse:
            raise Refusal("has sparse weights; supported: dense ones")
        self.classes, self.names = (_name_list(key, metadata.get(key)) for key in (CLASSES_KEY, INPUTS_KEY))
        self.input_name, self.input_shape = self._only_input(shapes)
        self._steps = [step for node in nodes if (step := self._fold(node)) is not None]

    def _only_input(self, shapes: dict[str, list[int]]) -> tuple[str, tuple[int, ...]]:
        names = [name for name in shapes if name not in self._constants]
        if len(names) != 1:
            raise Refusal(
                f"has {len(names)} inputs ({', '.join(names)}); supported: one (of a Keras model with a Normalization "
                "layer, convert the .keras file)"
            )
        shape = shapes[names[0]]
        if not shape or any(size < 1 for size in shape[1:]) or (len(shape) == 1 and shape[0] < 1):
            raise Refusal(f"input {names[0]!r} has no fixed number of values; export the model with one")
        return names[0], tuple(shape)

    def _fold(self, node: Step) -> Step | None:
        """The step with its constants, or None where it only made constants."""
        constants = tuple(self._constants.get(name) for name in node.values)
        step = Step(node.kind, node.place, node.values, constants, node.outputs, node.attributes)
        if not step.outputs:
            raise Refusal(f"{step.place}: has no output")
        if node.kind == "Constant":
            self._constants[step.output] = _value(step)
            return None
        if node.kind in _FOLDED and all(value is not None for value in constants) and constants:
            try:
                self._constants[step.output] = _FOLDED[node.kind](step)
            except (ValueError, TypeError, IndexError, KeyError, OverflowError) as error:
                raise Refusal(f"{step.place}: {error}") from None
            return None
        return step

    def users(self, name: str) -> list[Step]:
        """The steps that take the value called ``name`` and are not taken yet."""
        return [step for step in self._steps if name in step.values]

    def take(self, name: str) -> Step | None:
        """The one step that goes on with the value called ``name``; None where nothing does."""
        users = self.users(name)
        if not users:
            return None
        if len(users) > 1:
            raise Refusal(f"{users[0].place}: {name!r} goes into {len(users)} operators: a branch")
        (step,) = users
        self.remove([step])
        data = [value for value, array in zip(step.values, step.constants, strict=True) if value and array is None]
        if data != [name]:
            raise Refusal(f"{step.place}: takes {' and '.join(data)}; supported: {name!r} alone, not a branch")
        return step

    def remove(self, steps: Sequence[Step]) -> None:
        """Count ``steps`` as taken."""
        self._steps = [step for step in self._steps if not any(step is gone for gone in steps)]

    def rest(self) -> list[Step]:
        """The steps that are not taken."""
        return list(self._steps)


def _array(tensor: onnx.TensorProto) -> NDArray[Any]:
    if tensor.data_location == onnx.TensorProto.EXTERNAL or len(tensor.external_data):
        location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "?")
        raise Refusal(
            f"the weights {tensor.name!r} lie in another file, {location!r}, which is not opened; export the model as one "
            "file (torch.onnx.export(..., external_data=False); onnx.save after onnx.load)"
        )
    array = numpy_helper.to_array(tensor)
    narrow = (onnx.TensorProto.BFLOAT16, onnx.TensorProto.FLOAT16)
    return array.astype(np.float32) if tensor.data_type in narrow else np.asarray(array)


def _plain(node: onnx.NodeProto) -> Step:
    """A node as a step whose constants are not known yet."""
    kind = _text(node.op_type) if node.domain in _DOMAINS else f"{_text(node.domain)}.{_text(node.op_type)}"
    attributes = {}
    for entry in node.attribute:
        if entry.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
            continue  # of control flow, which is refused by its kind
        value = helper.get_attribute_value(entry)
        attributes[_text(entry.name)] = _array(value) if isinstance(value, onnx.TensorProto) else value
    inputs, outputs = (tuple(map(_text, names)) for names in (node.input, node.output))
    name = _text(node.name) or (outputs[0] if outputs else "?")
    return Step(kind, f"node {name!r} ({kind})", inputs, (), outputs, attributes)


def _text(name: str | bytes) -> str:
    """A name; the parser leaves one that is not UTF-8 as bytes."""
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else name


def _value(step: Step) -> NDArray[Any]:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        if name in step.attributes:
            return np.asarray(step.attributes[name])
    raise Refusal(f"{step.place}: of {', '.join(step.attributes) or 'nothing'}; supported: numbers")


def _name_list(key: str, text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    try:
        return tuple(map(str, json.loads(text)))
    except (ValueError, TypeError, RecursionError):
        raise Refusal(f"the metadata {key} is no JSON list of names") from None


def _dequantized(step: Step) -> NDArray[Any]:
    codes, scale = step.constant(0).astype(np.float64), step.constant(1).astype(np.float64)
    zero = step.constant(2).astype(np.float64) if len(step.constants) > 2 else np.zeros(())
    if scale.ndim == 1 and scale.size > 1:
        shape = [1] * codes.ndim
        shape[step.get("axis", 1)] = scale.size
        scale, zero = scale.reshape(shape), zero.reshape(shape) if zero.size > 1 else zero
    if scale.size not in (1, *codes.shape):
        raise ValueError("blocks of scales are not supported")
    return (codes - zero) * scale


_FOLDED: dict[str, Callable[[Step], NDArray[Any]]] = {
    "Transpose": lambda step: step.constant(0).transpose(step.attributes.get("perm")),
    "Cast": lambda step: step.constant(0).astype(helper.tensor_dtype_to_np_dtype(step.get("to", 0))),
    "Sqrt": lambda step: np.sqrt(step.constant(0)),
    "Identity": lambda step: step.constant(0),
    "Reshape": lambda step: step.constant(0).reshape(step.constant(1)),
    "Squeeze": lambda step: step.constant(0).squeeze(),
    "Unsqueeze": lambda step: step.constant(0)[None],
    "DequantizeLinear": _dequantized,
}
