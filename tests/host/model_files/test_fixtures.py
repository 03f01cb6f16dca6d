"""Files of other libraries: converted with the library's own outputs, or refused with place and kind."""

from __future__ import annotations

import re

import numpy as np
import pytest
from support.foreign_models import CONVERTED, FILES, ModelFile

from nnhw.model_files.conversion import ConversionError
from nnhw.model_files.load import READERS
from nnhw_codegen.integers import precision, reference
from nnhw_codegen.quantization.quantize import quantize

REFUSED = tuple(file for file in FILES if not file.converts)

PLACES = {
    "keras_functional_branches": r"layer 'right' \(Dense\): takes petals; supported: a chain",
    "keras_lambda": r"layer 'code' \(Lambda\): holds Python code, which is not run",
    "keras_relu6": r"layer 'dense_15' \(Dense\): the activation 'relu6' is not supported; supported: relu, ",
    "onnx_conv": r"node '/features/conv1/Conv' \(Conv\) is not supported; supported: dense layers",
    "onnx_external_missing": r"the weights 'A' lie in another file, 'gone.bin', which is not opened",
    "onnx_two_outputs": r"has the outputs y, z; supported: one",
    "onnx_weights_nan": r"node 'h' \(Gemm\): weight \[0\] is nan; expected finite numbers",
    "sk_forest/model.skops": r"RandomForestClassifier is not a network; supported: StandardScaler, ",
    "sk_forest": r"node 'TreeEnsembleClassifier' \(TreeEnsembleClassifier\) is not supported",
    "sk_multilabel/model.skops": r"MLPClassifier: 2 logistic outputs are labels of their own \(multilabel\)",
    "sk_multilabel": r"node 'N9' \(Binarizer\) is not between the input and ",
    "tf_iris_norm_bn_leaky/model_int8.tflite": r"holds integers \(INT8\) of another quantization; convert the float model",
    "tf_iris_norm_bn_leaky": r"(has 3 inputs \(.*; supported: one .* convert the .keras file|holds integers)",
    "tf_": r"holds integers \(INT(8|16)\) of another quantization; convert the float model",
    "torch_gelu/model_legacy_opset9_batch.onnx": r"node '/1/Div' \(Div\): .* goes into 2 operators: a branch",
    "torch_gelu/model.safetensors": r"weights alone do not tell the activations: .* add --activations",
    "torch_gelu": r"node '(node_gelu|/1/Gelu)' \(Gelu\) is not supported",
    "torch_residual/model.safetensors": r"weights alone do not tell the activations: .* add --activations",
    "torch_residual": r"node '(node_linear|/a/Gemm)' \(Gemm\): 'x' goes into 2 operators: a branch",
    "torch_scaled_input": r"layer '' \(mean \(1, 4\), std \(1, 4\)\) is no Linear and no BatchNorm1d",
}
REMEDIES = {
    ".pkl": "is a pickle, which runs code when it is read; save the model with skops.io.dump",
    ".joblib": "is a pickle, which runs code when it is read; save the model with skops.io.dump",
    ".pt": "is a pickle, which runs code when it is read; save the program with torch.export.save",
    ".weights.h5": r"holds weights without the layers that they belong to; save the whole with model.save",
}


def test_the_fixtures_hold_every_format() -> None:
    assert {file.path.suffix for file in CONVERTED} >= set(READERS) - {".hdf5"}
    assert (len(CONVERTED), len(REFUSED)) == (92, 45)


@pytest.mark.parametrize("file", CONVERTED, ids=lambda file: file.name)
def test_a_file_is_converted_with_the_outputs_of_its_library(file: ModelFile) -> None:
    done = file.convert()
    found = file.same_kind(done)
    assert found.shape == file.outputs.shape
    assert np.abs(found - file.outputs).max() <= file.tolerance * max(1.0, np.abs(file.outputs).max())
    assert list(done.network.classes) == file.facts.get("classes", list(done.network.classes))


@pytest.mark.parametrize("file", REFUSED, ids=lambda file: file.name)
def test_a_file_is_refused_in_one_line_with_its_place_and_kind(file: ModelFile) -> None:
    with pytest.raises(ConversionError) as refusal:
        file.convert()
    message = str(refusal.value)
    told = [text for ending, text in REMEDIES.items() if file.path.name.endswith(ending)]
    told += [text for name, text in PLACES.items() if file.name.startswith(name)]
    assert message.startswith(f"{file.path}: ")
    assert "\n" not in message
    assert re.match(told[0], message.removeprefix(f"{file.path}: ")), message


def test_integers_give_the_class_of_the_source() -> None:
    wanted = {"w16a16": 0.999, "w8a8": 0.99}
    same = dict.fromkeys(wanted, 0)
    rows = 0
    for file in CONVERTED:
        network = file.convert().network
        if not network.classes or file.tolerance > 1e-5:
            continue
        rows += len(file.rows)
        for name in wanted:
            model = quantize(network, precision.get(name), network.calibration)
            same[name] += int((reference.predict(model, file.rows) == file.classes()).sum())
    assert rows > 3000
    assert {name: same[name] / rows >= share for name, share in wanted.items()} == dict.fromkeys(wanted, True), (
        same,
        rows,
    )
