"""PyTorch: a program of ``torch.export`` in a .pt2 file: a ZIP file with a graph in JSON and raw weights; no torch needed.

The schema may change with its major version, so others are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.model_files.chain import ACTIVATIONS, LARGEST, Chain, Imported, Refusal
from nnhw.model_files.conversion import Settings
from nnhw.model_files.formats.archive import Archive
from nnhw.model_files.formats.pytorch import LEAK, batch_norm, bfloat16, close, softplus
from nnhw.model_files.strict_json import Node

_SCHEMA = 8
_BFLOAT16 = 13
_TYPES = {4: "<i4", 5: "<i8", 6: "<f2", 7: "<f4", 8: "<f8", _BFLOAT16: "<u2"}
_ATEN = "torch.ops.aten."
_NOTHING = ("dropout.default", "clone.default", "contiguous.default", "alias.default", "detach.default")
_SUPPORTED = f"linear, batch_norm, flatten, reshape, arithmetic with constants, {ACTIVATIONS}"


def read_pt2(content: bytes, settings: Settings) -> Imported:
    """The network in a .pt2 file. Raises Refusal that names the node, or Fault."""
    archive = Archive(content)
    found = [name for name in archive.names if name.endswith("models/model.json")]
    if len(found) != 1:
        kind = (
            "a program of torch.jit, which holds code"
            if any("/code/" in name for name in archive.names)
            else "no .pt2"
        )
        raise Refusal(
            f"is {kind}; save the model with torch.export.save(torch.export.export(model, (example,)), 'model.pt2')"
        )
    model = archive.json(found[0])
    version = model.at("schema_version", "major").integer(0)
    if version != _SCHEMA:
        raise Refusal(f"schema {version} of torch.export; supported: {_SCHEMA}. Export to .onnx instead")
    return _Program(archive, found[0].removesuffix("models/model.json"), model).read()


class _Program:
    """The walk along the graph."""

    def __init__(self, archive: Archive, folder: str, model: Node) -> None:
        self._archive = archive
        self._folder = folder
        if f"{folder}byteorder" in archive.names and archive.read(f"{folder}byteorder").strip() != b"little":
            raise Refusal("the weights are big-endian; supported: little-endian")
        self._graph = model.at("graph_module", "graph")
        self._outputs = [
            _name(entry.at("user_output", "arg"))
            for entry in model.at("graph_module", "signature", "output_specs").items()
        ]
        self.constants: dict[str, NDArray[Any]] = {}
        inputs = self._sort_inputs(model.at("graph_module", "signature", "input_specs"))
        if len(inputs) != 1:
            raise Refusal(f"has {len(inputs)} inputs; supported: one")
        self.current = inputs[0]
        sizes = self._graph.at("tensor_values", self.current, "sizes").items()
        self.chain = Chain(tuple(size.at("as_int").integer(1) for size in sizes[1:]))

    def _sort_inputs(self, specs: Node) -> list[str]:
        """Read the weights; the names of the inputs that the user gives remain."""
        inputs = []
        for spec in specs.items():
            kinds = list(spec.mapping())
            entry = spec.at(*kinds[:1])
            if kinds == ["user_input"]:
                inputs.append(_name(entry.at("arg")))
            elif kinds == ["parameter"] or kinds == ["buffer"]:
                self._read_weights(entry.at("arg", "name").text(), "weights", entry.at(f"{kinds[0]}_name").text())
            elif kinds == ["tensor_constant"]:
                self._read_weights(
                    entry.at("arg", "name").text(), "constants", entry.at("tensor_constant_name").text()
                )
            else:
                raise spec.fault(f"found the input {', '.join(kinds)}; supported: weights and one tensor")
        return inputs

    def _read_weights(self, name: str, group: str, key: str) -> None:
        table = self._archive.json(f"{self._folder}data/{group}/model_{group}_config.json").at("config")
        entry = table.at(key)
        if "use_pickle" in entry and entry["use_pickle"].value is not False:
            raise entry.fault("is stored as a pickle, which is not read")
        meta = entry.at("tensor_meta")
        shape = [size.at("as_int").integer(1) for size in meta.at("sizes").items()]
        strides = [stride.at("as_int").integer(0) for stride in meta.at("strides").items()]
        kind = meta.at("dtype").integer(0)
        raw = self._archive.read(f"{self._folder}data/{group}/{entry.at('path_name').text()}")
        packed = [prod(shape[index + 1 :]) for index in range(len(shape))]
        if kind not in _TYPES or strides != packed or meta.at("storage_offset", "as_int").integer(0) != 0:
            raise entry.fault("supported: numbers that lie row by row; call .contiguous() before the export")
        if len(raw) != prod(shape) * np.dtype(_TYPES[kind]).itemsize:
            raise entry.fault(f"{len(raw)} bytes do not hold the shape {shape}; is the file complete?")
        array = bfloat16(raw) if kind == _BFLOAT16 else np.frombuffer(raw, _TYPES[kind])
        self.constants[name] = array.reshape(shape)

    def read(self) -> Imported:
        """Follow the graph to its output."""
        for node in self._graph.at("nodes").items():
            call = _Call(self, node)
            if call.kind in _OPERATORS:
                _OPERATORS[call.kind](self.chain, call)
            elif call.kind in _NOTHING:
                self.chain.dropped.append(call.place)
            else:
                raise Refusal(f"{call.place} is not supported; supported: {_SUPPORTED}")
            self.current = call.output
        if self._outputs != [self.current]:
            raise Refusal(f"has the outputs {', '.join(self._outputs)}; supported: one, at the end of the chain")
        return self.chain.finish()


def _name(argument: Node) -> str:
    return argument.at("as_tensor", "name").text()


class _Call:
    """One node: its data, which is the value before it, and its arguments by name."""

    def __init__(self, program: _Program, node: Node) -> None:
        self.kind = node.at("target").text().removeprefix(_ATEN)
        outputs = node.at("outputs").items()
        self.output = _name(outputs[0]) if len(outputs) == 1 else ""
        self.place = f"node {self.output!r} ({self.kind.partition('.')[0]})"
        self._arguments = {entry.at("name").text(): entry.at("arg") for entry in node.at("inputs").items()}
        self._constants = program.constants
        tensors = [_name(entry) for entry in self._arguments.values() if "as_tensor" in entry.mapping()]
        data = [name for name in tensors if name not in program.constants]
        if data != [program.current] or tensors[0] != program.current:
            raise Refusal(
                f"{self.place}: takes {' and '.join(tensors)}; supported: {program.current!r} first, not a branch"
            )

    def tensor(self, name: str) -> NDArray[Any] | None:
        """An argument that is a constant tensor, or a number; None where it is absent."""
        argument = self._arguments.get(name)
        if argument is None or "as_none" in argument:
            return None
        if "as_tensor" in argument:
            return self._constants[_name(argument)]
        return np.array(self.number(name, 0.0))

    def needed(self, name: str) -> NDArray[Any]:
        """``tensor``, which must be there."""
        found = self.tensor(name)
        if found is None:
            raise Refusal(f"{self.place}: has no {name}")
        return found

    def number(self, name: str, default: float) -> float:
        """An argument that is a number."""
        argument = self._arguments.get(name)
        if argument is None:
            return default
        return argument.at("as_int" if "as_int" in argument else "as_float").number(LARGEST)

    def sizes(self, name: str) -> list[int]:
        """An argument that lists sizes."""
        argument = self._arguments.get(name)
        if argument is None or "as_ints" not in argument:
            raise Refusal(f"{self.place}: the shape is not fixed; export the model without dynamic shapes")
        return [size.integer(-1) for size in argument["as_ints"].items()]


def _linear(chain: Chain, call: _Call) -> None:
    bias = call.tensor("bias")
    chain.dense(call.place, call.needed("weight"), np.zeros(1) if bias is None else bias)


def _batch_norm(chain: Chain, call: _Call) -> None:
    weight, bias = call.tensor("weight"), call.tensor("bias")
    statistics = (call.needed("running_mean"), call.needed("running_var"), call.number("eps", 1e-5))
    batch_norm(chain, call.place, *statistics, 1.0 if weight is None else weight, 0.0 if bias is None else bias)


def _prelu(chain: Chain, call: _Call) -> None:
    slopes = call.needed("weight")
    if slopes.size != 1:
        raise Refusal(f"{call.place}: a slope for each unit is not supported; supported: one slope")
    chain.activate(call.place, "leaky_relu", float(slopes.reshape(-1)[0]))


def _softmax(chain: Chain, call: _Call) -> None:
    if call.number("dim", -1) not in (1, -1):
        raise Refusal(f"{call.place}: over dimension {call.number('dim', -1):g}; supported: over the units of a row")
    close(chain, call.place, call.kind.partition(".")[0])


def _flatten(chain: Chain, call: _Call) -> None:
    if call.number("start_dim", 0) != 1 or call.number("end_dim", -1) not in (-1, len(chain.shape)):
        raise Refusal(f"{call.place}: supported: start_dim=1, all behind the batch")
    _reshape_to(chain, call, (chain.size,))


def _reshape(chain: Chain, call: _Call) -> None:
    wanted = call.sizes("shape" if call.kind.startswith("reshape") else "size")
    row = wanted[1:]
    if row.count(-1) == 1 and wanted[0] != -1:
        row[row.index(-1)] = chain.size // max(1, prod(size for size in row if size != -1))
    _reshape_to(chain, call, tuple(row))


def _reshape_to(chain: Chain, call: _Call, row: tuple[int, ...]) -> None:
    chain.reshape(call.place, row)
    chain.dropped.append(call.place)


def _added(sign: float) -> Callable[[Chain, _Call], None]:
    def apply(chain: Chain, call: _Call) -> None:
        chain.scale(call.place, 1.0, sign * call.number("alpha", 1.0) * call.needed("other"))

    return apply


def _closing(name: str) -> Callable[[Chain, _Call], None]:
    return lambda chain, call: close(chain, call.place, name)


_OPERATORS: dict[str, Callable[[Chain, _Call], None]] = {
    "linear.default": _linear,
    "batch_norm.default": _batch_norm,
    "relu.default": _closing("relu"),
    "relu_.default": _closing("relu"),
    "tanh.default": _closing("tanh"),
    "sigmoid.default": _closing("sigmoid"),
    "leaky_relu.default": lambda chain, call: close(
        chain, call.place, "leaky_relu", call.number("negative_slope", LEAK)
    ),
    "prelu.default": _prelu,
    "softplus.default": lambda chain, call: softplus(chain, call.place, call.number("beta", 1.0)),
    "softmax.int": _softmax,
    "log_softmax.int": _softmax,
    "flatten.using_ints": _flatten,
    "reshape.default": _reshape,
    "view.default": _reshape,
    "add.Tensor": _added(1.0),
    "sub.Tensor": _added(-1.0),
    "mul.Tensor": lambda chain, call: chain.scale(call.place, call.needed("other")),
    "div.Tensor": lambda chain, call: chain.scale(call.place, 1.0 / call.needed("other")),
}
