import json
from importlib import resources

import numpy as np
import pytest

from nnhw import activations, datasets, model_file
from nnhw.model_file import ModelFileError, load, loads, save
from nnhw.network import Input, Layer, Network
from nnhw.train import Options, create, train

BY_HAND = """{
  "format": "nnhw-model",
  "version": 1,
  "inputs": ["x1", "x2"],
  "outputs": ["y"],
  "layers": [
    {"activation": "identity", "weights": [[5, 7]], "bias": [0]}
  ]
}
"""

GOOD = {
    "format": "nnhw-model",
    "version": 1,
    "inputs": [{"name": "a"}, {"name": "b", "mean": 1.5, "scale": 2, "step": 0.1, "low": -1, "high": 4}],
    "classes": ["no", "maybe", "yes"],
    "layers": [
        {
            "units": 2,
            "activation": "leaky_relu",
            "slope": 0.25,
            "weights": [[1, 2], [3, 4]],
            "bias": [0.5, -0.5],
        },
        {"units": 3, "activation": "softmax", "weights": [[1, 2], [3, 4], [5, 6]]},
    ],
    "training": {"seed": 3},
}


def changed(path, value):
    """GOOD with the value at ``path`` replaced; REMOVED takes the key out."""
    model = json.loads(json.dumps(GOOD))
    place = model
    for key in path[:-1]:
        place = place[key]
    if value is REMOVED:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(model)


REMOVED = object()


def assert_same(first, second):
    assert first.inputs == second.inputs
    assert (first.classes, first.outputs, first.training) == (second.classes, second.outputs, second.training)
    for one, other in zip(first.layers, second.layers, strict=True):
        assert one.activation_name == other.activation_name
        assert (one.activation and one.activation.ramp) == (other.activation and other.activation.ramp)
        assert one.weights.tobytes() == other.weights.tobytes()
        assert one.bias.tobytes() == other.bias.tobytes()


class TestByHand:
    def test_ten_lines_load(self):
        network = loads(BY_HAND)
        assert len(BY_HAND.splitlines()) <= 10
        assert network.predict(np.array([[2.0, 3.0]])).tolist() == [[31.0]]

    def test_an_input_count_and_no_bias_are_enough(self):
        network = loads(
            '{"format":"nnhw-model","version":1,"inputs":2,"layers":[{"activation":"relu","weights":[[5,7]]}]}'
        )
        assert network.inputs == (Input("x1"), Input("x2"))
        assert network.layers[0].bias.tolist() == [0.0]

    def test_every_optional_key_is_read(self):
        network = loads(json.dumps(GOOD))
        assert network.inputs == (Input("a"), Input("b", 1.5, 2.0, 0.1, -1.0, 4.0))
        assert network.classes == ("no", "maybe", "yes")
        assert float(network.layers[0].activation.ramp) == 0.25
        assert network.layers[1].activation is None
        assert network.training == {"seed": 3}

    def test_one_unit_tells_two_classes(self):
        network = loads(
            '{"format":"nnhw-model","version":1,"inputs":1,"classes":["n","y"],'
            '"layers":[{"activation":"logsig","weights":[[1]]}]}'
        )
        assert network.predict(np.array([[-1.0], [1.0]])).tolist() == [0, 1]

    def test_a_byte_order_mark_is_accepted(self):
        assert loads(b"\xef\xbb\xbf" + BY_HAND.encode()).outputs == ("y",)


