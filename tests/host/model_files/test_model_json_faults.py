"""Every fault of a model file is named with its place."""

import pytest
from support.model_texts import BY_HAND, PACKED, REMOVED, changed

from nnhw.model_files.model_json import ModelFileError, load, loads


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["format"], REMOVED, 'missing key "format"; a model file of nnhw says "format": "nnhw-model"'),
        (["format"], "onnx", 'format: expected "nnhw-model", found "onnx"'),
        (["version"], REMOVED, 'missing key "version"; this nnhw reads "version": 1'),
        (["version"], 2, "version: expected 1, found 2; update nnhw"),
        (["version"], "1", 'version: expected an integer, found "1"'),
        (["inputs"], REMOVED, 'missing key "inputs"'),
        (["layers"], REMOVED, 'missing key "layers"'),
        (["layer"], [], 'unknown key "layer"; did you mean "layers"?'),
        (["xyz"], [], 'unknown key "xyz"; known: $schema, format'),
        (["inputs"], 0, "inputs: expected an integer from 1 to 65535, found 0"),
        (["inputs"], True, "inputs: expected a list of inputs, or their number, found true"),
        (["inputs"], [], "inputs: expected at least one input"),
        (["inputs"], ["a", "a"], "inputs[1]: a second input called 'a'"),
        (["inputs"], ["a", ""], 'inputs[1]: expected a text, found ""'),
        (["inputs"], 3, 'layers[0].weights: expected 3 numbers per unit (from "inputs"), found 2'),
        (["inputs", 1, "name"], REMOVED, 'inputs[1]: missing key "name"'),
        (["inputs", 1, "mena"], 1, 'inputs[1]: unknown key "mena"; did you mean "mean"?'),
        (["inputs", 1, "scale"], 0, "inputs[1].scale: expected a number of at least 1e-30, found 0"),
        (["inputs", 1, "step"], -0.1, "inputs[1].step: expected a number of at least 1e-30, found -0.1"),
        (["inputs", 1, "step"], 1e-12, "inputs[1]: step 1e-12 is too fine for low -1 and high 4"),
        (["inputs", 1, "low"], 4, "inputs[1]: expected low below high, found low 4 and high 4"),
        (["inputs", 1, "mean"], "1.5", 'inputs[1].mean: expected a number, found "1.5"'),
        (["classes"], ["no", "yes"], "classes: found 2 classes, but the last layer has 3 units"),
        (["classes"], ["no", "no", "yes"], 'classes[1]: "no" stands twice'),
        (["classes"], ["no", 1, "yes"], "classes[1]: expected a text, found 1"),
        (["classes"], "no", 'classes: expected a list, found "no"'),
        (["classes"], [], "classes: expected at least one name"),
        (["classes"], REMOVED, 'layers[1]: softmax tells classes, but "classes" is missing'),
        (["outputs"], ["y"], 'outputs: a network tells either "classes" or "outputs"'),
        (["layers"], [], "layers: expected at least one layer"),
        (["layers"], {}, "layers: expected a list, found an object"),
        (["layers", 0], 5, "layers[0]: expected an object, found 5"),
        (["layers", 0, "units"], 3, "layers[0].units: found 3, but weights has 2 rows"),
        (["layers", 0, "units"], 2.0, "layers[0].units: expected an integer, found 2.0"),
        (["layers", 0, "weigths"], 1, 'layers[0]: unknown key "weigths"; did you mean "weights"?'),
        (["layers", 0, "weights"], REMOVED, 'layers[0]: missing key "weights"'),
        (["layers", 0, "weights"], [], "layers[0].weights: expected one row per unit"),
        (["layers", 0, "weights", 1], [3], "layers[0].weights[1]: expected 2 numbers, found 1"),
        (["layers", 0, "weights", 1], 3, "layers[0].weights[1]: expected a list of 2 numbers, found 3"),
        (["layers", 0, "weights", 1, 0], "3", 'layers[0].weights[1][0]: expected a number, found "3"'),
        (["layers", 0, "weights", 1, 0], True, "layers[0].weights[1][0]: expected a number, found true"),
        (["layers", 0, "weights", 1, 0], None, "layers[0].weights[1][0]: expected a number, found null"),
        (
            ["layers", 0, "weights", 1, 0],
            float("nan"),
            "layers[0].weights[1][0]: expected a finite number, found NaN",
        ),
        (["layers", 0, "weights", 1, 0], float("-inf"), "layers[0].weights[1][0]: expected a finite number"),
        (
            ["layers", 0, "weights", 1, 0],
            1e300,
            "layers[0].weights[1][0]: expected a number of at most 1e+30 in magnitude, found 1e+300",
        ),
        (
            ["layers", 0, "weights", 1, 0],
            10**400,
            "layers[0].weights[1][0]: expected a number of at most 1e+30",
        ),
        (["layers", 1, "weights", 2], [1, 2, 3], "layers[1].weights[2]: expected 2 numbers, found 3"),
        (
            ["layers", 1, "weights"],
            [[1], [2], [3]],
            "layers[1].weights: expected 2 numbers per unit (from layers[0]), found 1",
        ),
        (["layers", 0, "bias"], [1], "layers[0].bias: expected 2 numbers, found 1"),
        (["layers", 0, "bias"], [1, 1e31], "layers[0].bias[1]: expected a number of at most 1e+30"),
        (["layers", 0, "activation"], REMOVED, 'layers[0]: missing key "activation"'),
        (
            ["layers", 0, "activation"],
            "ReLU",
            "layers[0].activation: unknown activation 'ReLU'; known: identity, relu",
        ),
        (
            ["layers", 0, "activation"],
            "softmax",
            "layers[0].activation: softmax is allowed on the last layer only",
        ),
        (["layers", 0, "activation"], "relu", "layers[0].slope: relu takes no slope"),
        (["layers", 1, "slope"], 0.5, "layers[1].slope: softmax takes no slope"),
        (["layers", 0, "slope"], 1.5, "layers[0].slope: expected a number from 0 to 1, found 1.5"),
        (["layers", 0, "slope"], -0.1, "layers[0].slope: expected a number from 0 to 1, found -0.1"),
        (["training"], [], "training: expected an object, found a list of 0"),
        (["training"], {"loss": float("inf")}, "training: holds NaN or an infinite number"),
        (
            ["layers", 0, "weights"],
            {**PACKED, "dtype": ">f4"},
            'layers[0].weights.dtype: expected "<f4" or "<f8"',
        ),
        (
            ["layers", 0, "weights"],
            {**PACKED, "encoding": "hex"},
            'layers[0].weights.encoding: expected "base64"',
        ),
        (["layers", 0, "weights"], {**PACKED, "data": "A*"}, "layers[0].weights.data: not base64"),
        (
            ["layers", 0, "weights"],
            {**PACKED, "data": "AACAPw=="},
            "layers[0].weights.data: expected 16 bytes for 2 x 2 of <f4, found 4",
        ),
        (
            ["layers", 0, "weights"],
            {**PACKED, "shape": [4]},
            "layers[0].weights.shape: expected [units, inputs]",
        ),
        (
            ["layers", 0, "weights"],
            {**PACKED, "shape": [4, 1]},
            "layers[0].weights: expected 2 numbers per unit",
        ),
        (
            ["layers", 0, "weights"],
            {**PACKED, "shape": [-2, 2]},
            "layers[0].weights.shape[0]: expected an integer from",
        ),
        (
            ["layers", 0, "weights"],
            {**PACKED, "data": "AACAPwAAAEAAAMB/AACAQA=="},
            "layers[0].weights.data: weight [1][0] is nan; expected a finite number",
        ),
    ],
)
def test_a_fault_is_named_with_its_path(path, value, message):
    with pytest.raises(ModelFileError) as caught:
        loads(changed(path, value), "model.json")
    assert str(caught.value).startswith(f"model.json: {message}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty; expected a JSON object"),
        (b"  \n", "the file is empty"),
        (b"\x00\x01\xff\xfe", "byte 2 is not UTF-8 text"),
        (b"\x7fELF\x01\x00", "line 1, column 1: not JSON"),
        (b'{"format": "nnhw-model",\n "version" 1}', "line 2, column 12: not JSON"),
        (BY_HAND.encode()[:60], "not JSON"),
        (BY_HAND.encode() + b"{}", "line 10, column 1: not JSON: Extra data"),
        (b"[]", "expected an object, found a list of 0"),
        (b'{"format": "nnhw-model", "format": "x"}', 'the key "format" stands twice'),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" + b"9" * 5000 + b"]", "thousands of digits"),
    ],
)
def test_a_file_that_is_no_json_model_is_refused(tmp_path, content, message):
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelFileError, match=r"none\.json: cannot be read: No such file"):
        load(tmp_path / "none.json")


def test_the_packed_weights_of_the_tests_are_good():
    network = loads(changed(["layers", 0, "weights"], PACKED))
    assert network.layers[0].weights.tolist() == [[1.0, 2.0], [3.0, 4.0]]
