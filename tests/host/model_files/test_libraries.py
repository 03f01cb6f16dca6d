"""Networks that scikit-learn and Keras make on the spot, from a seed drawn each time, and those that go back to ONNX."""

from __future__ import annotations

import os
import random
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import skops.io
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.decomposition import PCA
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, Normalizer, RobustScaler, StandardScaler
from support.foreign_models import TOLERANCE
from support.networks import network

from nnhw.model_files.conversion import ConversionError, Settings
from nnhw.model_files.formats.onnx_write import dumps
from nnhw.model_files.load import from_keras, from_sklearn, from_torch, load
from nnhw_codegen.network import activations
from nnhw_codegen.network.network import Network

os.environ["KERAS_BACKEND"] = "numpy"  # it compiles nothing

IRIS = load_iris()
CANCER = load_breast_cancer()
PER_FORMAT = 5

pytestmark = pytest.mark.filterwarnings("ignore")


def drawn() -> random.Random:
    """A generator whose seed a failing test prints."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    return random.Random(seed)


def assert_same(found: NDArray[Any], wanted: NDArray[Any]) -> None:
    wanted = np.asarray(wanted, dtype=np.float64).reshape(len(wanted), -1)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).max() <= TOLERANCE * max(1.0, np.abs(wanted).max())


def pipeline(chance: random.Random, sources: tuple[Any, ...] = (IRIS, CANCER)) -> tuple[Any, NDArray[np.float64]]:
    """A fitted pipeline, and its rows."""
    scalers = (
        StandardScaler(),
        StandardScaler(with_mean=False),
        MinMaxScaler((-1, chance.choice((1, 3)))),
        RobustScaler(with_centering=chance.random() < 0.5),
        MaxAbsScaler(),
        PCA(3, whiten=chance.random() < 0.5, random_state=0),
    )
    steps = chance.sample(scalers, chance.randrange(4))
    hidden = tuple(chance.randrange(1, 9) for _ in range(chance.randrange(1, 4)))
    kind = {"hidden_layer_sizes": hidden, "activation": chance.choice(("relu", "tanh", "logistic", "identity"))}
    options: Any = {**kind, "max_iter": 20, "random_state": chance.randrange(1000)}
    if chance.random() < 0.3:
        return make_pipeline(*steps, MLPRegressor(**options)).fit(IRIS.data, IRIS.target + 0.5), IRIS.data
    data = chance.choice(sources)
    return make_pipeline(*steps, MLPClassifier(**options)).fit(data.data, data.target_names[data.target]), data.data


def answers(network: Network, rows: NDArray[Any]) -> NDArray[Any]:
    return network.probabilities(rows) if network.classes else network.predict(rows)


def source_answers(model: Any, rows: NDArray[Any]) -> NDArray[Any]:
    return model.predict_proba(rows) if hasattr(model, "predict_proba") else model.predict(rows)


def test_pipelines_of_scikit_learn_convert_from_skops_and_from_python(tmp_path: Path) -> None:
    chance = drawn()
    for number in range(PER_FORMAT):
        model, rows = pipeline(chance)
        print(model)
        path = tmp_path / f"{number}.skops"
        skops.io.dump(model, path, compression=zipfile.ZIP_DEFLATED)
        from_file = load(path, Settings(rows=rows)).network
        assert_same(answers(from_file, rows), source_answers(model, rows))
        assert list(from_file.classes) == list(map(str, getattr(model, "classes_", [])))
        assert_same(answers(from_sklearn(model, rows), rows), answers(from_file, rows))


def test_pipelines_of_scikit_learn_convert_by_way_of_onnx(tmp_path: Path) -> None:
    from skl2onnx import to_onnx

    chance = drawn()
    for number in range(PER_FORMAT):
        model, rows = pipeline(chance, (IRIS,))  # float32 suffices for its values
        print(model)
        rows = rows.astype(np.float32)
        options = {"zipmap": False} if hasattr(model, "classes_") else None
        content = to_onnx(model, rows[:1], options=options).SerializeToString()
        path = tmp_path / f"{number}.onnx"
        path.write_bytes(content)
        settings = Settings(rows=rows.astype(np.float64), task=None if options else "regression")
        found = load(path, settings).network
        assert_same(answers(found, settings.rows), run_onnx(content, rows))
        assert list(found.classes) == list(map(str, getattr(model, "classes_", [])))


def run_onnx(content: bytes, rows: NDArray[Any]) -> NDArray[Any]:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: rows.astype(np.float32)})[-1]


def keras_model(chance: random.Random, rows: NDArray[Any]) -> Any:
    """A model of random weights; batch normalization with statistics of its own."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(chance.randrange(10**6))
    model = keras.Sequential([keras.Input((rows.shape[1],))])
    if chance.random() < 0.5:
        normalization = layers.Normalization()
        normalization.adapt(rows)
        model.add(normalization)
    elif chance.random() < 0.5:
        model.add(layers.Rescaling(0.25, offset=-1.0))
    for _ in range(chance.randrange(1, 4)):
        told = chance.choice(("relu", "tanh", "sigmoid", "softplus", "leaky_relu", "linear"))
        model.add(layers.Dense(chance.randrange(2, 9), activation=told, use_bias=chance.random() < 0.7))
        if chance.random() < 0.5:
            model.add(layers.BatchNormalization(scale=chance.random() < 0.5, center=chance.random() < 0.5))
        if told == "linear":
            model.add(chance.choice((layers.LeakyReLU(negative_slope=0.3), layers.ReLU(), layers.Activation("tanh"))))
        model.add(layers.Dropout(0.3))
    model.add(layers.Dense(3, activation=chance.choice(("softmax", "linear"))))
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    draw = np.random.default_rng(chance.randrange(10**6))
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([draw.uniform(0.5, 2.0, w.shape) for w in layer.get_weights()])
    return model


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_models_of_keras_convert_from_their_files_and_from_python(tmp_path: Path, suffix: str) -> None:
    chance = drawn()
    rows = IRIS.data[::5].astype(np.float32)
    for number in range(PER_FORMAT):
        model = keras_model(chance, rows)
        path = tmp_path / f"{number}{suffix}"
        model.save(path)
        print(model.to_json())
        done = load(path, Settings(rows=rows.astype(np.float64)))
        added = any(line.label == "head" for line in done.lines)
        found = done.network.logits(rows) if added else done.network.probabilities(rows)
        assert_same(found, np.asarray(model(rows)))
        same = from_keras(model, rows)
        assert_same(same.logits(rows), done.network.logits(rows))


