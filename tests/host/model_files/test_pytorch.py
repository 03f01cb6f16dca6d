"""PyTorch: state dicts, whose activations the user tells, and the walk along a Sequential.

torch itself takes gigabytes, so what is walked along here has the class names and attributes of its modules, and no more.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from support.foreign_models import FOLDER, TOLERANCE

from nnhw.model_files.conversion import ConversionError, Settings
from nnhw.model_files.formats.pytorch import bfloat16
from nnhw.model_files.load import from_torch, load

ROWS = np.random.default_rng(0).normal(0, 2, (50, 4))
DRAW = np.random.default_rng(1)
W0, B0 = DRAW.normal(size=(6, 4)), DRAW.normal(size=6)
W1, B1 = DRAW.normal(size=(3, 6)), DRAW.normal(size=3)
NORM = {
    "weight": DRAW.uniform(-2, 2, 6),
    "bias": DRAW.normal(size=6),
    "running_mean": DRAW.normal(size=6),
    "running_var": DRAW.uniform(0.5, 2, 6),
}


def safetensors(tensors: dict[str, NDArray[Any]]) -> bytes:
    header, data = {}, b""
    for name, array in tensors.items():
        raw = array.astype("<f8").tobytes()
        header[name] = {"dtype": "F64", "shape": array.shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def normalized(z: NDArray[Any], epsilon: float = 1e-5) -> NDArray[Any]:
    return (z - NORM["running_mean"]) / np.sqrt(NORM["running_var"] + epsilon) * NORM["weight"] + NORM["bias"]


def relu(z: NDArray[Any]) -> NDArray[Any]:
    return np.maximum(z, 0.0)


def state_dict(norm: int, last: int) -> dict[str, NDArray[Any]]:
    tensors = {"0.weight": W0, "0.bias": B0, f"{last}.weight": W1, f"{last}.bias": B1}
    return tensors | {f"{norm}.{key}": array for key, array in NORM.items()}


def converted(tmp_path: Path, tensors: dict[str, NDArray[Any]], *names: str) -> NDArray[Any]:
    path = tmp_path / "m.safetensors"
    path.write_bytes(safetensors(tensors))
    return load(path, Settings(rows=ROWS, task="regression", activations=names)).network.predict(ROWS)


def test_an_activation_stands_where_a_number_is_left_out(tmp_path: Path) -> None:
    z = ROWS @ W0.T + B0
    behind_norm = converted(tmp_path, state_dict(norm=1, last=3), "relu")
    assert behind_norm == pytest.approx(relu(normalized(z)) @ W1.T + B1, rel=1e-9)
    before_norm = converted(tmp_path, state_dict(norm=2, last=3), "relu")
    assert before_norm == pytest.approx(normalized(relu(z)) @ W1.T + B1, rel=1e-9)


def test_modules_are_taken_by_number_and_names_by_the_alphabet(tmp_path: Path) -> None:
    hidden = relu(ROWS @ W0.T + B0)
    by_number = {"10.weight": W1, "10.bias": B1, "2.weight": W0, "2.bias": B0}
    assert converted(tmp_path, by_number, "relu") == pytest.approx(hidden @ W1.T + B1, rel=1e-9)
    by_name = {"out.weight": W1, "out.bias": B1, "hidden.weight": W0, "hidden.bias": B0}
    path = tmp_path / "named.safetensors"
    path.write_bytes(safetensors(by_name))
    done = load(path, Settings(rows=ROWS, task="regression", activations=("relu",)))
    assert done.network.predict(ROWS) == pytest.approx(hidden @ W1.T + B1, rel=1e-9)
    notes = [line.text for line in done.lines if line.label == "note"]
    assert notes == ["the layers are taken in the order hidden, out; a state dict does not tell it"]


def test_a_slope_is_told_behind_a_colon(tmp_path: Path) -> None:
    tensors = {"0.weight": W0, "0.bias": B0, "2.weight": W1, "2.bias": B1}
    z = ROWS @ W0.T + B0
    for told, slope in (("leaky_relu:0.3", 0.3), ("leaky_relu", 0.01)):
        assert converted(tmp_path, tensors, told) == pytest.approx(np.maximum(z, slope * z) @ W1.T + B1, rel=1e-9)


def test_bfloat16_is_the_upper_half_of_float32() -> None:
    numbers = np.array([0.0, 1.0, -2.5, 3.140625, 2.0**-100], "<f4")
    assert bfloat16((numbers.view("<u4") >> 16).astype("<u2").tobytes()).tolist() == numbers.tolist()


# A Sequential


class Tensor:
    """What is asked of a tensor."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array

    def detach(self) -> Tensor:
        return self

    cpu = double = detach

    def numpy(self) -> NDArray[Any]:
        return self.array

    def numel(self) -> int:
        return self.array.size

    def __float__(self) -> float:
        return float(self.array.reshape(-1)[0])


