"""ONNX: a chain of dense operators, as scikit-learn, PyTorch, Keras and TensorFlow write it.

The graph is followed from its one input; every value is used once. What skl2onnx writes behind the head, labels and
columns of probabilities, is skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
from onnx import TensorProto

from nnhw.model_files.chain import ACTIVATIONS, Chain, Imported, Refusal
from nnhw.model_files.conversion import Settings
from nnhw.model_files.formats.onnx_graph import Graph, Step

_NOTHING = ("Identity", "Dropout")
_LABELS = ("ArgMax", "ArrayFeatureExtractor", "ZipMap", "Cast", "Reshape", "Identity", "Sub", "Concat")
_ENDS = ("Softmax", "LogSoftmax")
_FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16)
_OLDEST_OPSET = 7
_SOFTPLUS_THRESHOLD = 15.0  # beyond it, softplus differs from its argument by less than 4e-7
_SUPPORTED = f"dense layers (Gemm, MatMul), constants added or multiplied, BatchNormalization, {ACTIVATIONS}"


def read_onnx(content: bytes, settings: Settings) -> Imported:
    """The network in an .onnx file. Raises Refusal that names the node."""
    graph = Graph(content)
    if graph.opset < _OLDEST_OPSET:
        raise Refusal(f"opset {graph.opset}; supported: {_OLDEST_OPSET} and later")
    return _Reader(graph).read()


class _Reader:
    """The walk along the graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        shape = graph.input_shape
        # A shape of one dimension has no batch: its values are one row.
        self._batch_axes = 1 if len(shape) > 1 else 0
        self._chain = Chain(shape[self._batch_axes :])
        self._labels = graph.classes

    def read(self) -> Imported:
        """Follow the graph to its output."""
        current = self._graph.input_name
        while (step := self._next(current)) is not None:
            if step.kind in _NOTHING:
                self._chain.dropped.append(step.place)
            elif step.kind in _OPERATORS:
                _OPERATORS[step.kind](self, step)
            else:
                raise Refusal(f"{step.place} is not supported; supported: {_SUPPORTED}")
            current = step.output
            if step.kind in _ENDS or (step.kind == "Sigmoid" and self._tells_two_columns(current)):
                break
        self._skip_labels(current)
        return self._chain.finish(names=self._graph.names, classes=self._labels)

    def _next(self, name: str) -> Step | None:
        """The step that goes on with the value; the three that dynamo writes for softplus count as one."""
        users = {step.kind: step for step in self._graph.users(name)}
        if set(users) == {"Softplus", "Greater", "Where"}:
            soft, greater, where = (users[kind] for kind in ("Softplus", "Greater", "Where"))
            beyond = greater.constants[1] if len(greater.constants) > 1 else None
            if (
                beyond is not None
                and beyond.size == 1
                and float(beyond.reshape(-1)[0]) >= _SOFTPLUS_THRESHOLD
                and greater.values[0] == name
                and where.values == (greater.output, name, soft.output)
            ):
                self._graph.remove([soft, greater, where])
                return replace(soft, outputs=where.outputs)
        return self._graph.take(name)

    def _tells_two_columns(self, name: str) -> bool:
        return any(step.kind == "Concat" for step in self._graph.users(name))

    def _skip_labels(self, current: str) -> None:
        """Pass over the rest of the graph, which may only name and arrange what the head gives."""
        behind = {current}
        for step in self._graph.rest():
            data = [
                value for value, array in zip(step.values, step.constants, strict=True) if value and array is None
            ]
            if step.kind not in _LABELS or not data or not set(data) <= behind:
                raise Refusal(
                    f"{step.place} is not between the input and {current!r}: a branch, which is not supported"
                )
            behind |= set(step.outputs)
            self._chain.dropped.append(step.place)
            labels = step.constants[0] if step.kind == "ArrayFeatureExtractor" else None
            if labels is not None:
                self._labels = tuple(_text(label) for label in labels.reshape(-1))
            elif step.kind == "ZipMap":
                found = step.get("classlabels_strings", ()) or step.get("classlabels_int64s", ())
                self._labels = tuple(_text(label) for label in found)
        outputs = self._graph.outputs
        if not set(outputs) <= behind or not outputs:
            raise Refusal(f"has the outputs {', '.join(outputs)}; supported: one, at the end of the chain")

    # One method per operator

    def gemm(self, step: Step) -> None:
        if step.get("transA", 0):
            raise Refusal(f"{step.place}: transA=1 is not supported; supported: rows times weights")
        weights = step.constant(1)
        bias = step.constants[2] if len(step.constants) > 2 else None
        matrix = weights if step.get("transB", 0) else weights.T
        added = np.zeros(1) if bias is None else step.constant(2).reshape(-1) * step.get("beta", 1.0)
        self._chain.dense(step.place, matrix * step.get("alpha", 1.0), added)

    def matmul(self, step: Step) -> None:
        self._chain.dense(step.place, step.constant(1).T)

    def add(self, step: Step) -> None:
        self._chain.scale(step.place, 1.0, step.other())

    def subtract(self, step: Step) -> None:
        if step.constants[:1] != (None,):
            self._chain.scale(step.place, -1.0, step.constant(0))
        else:
            self._chain.scale(step.place, 1.0, -step.constant(1))

    def multiply(self, step: Step) -> None:
        self._chain.scale(step.place, step.other())

    def divide(self, step: Step) -> None:
        self._chain.scale(step.place, 1.0 / step.constant(1))

    def scaler(self, step: Step) -> None:
        scale = np.asarray(step.get("scale", (1.0,)), dtype=np.float64)
        self._chain.scale(step.place, 1.0, -np.asarray(step.get("offset", (0.0,)), dtype=np.float64))
        self._chain.scale(step.place, scale)
        self._chain.folded.append(step.place)

    def batch_normalization(self, step: Step) -> None:
        if step.get("training_mode", 0):
            raise Refusal(f"{step.place}: is in training mode; export the model for inference")
        scale, shift, mean, variance = (step.constant(index) for index in range(1, 5))
        self._chain.scale(step.place, 1.0, -mean)
        self._chain.scale(step.place, 1 / np.sqrt(variance + step.get("epsilon", 1e-5)))
        self._chain.scale(step.place, scale, shift)
        self._chain.folded.append(step.place)

    def close(self, step: Step, name: str) -> None:
        self._chain.activate(step.place, name)

    def leaky_relu(self, step: Step) -> None:
        self._chain.activate(step.place, "leaky_relu", float(step.get("alpha", 0.01)))

    def parametric_relu(self, step: Step) -> None:
        slopes = np.unique(step.constant(1))
        if len(slopes) != 1:
            raise Refusal(f"{step.place}: a slope for each unit is not supported; supported: one slope")
        self._chain.activate(step.place, "leaky_relu", float(slopes[0]))

    def softmax(self, step: Step) -> None:
        axis = step.get("axis", -1 if self._graph.opset >= 13 else 1)
        if axis not in (-1, self._batch_axes):
            raise Refusal(f"{step.place}: axis {axis} is not supported; supported: over the units of a row")
        self._chain.softmax(step.place, is_logarithm=step.kind == "LogSoftmax")

    def cast(self, step: Step) -> None:
        if step.get("to", 0) not in _FLOATS:
            raise Refusal(f"{step.place}: a cast to integers is not supported; supported: to floats")

    def flatten(self, step: Step) -> None:
        axis = step.get("axis", 1)
        if axis not in (self._batch_axes, -len(self._chain.shape)):
            raise Refusal(f"{step.place}: axis {axis} is not supported; supported: one that keeps the rows")
        self._set_shape(step, (self._chain.size,))

    def reshape(self, step: Step) -> None:
        wanted = [int(size) for size in step.constant(1).reshape(-1)]
        size = self._chain.size
        if wanted == [-1, 1] and size > 1 and step.output in self._graph.outputs:
            self._chain.notes.append(
                f"{step.place} would take the {size} outputs of a row apart; they are kept together"
            )
            return
        row = wanted[1:] if len(wanted) > 1 or self._batch_axes else wanted
        if -1 in row and wanted[0] != -1:
            known = prod(value for value in row if value != -1)
            row[row.index(-1)] = size // known if known else 0
        if not row or min(row) < 1:
            raise Refusal(f"{step.place}: the shape {wanted} is not supported; supported: one that keeps the rows")
        self._set_shape(step, tuple(row))

    def _set_shape(self, step: Step, shape: tuple[int, ...]) -> None:
        self._chain.reshape(step.place, shape)
        self._batch_axes = 1
        self._chain.dropped.append(step.place)


def _text(label: Any) -> str:
    return label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label)


def _closing(name: str) -> Callable[[_Reader, Step], None]:
    return lambda reader, step: reader.close(step, name)


_OPERATORS: dict[str, Callable[[_Reader, Step], None]] = {
    "Gemm": _Reader.gemm,
    "MatMul": _Reader.matmul,
    "Add": _Reader.add,
    "Sub": _Reader.subtract,
    "Mul": _Reader.multiply,
    "Div": _Reader.divide,
    "Scaler": _Reader.scaler,
    "BatchNormalization": _Reader.batch_normalization,
    "Relu": _closing("relu"),
    "Tanh": _closing("tanh"),
    "Sigmoid": _closing("logsig"),
    "Softplus": _closing("softplus"),
    "LeakyRelu": _Reader.leaky_relu,
    "PRelu": _Reader.parametric_relu,
    "Softmax": _Reader.softmax,
    "LogSoftmax": _Reader.softmax,
    "Cast": _Reader.cast,
    "Flatten": _Reader.flatten,
    "Reshape": _Reader.reshape,
}
