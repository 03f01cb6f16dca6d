"""Models that boards train on: doorway, bytes, and the way back to floats (SPEC 9.3, 9.10, 10)."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
from support.learning.scalar import ScalarLearner
from vectors import make_training_vectors

from nnhw.data import datasets
from nnhw.training.train import create
from nnhw_codegen.files import nnt
from nnhw_codegen.files.fields import FileError, Reader
from nnhw_codegen.files.nnt_fields import HEADER, header_of
from nnhw_codegen.learning.profile import FX12, SCHEMES, T8, T16
from nnhw_codegen.learning.trainable import default_profile, door, trainable
from nnhw_codegen.network import activations
from nnhw_codegen.network.network import Input, Layer, Network

VECTORS = [json.loads(line) for line in make_training_vectors.FILE.read_text("utf-8").splitlines()]

IRIS = datasets.load("iris")


def iris_network(hidden="relu", output="softmax", layers=(8,)):
    return create(datasets.inputs_from(IRIS), layers, hidden=hidden, output=output, classes=IRIS.classes)


def learn(model, rows, targets, epochs, seed=0):
    generator = np.random.default_rng(seed)
    orders = np.stack([generator.permutation(len(rows))[:, None] for _ in range(epochs)])
    model.learner.train(model.input_codes(rows), model.target_codes(targets), orders)


def line(slopes, offset, weights=(0.0, 0.0), bias=0.0, inputs=None):
    """Rows and targets of a plane, and the linear network that is to learn it."""
    rows = np.random.default_rng(0).uniform(-2, 2, (200, 2)).round(2)
    inputs = inputs or (Input("x1", step=0.01, low=-2, high=2), Input("x2", step=0.01, low=-2, high=2))
    layer = Layer(np.array([weights], dtype=float), np.array([bias], dtype=float), activations.get("identity"))
    return rows, rows @ np.array([slopes]).T + offset, Network([layer], inputs, (), ("y",))


@pytest.mark.parametrize("hidden", activations.names())
@pytest.mark.parametrize("profile", [T16, T8])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_file_gives_back_every_integer_and_every_float(hidden, profile, scheme):
    profile = replace(profile, scheme=scheme, trained="last", relu_at_zero=0.5, rate_multiplier=3)
    model = trainable(iris_network(hidden, "logsig"), profile)
    learn(model, IRIS.rows, IRIS.targets, epochs=1)
    model.learner.set_rate(1, 7)
    again = nnt.from_bytes(nnt.to_bytes(model))
    learn(model, IRIS.rows, IRIS.targets, epochs=1)
    learn(again, IRIS.rows, IRIS.targets, epochs=1)
    assert nnt.to_bytes(again) == nnt.to_bytes(model)
    assert again.to_network().inputs == model.to_network().inputs == iris_network().inputs
    assert [layer.activation.name for layer in again.to_network().layers] == [hidden, "logsig"]


def test_sections_lie_where_the_specification_says():
    model = trainable(iris_network())
    data = nnt.to_bytes(model)
    fixed, checksum, size, inputs, layers = struct.unpack_from("<IIIHB", data, 4)
    assert (size, inputs, layers) == (len(data), 4, 2)
    assert zlib.adler32(data[12:fixed]) == checksum
    assert zlib.adler32(data[fixed:-4]) == struct.unpack("<I", data[-4:])[0]
    assert data[fixed : fixed + 2] == bytes([1, 5])
    weights = np.frombuffer(data, "<i2", 32, fixed + 4)
    assert (weights == model.learner.weights[0].ravel()).all()
    biases = np.frombuffer(data, "<i4", 8, fixed + 4 + 64)
    assert (biases == model.learner.biases[0].ravel()).all()


@pytest.mark.parametrize(
    ("at", "message"),
    [
        (0, "not a .nnt file"),
        (3, "model made for format"),
        (20, "checksum of the fixed part"),
        (-9, "of the weights"),
    ],
)
def test_damaged_files_are_refused(at, message, tmp_path):
    data = bytearray(nnt.to_bytes(trainable(iris_network())))
    data[at] ^= 64
    (tmp_path / "m.nnt").write_bytes(data)
    with pytest.raises(FileError, match=rf"m\.nnt: .*{message}"):
        nnt.load(tmp_path / "m.nnt")


@pytest.mark.parametrize("length", [0, 39, 500, -1])
def test_truncated_files_are_refused(length):
    data = nnt.to_bytes(trainable(iris_network()))
    with pytest.raises(FileError):
        nnt.from_bytes(data[:length])


def test_shifts_other_than_the_proved_ones_are_refused():
    data = bytearray(nnt.to_bytes(trainable(iris_network("tanh"))))
    fixed = struct.unpack_from("<I", data, 4)[0]
    data[first_layer(bytes(data)) + 17] -= 1  # its guard
    struct.pack_into("<I", data, 8, zlib.adler32(data[12:fixed]))
    with pytest.raises(FileError, match="its shifts are not the ones that its formats prove"):
        nnt.from_bytes(bytes(data))


def first_layer(data):
    """Where a file has its first layer."""
    header, reader = header_of(data), Reader(data)
    reader.take(HEADER.size)
    reader.doorway(header.inputs)
    reader.outputs(header.outputs)
    for _ in range(header.tables):
        reader.table()
    return reader.at


def test_save_and_load(tmp_path):
    model = trainable(iris_network())
    nnt.save(model, tmp_path / "iris.nnt")
    assert nnt.to_bytes(nnt.load(tmp_path / "iris.nnt")) == nnt.to_bytes(model)
    assert [path.name for path in tmp_path.iterdir()] == ["iris.nnt"]


def test_iris_is_learned_from_scratch_and_survives_the_way_back_to_floats():
    model = trainable(iris_network())
    learn(model, IRIS.rows, IRIS.targets, epochs=30)
    decided = model.predict(IRIS.rows)
    assert (decided == IRIS.targets).mean() > 0.95
    assert (model.to_network().predict(IRIS.rows) == decided).mean() > 0.99


def test_doorway_gives_the_standardized_input_within_a_code():
    network = iris_network()
    codes = trainable(network).input_codes(IRIS.rows)
    assert np.abs(codes - network.standardize(IRIS.rows) * 1024).max() <= 0.6


def test_doorway_saturates_where_the_codes_end():
    entry = door(Input("wide", step=0.5, low=-100, high=100), T16)
    low, high = entry.code_range
    assert -32767 <= low < -32000
    assert 32000 < high <= 32767


def test_5_and_7_are_learned_through_the_doorway():
    rows, y, network = line((5, 7), 0)
    model = trainable(network)
    assert model.learner.plan.profile.input_frac == 12
    learn(model, rows, y, epochs=10)
    assert np.abs(model.to_network().layers[0].weights - [[5, 7]]).max() <= 0.001
    assert np.abs(model.predict(rows) - y).max() < 0.01


def test_large_values_get_a_unit_and_an_offset():
    rows, y, network = line((500, 700), 100000, weights=(450, 720), bias=99990)
    model = trainable(network)
    assert (model.output_fracs, model.offsets) == ((12 - 9,), (99990.0,))
    learn(model, rows, y, epochs=20)
    assert np.abs(model.predict(rows) - y).max() < 2
    assert np.abs(model.to_network().predict(rows) - y).max() < 2


def test_two_classes_behind_one_unit():
    network = create([Input("x", low=-4, high=4)], (), output="logsig", classes=("no", "yes"))
    rows = np.linspace(-3, 3, 61)[:, None]
    model = trainable(network)
    assert model.decision == "threshold"
    learn(model, rows, (rows[:, 0] > 0.55).astype(int), epochs=100)
    assert (model.predict(rows) == (rows[:, 0] > 0.55)).mean() > 0.95
    assert (nnt.from_bytes(nnt.to_bytes(model)).predict(rows) == model.predict(rows)).all()


def test_a_layer_with_large_weights_gets_a_coarser_format():
    network = iris_network()
    network.layers[0].weights[0, 0] = 11.0
    model = trainable(network)
    assert [layer.weight_frac for layer in model.learner.plan.layers] == [11, 12]
    assert model.to_network().layers[0].weights[0, 0] == 11.0
    assert nnt.from_bytes(nnt.to_bytes(model)).learner.plan.layers[0].weight_frac == 11


def test_what_a_board_cannot_train_is_refused():
    with pytest.raises(ValueError, match="boards train with weights of 8 or 16 bits"):
        trainable(iris_network(), FX12)
    network = iris_network()
    network.layers[1].bias[0] = 40.0
    with pytest.raises(ValueError, match="layer 1: a bias of 40 does not fit"):
        trainable(network)
    with pytest.raises(ValueError, match="input 'coarse'"):
        door(Input("coarse", scale=0.001, step=1.0, low=-5, high=5), T16)


def test_default_profile_is_finer_for_one_linear_layer_with_small_inputs():
    assert default_profile(line((1, 1), 0)[2]).input_frac == 12
    assert default_profile(iris_network()) == T16


def test_the_engine_gives_the_stored_training_vectors():
    assert make_training_vectors.differences() == []


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: f"{v['clause']}-{v['why']}")
def test_the_scalar_engine_gives_the_stored_training_vectors(vector):
    before, after = (nnt.from_bytes(base64.b64decode(vector[side]["nnt"])) for side in ("in", "out"))
    start = before.learner
    scalar = ScalarLearner(
        start.plan, [w[..., 0].tolist() for w in start.weights], [b[:, 0].tolist() for b in start.biases]
    )
    for row, wanted in zip(
        before.codes(np.array(vector["in"]["ticks"])).tolist(), vector["in"]["targets"], strict=True
    ):
        scalar.step(row, wanted)
    assert scalar.weights == [w[..., 0].tolist() for w in after.learner.weights]
    assert scalar.biases == [b[:, 0].tolist() for b in after.learner.biases]
    assert scalar.forward(row) == vector["out"]["outputs"]