def module(kind: str, library: str = "torch.nn.modules", **attributes: Any) -> Any:
    return type(kind, (), {"__module__": library, **attributes})()


def sequential(*children: Any) -> Any:
    return module("Sequential", __iter__=lambda self: iter(children))


def linear(weights: NDArray[Any], bias: NDArray[Any] | None) -> Any:
    told = None if bias is None else Tensor(bias)
    return module("Linear", in_features=weights.shape[1], weight=Tensor(weights), bias=told)


def test_a_sequential_is_walked_along_its_children() -> None:
    norm = module("BatchNorm1d", num_features=6, eps=1e-3, **{key: Tensor(array) for key, array in NORM.items()})
    inner = sequential(norm, module("LeakyReLU", negative_slope=0.1), module("Dropout"))
    model = sequential(module("Flatten"), linear(W0, None), inner, linear(W1, B1), module("Softmax", dim=1))
    network = from_torch(model, ROWS, classes=("a", "b", "c"))
    z = normalized(ROWS @ W0.T, 1e-3)
    wanted = np.maximum(z, 0.1 * z) @ W1.T + B1
    assert np.abs(network.logits(ROWS) - wanted).max() <= TOLERANCE * np.abs(wanted).max()
    assert network.classes == ("a", "b", "c")
    assert network.describe() == "4-6-3, leaky_relu (slope 0.1), softmax"


def test_softplus_of_another_beta_is_folded_into_both_neighbors() -> None:
    model = sequential(linear(W0, B0), module("Softplus", beta=2.0, threshold=20.0), linear(W1, B1))
    found = from_torch(model, ROWS, task="regression").predict(ROWS)
    assert found == pytest.approx(np.log1p(np.exp(2.0 * (ROWS @ W0.T + B0))) / 2.0 @ W1.T + B1, rel=1e-9)


@pytest.mark.parametrize(
    ("child", "message"),
    [
        (module("GELU"), r"Sequential: layer '1' \(GELU\) is not supported; supported: Linear, BatchNorm1d"),
        (module("Conv2d"), r"layer '1' \(Conv2d\) is not supported"),
        (module("Linear", "my.models"), r"layer '1' \(my.models.Linear\) is not supported"),
        (module("PReLU", weight=Tensor(np.ones(6))), r"layer '1' \(PReLU\) is not supported"),
        (
            module("LeakyReLU", negative_slope=-0.5),
            r"layer '1' \(LeakyReLU\): a left slope of -0.5; supported: 0 to 1",
        ),
        (
            module("BatchNorm1d", num_features=6, running_mean=None),
            r"layer '1' \(BatchNorm1d\): has no running statistics",
        ),
        (module("Softmax", dim=0), r"layer '1' \(Softmax\): over dimension 0"),
    ],
)
def test_a_child_is_refused_by_name_and_kind(child: Any, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        from_torch(sequential(linear(W0, B0), child), ROWS, task="regression")


def test_a_program_of_another_schema_is_refused(tmp_path: Path) -> None:
    result = io.BytesIO()
    with zipfile.ZipFile(FOLDER / "torch_iris_logits/model.pt2") as old, zipfile.ZipFile(result, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'"major": 8', b'"major": 9'))
    path = tmp_path / "m.pt2"
    path.write_bytes(result.getvalue())
    with pytest.raises(ConversionError, match=r"schema 9 of torch.export; supported: 8. Export to .onnx instead"):
        load(path, Settings(rows=ROWS, task="regression"))