class TestRoundTrip:
    def test_of_a_trained_network_is_exact(self, tmp_path):
        network, _ = train(datasets.load("iris"), hidden="leaky_relu", options=Options(epochs=3))
        save(network, tmp_path / "model.json")
        assert_same(load(tmp_path / "model.json"), network)

    @pytest.mark.parametrize("hidden", activations.names())
    def test_keeps_every_activation(self, tmp_path, hidden):
        network = create([Input("a"), Input("b")], (3, 2), hidden=hidden, outputs=("y", "z"), seed=5)
        save(network, tmp_path / "model.json")
        assert_same(load(tmp_path / "model.json"), network)

    @pytest.mark.parametrize("dtype", ["<f4", "<f8"])
    def test_of_many_weights_is_packed_and_exact(self, tmp_path, dtype):
        network = create([Input(f"x{n}") for n in range(100)], (120,), classes=("a", "b"))
        for layer in network.layers:
            layer.weights = layer.weights.astype(dtype).astype(np.float64)
        save(network, tmp_path / "model.json")
        packed = json.loads((tmp_path / "model.json").read_text())["layers"][0]["weights"]
        assert (packed["encoding"], packed["dtype"], packed["shape"]) == ("base64", dtype, [120, 100])
        assert_same(load(tmp_path / "model.json"), network)

    def test_keeps_extreme_numbers(self, tmp_path):
        weights = np.array([[5e-324, -1e30], [0.1 + 0.2, -0.0]])
        network = Network([Layer(weights, np.zeros(2), activations.get("tanh"))], (Input("é"), Input("b")))
        save(network, tmp_path / "model.json")
        assert_same(load(tmp_path / "model.json"), network)

    def test_lists_stand_one_row_per_line(self):
        text = model_file.dumps(loads(json.dumps(GOOD)))
        assert "\n        [1.0, 2.0],\n" in text


class TestSave:
    def test_replaces_the_file_and_leaves_nothing_else(self, tmp_path):
        path = tmp_path / "model.json"
        path.write_text("old")
        save(loads(BY_HAND), path)
        assert load(path).outputs == ("y",)
        assert [item.name for item in tmp_path.iterdir()] == ["model.json"]

    def test_refuses_numbers_that_load_would_refuse_and_keeps_the_old_file(self, tmp_path):
        network = loads(BY_HAND)
        network.layers[0].weights[0, 1] = np.nan
        path = tmp_path / "model.json"
        path.write_text("old")
        with pytest.raises(
            ModelFileError, match=r"model.json: layers\[0\].weights\[0\]\[1\]: expected a finite number"
        ):
            save(network, path)
        assert path.read_text() == "old"
        assert [item.name for item in tmp_path.iterdir()] == ["model.json"]

    def test_into_a_missing_folder_is_an_os_error(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            save(loads(BY_HAND), tmp_path / "none" / "model.json")


PACKED = {"encoding": "base64", "dtype": "<f4", "shape": [2, 2], "data": "AACAPwAAAEAAAEBAAACAQA=="}


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
        (["inputs"], 0, "inputs: expected an integer from 1 to 65536, found 0"),
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


class TestSchema:
    schema = json.loads((resources.files("nnhw") / "data" / "model.schema.json").read_text())

    def test_knows_the_keys_that_the_loader_knows(self):
        parts = self.schema["$defs"]
        assert tuple(self.schema["properties"]) == model_file.MODEL_KEYS
        assert tuple(parts["input"]["properties"]) == model_file.INPUT_KEYS
        assert tuple(parts["layer"]["properties"]) == model_file.LAYER_KEYS
        assert tuple(parts["packed"]["properties"]) == model_file.PACKED_KEYS

    def test_requires_the_keys_that_the_loader_requires(self):
        for key in GOOD:
            assert self.refuses([key]) == (key in self.schema["required"]), key
        for key in GOOD["layers"][0]:
            if key not in ("slope", "units"):
                assert self.refuses(["layers", 0, key]) == (key in self.schema["$defs"]["layer"]["required"]), key
        for key in GOOD["inputs"][1]:
            assert self.refuses(["inputs", 1, key]) == (key in self.schema["$defs"]["input"]["required"]), key

    @staticmethod
    def refuses(path):
        try:
            loads(changed(path, REMOVED))
        except ModelFileError as error:
            return "missing key" in str(error)
        return False

    def test_names_this_format_and_every_activation(self):
        properties = self.schema["properties"]
        assert properties["format"]["const"] == model_file.FORMAT
        assert properties["version"]["const"] == model_file.VERSION
        assert self.schema["$id"] == model_file.SCHEMA
        assert self.schema["$defs"]["layer"]["properties"]["activation"]["enum"] == [
            *activations.names(),
            "softmax",
        ]

    def test_closes_every_object_to_other_keys(self):
        for part in (self.schema, *self.schema["$defs"].values()):
            assert part["additionalProperties"] is False
            assert set(part["required"]) <= set(part["properties"])
