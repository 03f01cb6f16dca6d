import os
import subprocess
import sys
import warnings
from dataclasses import fields

import numpy as np
import pytest

import nnhw
from nnhw.model_files import model_json
from nnhw.training.options import Options

pytest.importorskip("sklearn")

from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from nnhw.training.estimator import NnhwClassifier, NnhwRegressor

EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": "weights count within batches; repeated rows make other batches",
}


@pytest.mark.parametrize("estimator", [NnhwClassifier(), NnhwRegressor()], ids=["classifier", "regressor"])
def test_scikit_learn_accepts_the_estimator(estimator):
    # Skipped checks are those that need pandas or an array-API variable.
    results = check_estimator(estimator, on_skip=None, expected_failed_checks=EXPECTED)
    assert sum(result["status"] == "passed" for result in results) >= 55


def test_a_grid_search_ends_in_a_model_that_can_be_saved(tmp_path):
    rows, labels = load_iris(return_X_y=True, as_frame=False)
    labels = np.array(["setosa", "versicolor", "virginica"])[labels]
    search = GridSearchCV(NnhwClassifier(epochs=30), {"hidden": ["relu", "leaky_relu"], "rate": [0.02, 0.05]}, cv=3)
    search.fit(rows, labels)
    assert search.best_score_ > 0.9
    best = search.best_estimator_
    model_json.save(best.network_, tmp_path / "model.json")
    network = model_json.load(tmp_path / "model.json")
    assert network.classes == ("setosa", "versicolor", "virginica")
    assert np.array_equal(np.array(network.classes)[network.predict(rows)], best.predict(rows))


def test_without_scikit_learn_the_import_says_what_to_install():
    code = "import sys; sys.modules['sklearn.base'] = None; import nnhw.training.estimator"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, env=environment
    )
    assert "nnhw.training.estimator needs scikit-learn" in result.stderr
    assert "pip install 'nnhw[study]'" in result.stderr


def test_layers_may_be_one_number_and_every_option_of_training_is_taken():
    rows, labels = load_iris(return_X_y=True)
    names = {entry.name for entry in fields(Options)} - {"seed"}
    assert names <= set(NnhwClassifier().get_params())
    one, same = (NnhwClassifier(layers, epochs=3).fit(rows, labels) for layers in (5, (5,)))
    assert np.array_equal(one.predict_proba(rows), same.predict_proba(rows))
    assert one.loss_curve_ == [epoch.loss for epoch in one.history_.epochs]
    assert len(one.loss_curve_) == one.n_iter_ == 3


def test_random_state_is_the_seed():
    rows, labels = load_iris(return_X_y=True)
    first, same, other = (NnhwClassifier(epochs=2, random_state=n).fit(rows, labels).loss_curve_ for n in (4, 4, 5))
    assert first == same != other


def test_warm_start_goes_on_and_partial_fit_goes_over_rows_once():
    rows, labels = load_iris(return_X_y=True)
    warm = NnhwClassifier(epochs=10, rate=0.005, schedule="constant", warm_start=True).fit(rows, labels)
    start = warm.loss_curve_[-1]
    assert warm.fit(rows, labels).loss_curve_[0] < start * 1.1
    by_parts = NnhwClassifier(rate=0.005)
    for _ in range(20):
        by_parts.partial_fit(rows, labels, classes=[0, 1, 2])
        assert by_parts.n_iter_ == 1
    assert by_parts.score(rows, labels) > 0.9
    with pytest.raises(ValueError, match="none of the classes"):
        by_parts.partial_fit(rows, labels + 1)


def test_rows_of_weight_zero_are_as_if_left_out():
    rows, labels = load_iris(return_X_y=True)
    weights = np.where(labels == 2, 0.0, 1.0)
    weights[-1] = 1.0  # the class stays
    left = np.flatnonzero(weights)
    one = NnhwClassifier(epochs=3).fit(rows, labels, sample_weight=weights)
    other = NnhwClassifier(epochs=3).fit(rows[left], labels[left], sample_weight=weights[left])
    assert np.array_equal(one.predict_proba(rows), other.predict_proba(rows))


def test_several_values_are_told_by_one_regressor():
    rows = np.random.default_rng(0).uniform(-1, 1, (200, 2))
    values = np.c_[rows @ [1, 2], 1000 * rows @ [2, -1]]
    model = NnhwRegressor().fit(rows, values)
    assert model.predict(rows).shape == (200, 2)
    assert model.score(rows, values) > 0.99
    assert model.network_.outputs == ("y1", "y2")


def test_several_questions_are_answered_by_one_classifier():
    rows = np.random.default_rng(0).uniform(-1, 1, (300, 2))
    answers = np.c_[rows[:, 0] > 0.2, rows[:, 1] > 0].astype(int)
    model = NnhwClassifier(epochs=60).fit(rows, answers)
    assert model.network_.multilabel
    assert (model.predict(rows) == answers).mean() > 0.95
    assert model.predict_proba(rows).shape == (300, 2)


def test_export_writes_a_build_and_warns_of_rows_that_were_standardized(tmp_path):
    rows, labels = load_iris(return_X_y=True)
    model = NnhwClassifier(epochs=20).fit(rows, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build = model.export(tmp_path / "iris", precision="w8a8")
    assert build.manifest.precision == "w8a8"
    pipeline = make_pipeline(StandardScaler(), NnhwClassifier(epochs=20)).fit(rows, labels)
    with pytest.warns(UserWarning, match="from_sklearn"):
        pipeline[-1].export(tmp_path / "scaled")


@pytest.mark.parametrize("scaler", [StandardScaler(), MinMaxScaler(), PCA(3)])
@pytest.mark.parametrize("with_rows", [True, False])
def test_a_pipeline_is_folded_into_a_network_of_raw_rows(scaler, with_rows):
    rows, labels = load_iris(return_X_y=True)
    pipeline = make_pipeline(scaler, NnhwClassifier(epochs=20)).fit(rows, labels)
    if isinstance(scaler, PCA) and not with_rows:
        with pytest.raises(ValueError, match="range"):
            nnhw.from_sklearn(pipeline)
        return
    network = nnhw.from_sklearn(pipeline, rows if with_rows else None)
    np.testing.assert_allclose(network.probabilities(rows), pipeline.predict_proba(rows), atol=1e-9)
    for column, entry in zip(rows.T, network.inputs, strict=True):
        assert entry.low <= column.min()
        assert entry.high >= column.max()


def test_a_pipeline_of_values_is_folded():
    rows = np.random.default_rng(0).uniform(100, 200, (200, 2))
    pipeline = make_pipeline(StandardScaler(), NnhwRegressor(epochs=5)).fit(rows, rows.sum(axis=1))
    found = nnhw.from_sklearn(pipeline, rows).predict(rows)
    np.testing.assert_allclose(found[:, 0], pipeline.predict(rows), rtol=1e-9)
