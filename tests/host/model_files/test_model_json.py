import json
from importlib import resources

import numpy as np
import pytest
from support.model_texts import BY_HAND, GOOD, REMOVED, changed

from nnhw.data import datasets
from nnhw.model_files import model_json
from nnhw.model_files.model_json import ModelFileError, dumps, load, loads, save
from nnhw.training.train import Options, create, train
from nnhw_codegen.network import activations
from nnhw_codegen.network.network import Input, Layer, Network


def assert_same(first, second):
    assert first.inputs == second.inputs
    assert (first.classes, first.outputs, first.training) == (second.classes, second.outputs, second.training)
    for one, other in zip(first.layers, second.layers, strict=True):
        assert one.activation.name == other.activation.name
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
        assert network.layers[1].activation is activations.SOFTMAX
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
        text = model_json.dumps(loads(json.dumps(GOOD)))
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


class TestSchema:
    schema = json.loads((resources.files("nnhw") / "model_files" / "model.schema.json").read_text())

    def test_knows_the_keys_that_the_loader_knows(self):
        parts = self.schema["$defs"]
        assert tuple(self.schema["properties"]) == model_json.MODEL_KEYS
        assert tuple(parts["input"]["properties"]) == model_json.INPUT_KEYS
        assert tuple(parts["layer"]["properties"]) == model_json.LAYER_KEYS
        assert tuple(parts["packed"]["properties"]) == model_json.PACKED_KEYS

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
        assert properties["format"]["const"] == model_json.FORMAT
        assert properties["version"]["const"] == model_json.VERSION
        assert self.schema["$id"] == model_json.SCHEMA
        assert self.schema["$defs"]["layer"]["properties"]["activation"]["enum"] == list(activations.output_names())

    def test_closes_every_object_to_other_keys(self):
        for part in (self.schema, *self.schema["$defs"].values()):
            assert part["additionalProperties"] is False
            assert set(part["required"]) <= set(part["properties"])


def test_a_left_slope_is_kept_exactly():
    text = (
        '{"format":"nnhw-model","version":1,"inputs":1,'
        '"layers":[{"activation":"leaky_relu","slope":0.1,"weights":[[1]]},{"activation":"identity","weights":[[1]]}]}'
    )
    network = loads(text)
    assert network.predict(np.array([[-1.0]])).tolist() == [[-0.1]]
    assert loads(dumps(network)).predict(np.array([[-1.0]])).tolist() == [[-0.1]]