def test_a_model_within_a_model_of_keras_converts(tmp_path: Path) -> None:
    import keras
    from keras import layers

    inner = keras.Sequential([keras.Input((4,)), layers.Dense(5, "tanh"), layers.Dense(4, "relu")])
    model = keras.Sequential([keras.Input((4,)), inner, layers.Dense(3, "softmax")])
    rows = IRIS.data[::5]
    assert_same(from_keras(model, rows).probabilities(rows), np.asarray(model(rows.astype(np.float32))))
    model.save(tmp_path / "m.h5")
    with pytest.raises(ConversionError, match="lies in a model within the model; save the whole with"):
        load(tmp_path / "m.h5", Settings(rows=rows))


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (
            (Normalizer(), MLPClassifier()),
            r"Pipeline: step 'normalizer' \(Normalizer\) is not supported; supported: Standard",
        ),
        (
            (ColumnTransformer([("a", StandardScaler(), [0, 1])], remainder="passthrough"), MLPClassifier()),
            r"Pipeline: step 'columntransformer' \(ColumnTransformer\) is not supported",
        ),
        (
            (MinMaxScaler(clip=True), MLPClassifier()),
            r"step 'minmaxscaler' \(MinMaxScaler\): clip=True is not supported",
        ),
        ((StandardScaler(), PCA(2)), r"step 'pca' \(PCA\) is not a network"),
    ],
)
def test_a_pipeline_is_refused_by_step_and_class(steps: tuple[Any, ...], message: str) -> None:
    model = make_pipeline(*steps).fit(IRIS.data, IRIS.target)
    with pytest.raises(ConversionError, match=message):
        from_sklearn(model, IRIS.data)


def test_what_is_not_fitted_is_refused() -> None:
    with pytest.raises(ConversionError, match="MLPClassifier is not fitted; fit it first"):
        from_sklearn(MLPClassifier(), IRIS.data)


def test_a_step_that_passes_values_through_is_left_out() -> None:
    model = Pipeline([("scale", "passthrough"), ("net", MLPClassifier((3,), max_iter=5))]).fit(IRIS.data, IRIS.target)
    assert_same(from_sklearn(model, IRIS.data).probabilities(IRIS.data), model.predict_proba(IRIS.data))


def test_what_is_no_sequential_of_pytorch_is_refused() -> None:
    with pytest.raises(
        ConversionError, match=r"MLPClassifier: is not a torch.nn.Sequential; save it with torch.export"
    ):
        from_torch(MLPClassifier())


# To ONNX


@pytest.mark.parametrize("hidden", [*activations.names(), "slope 0.3"])
@pytest.mark.parametrize("output", ["softmax", "one unit", "values"])
def test_an_onnx_file_gives_the_same_outputs_in_onnxruntime_and_comes_back(
    tmp_path: Path, hidden: str, output: str
) -> None:
    activation = activations.get("leaky_relu", 0.3) if hidden == "slope 0.3" else activations.get(hidden)
    made = network((4, 8, 1 if output == "one unit" else 3), activation, classifies=output != "values")
    if output == "one unit":
        made.layers[-1].activation = activations.get("logsig")
    rows = np.array(
        [[entry.low + share * (entry.high - entry.low) for entry in made.inputs] for share in np.linspace(0, 1, 99)]
    )
    content = dumps(made)
    found = run_onnx(content, rows)
    wanted = answers(made, rows)
    assert_same(found, wanted[:, 1:] if output == "one unit" else wanted)
    (tmp_path / "m.onnx").write_bytes(content)
    task = "classification" if made.classes else "regression"
    back = load(tmp_path / "m.onnx", Settings(rows=rows, task=task)).network
    assert_same(answers(back, rows), wanted)
    assert [entry.name for entry in back.inputs] == [entry.name for entry in made.inputs]
    assert back.classes == made.classes
    if not activation.is_identity:  # it is folded
        assert back.describe() == made.describe()
