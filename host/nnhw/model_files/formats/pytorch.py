"""PyTorch: a Sequential in Python, and the weights of a state dict in a .safetensors file; neither needs a pickle.

``nn.Linear.weight`` is (units, inputs), as here. A state dict holds no activations: the user names them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.model_files.chain import ACTIVATIONS, Chain, Imported, Refusal
from nnhw.model_files.conversion import Settings
from nnhw.model_files.strict_json import Node, read_json

LEAK = 0.01
"""The left slope of LeakyReLU where none is told."""
_BATCH_NORM_EPSILON = 1e-5  # a state dict does not hold it
_HEADER_BYTES = 8
_TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4"}
_NAMES = {
    "relu": "relu",
    "leaky_relu": "leaky_relu",
    "sigmoid": "logsig",
    "logsig": "logsig",
    "softplus": "softplus",
    "tanh": "tanh",
    "softmax": "softmax",
    "log_softmax": "softmax",
    "identity": "identity",
    "linear": "identity",
}
_REMEDY = (
    "add --activations, one for each dense layer in turn, for example relu,softmax (leaky_relu:0.2 tells a slope)"
)


def bfloat16(raw: bytes) -> NDArray[np.float32]:
    """The numbers whose upper halves ``raw`` holds."""
    return (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")


def close(chain: Chain, place: str, name: str, slope: float | None = None) -> None:
    """Apply an activation that is called as here or as in PyTorch."""
    if name not in _NAMES:
        raise Refusal(f"{place}: the activation {name!r} is not supported; supported: {ACTIVATIONS}")
    if _NAMES[name] == "softmax":
        chain.softmax(place, is_logarithm=name == "log_softmax")
    elif _NAMES[name] != "identity":
        chain.activate(place, _NAMES[name], (LEAK if slope is None else slope) if name == "leaky_relu" else None)


def batch_norm(
    chain: Chain, place: str, mean: NDArray[Any], variance: NDArray[Any], epsilon: float, scale: Any, shift: Any
) -> None:
    """Apply ``scale * (x - mean) / sqrt(variance + epsilon) + shift``."""
    chain.scale(place, 1.0, -mean)
    chain.scale(place, 1 / np.sqrt(variance.astype(np.float64) + epsilon))
    chain.scale(place, scale, shift)
    chain.folded.append(place)


# .safetensors


@dataclass
class _Module:
    """The tensors that a state dict holds of one module."""

    name: str
    tensors: dict[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def place(self) -> str:
        return f"layer {self.name!r}"

    @property
    def is_dense(self) -> bool:
        return (
            "weight" in self.tensors and self.tensors["weight"].ndim == 2 and set(self.tensors) <= {"weight", "bias"}
        )

    @property
    def is_batch_norm(self) -> bool:
        return {"running_mean", "running_var"} <= set(self.tensors)


def read_safetensors(content: bytes, settings: Settings) -> Imported:
    """The network of a state dict and of ``settings.activations``. Raises Refusal or Fault."""
    modules = _modules(content)
    for module in modules:
        if not module.is_dense and not module.is_batch_norm:
            shapes = ", ".join(f"{key} {array.shape}" for key, array in module.tensors.items())
            raise Refusal(f"{module.place} ({shapes}) is no Linear and no BatchNorm1d, which alone are supported")
    dense = [module for module in modules if module.is_dense]
    if not dense:
        raise Refusal("holds no weights of a dense layer")
    names = list(settings.activations)
    if len(names) == len(dense) - 1:
        names.append("identity")
    if len(names) != len(dense) or not settings.activations:
        count = len(settings.activations)
        raise Refusal(f"weights alone do not tell the activations: found {count} for {len(dense)} layers; {_REMEDY}")
    first = modules[0].tensors
    chain = Chain(((first["weight"].shape[1] if modules[0].is_dense else first["running_mean"].size),))
    if not all(part.isdecimal() for module in modules for part in module.name.split(".")[-1:]):
        order = ", ".join(module.name for module in modules)
        chain.notes.append(f"the layers are taken in the order {order}; a state dict does not tell it")
    _build(chain, modules, names)
    return chain.finish()


def _build(chain: Chain, modules: list[_Module], names: list[str]) -> None:
    """Every dense layer with the norms behind it; its activation stands where a number is left out, else behind them."""
    remaining = iter(names)
    waiting: tuple[str, str] | None = None
    for index, module in enumerate(modules):
        tensors = module.tensors
        if module.is_dense:
            chain.dense(module.place, tensors["weight"], tensors.get("bias", np.zeros(1)))
            waiting = (module.place, next(remaining))
        else:
            pair = (tensors.get("weight", np.ones(1)), tensors.get("bias", np.zeros(1)))
            statistics = (tensors["running_mean"], tensors["running_var"])
            batch_norm(chain, module.place, *statistics, _BATCH_NORM_EPSILON, *pair)
        following = modules[index + 1] if index + 1 < len(modules) else None
        if waiting and (following is None or following.is_dense or _leaves_out(module.name, following.name)):
            _close_told(chain, *waiting)
            waiting = None


def _leaves_out(name: str, following: str) -> bool:
    """True where both names end in numbers, and at least one lies between them."""
    before, after = name.rpartition(".")[2], following.rpartition(".")[2]
    return before.isdecimal() and after.isdecimal() and int(after) > int(before) + 1


def _close_told(chain: Chain, place: str, told: str) -> None:
    name, _, text = told.partition(":")
    try:
        slope = float(text) if text else None
    except ValueError:
        raise Refusal(f"the activation {told!r}: {text!r} is no slope; {_REMEDY}") from None
    if slope is not None and name != "leaky_relu":
        raise Refusal(f"the activation {told!r}: only leaky_relu takes a slope")
    close(chain, place, name, slope)


def _modules(content: bytes) -> list[_Module]:
    """The modules of a .safetensors file, in the order of their names, numbers by value."""
    length = int.from_bytes(content[:_HEADER_BYTES], "little")
    start = _HEADER_BYTES + length
    if len(content) < _HEADER_BYTES or start > len(content):
        raise Refusal("not a readable .safetensors file: it is shorter than its header says")
    header = Node(read_json(content[_HEADER_BYTES:start]), "header")
    modules: dict[str, _Module] = {}
    for key in header.mapping():
        if key == "__metadata__" or key.endswith("num_batches_tracked"):
            continue
        name, _, tensor = key.rpartition(".")
        modules.setdefault(name, _Module(name)).tensors[tensor] = _tensor(header[key], content[start:])
    return sorted(modules.values(), key=lambda module: [_order(part) for part in module.name.split(".")])


def _order(part: str) -> tuple[bool, int, str]:
    return (False, int(part), "") if part.isdecimal() else (True, 0, part)


def _tensor(node: Node, data: bytes) -> NDArray[Any]:
    kind = node.at("dtype").one_of((*_TYPES, "BF16"))
    shape = [size.integer(0) for size in node.at("shape").items()]
    offsets = [offset.integer(0, len(data)) for offset in node.at("data_offsets").items()]
    width = 2 if kind == "BF16" else np.dtype(_TYPES[kind]).itemsize
    if len(offsets) != 2 or offsets[1] - offsets[0] != prod(shape) * width:
        raise node.fault(f"the bytes {offsets} do not hold {shape} of {kind}; is the file complete?")
    raw = data[offsets[0] : offsets[1]]
    return (bfloat16(raw) if kind == "BF16" else np.frombuffer(raw, _TYPES[kind])).reshape(shape)


# A Sequential in Python


def read_object(model: Any) -> Imported:
    """The network in a ``torch.nn.Sequential``, as it computes in eval mode. Raises Refusal that names the child."""
    if _kind(model) != "Sequential":
        raise Refusal(
            "is not a torch.nn.Sequential; save it with torch.export.save(torch.export.export(model, (example,)), "
            "'model.pt2') and convert that file"
        )
    children = list(_children(model, ""))
    sizes = (getattr(child, name, None) for _, child in children for name in ("in_features", "num_features"))
    size = next((size for size in sizes if isinstance(size, int)), None)
    if size is None:
        raise Refusal("holds no torch.nn.Linear")
    chain = Chain((size,))
    for name, child in children:
        _child(chain, f"layer {name!r} ({_kind(child)})", child)
    return chain.finish()


def _kind(module: Any) -> str:
    """The class of a module; with its own module where it is not one of PyTorch."""
    kind = type(module)
    return str(kind.__name__ if kind.__module__.startswith("torch.nn.") else f"{kind.__module__}.{kind.__name__}")


def _children(module: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    # Not named_children(), which leaves out a module that stands there twice, as one ReLU for all layers may.
    for index, child in enumerate(module):
        if _kind(child) == "Sequential":
            yield from _children(child, f"{prefix}{index}.")
        else:
            yield f"{prefix}{index}", child


def _child(chain: Chain, place: str, module: Any) -> None:
    kind = _kind(module)
    if kind == "Linear":
        chain.dense(place, _numbers(module.weight), np.zeros(1) if module.bias is None else _numbers(module.bias))
    elif kind == "BatchNorm1d":
        if module.running_mean is None:
            raise Refusal(f"{place}: has no running statistics; train with track_running_stats=True")
        pair = (1.0, 0.0) if module.weight is None else (_numbers(module.weight), _numbers(module.bias))
        batch_norm(
            chain, place, _numbers(module.running_mean), _numbers(module.running_var), float(module.eps), *pair
        )
    elif kind in ("Dropout", "Identity", "Flatten"):
        chain.dropped.append(place)
    elif kind == "LeakyReLU":
        chain.activate(place, "leaky_relu", float(module.negative_slope))
    elif kind == "PReLU" and module.weight.numel() == 1:
        chain.activate(place, "leaky_relu", float(module.weight))
    elif kind == "Softplus":
        softplus(chain, place, float(module.beta))
    elif getattr(module, "dim", None) == 0:
        raise Refusal(f"{place}: over dimension 0; supported: over the units of a row")
    elif kind in _KINDS:
        close(chain, place, _KINDS[kind])
    else:
        raise Refusal(f"{place} is not supported; supported: Linear, BatchNorm1d, Dropout, Flatten, {ACTIVATIONS}")


_KINDS = {"ReLU": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softmax": "softmax", "LogSoftmax": "log_softmax"}


def softplus(chain: Chain, place: str, beta: float) -> None:
    """Apply ``log(1 + exp(beta * z)) / beta``; the threshold of PyTorch changes nothing that floats show."""
    chain.scale(place, beta)
    chain.activate(place, "softplus")
    if beta != 1.0:
        chain.scale(place, 1.0 / beta)


def _numbers(tensor: Any) -> NDArray[np.float64]:
    return np.asarray(tensor.detach().cpu().double().numpy(), dtype=np.float64)
