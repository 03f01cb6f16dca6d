import os
import subprocess
import sys

import numpy as np
import pytest

from nnhw.model_files import model_json

pytest.importorskip("sklearn")

from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import check_estimator

from nnhw.training.estimator import NnhwClassifier, NnhwRegressor


@pytest.mark.parametrize("estimator", [NnhwClassifier(), NnhwRegressor()], ids=["classifier", "regressor"])
def test_scikit_learn_accepts_the_estimator(estimator):
    # Skipped checks are those that need pandas or an array-API variable.
    results = check_estimator(estimator, on_skip=None)
    assert sum(result["status"] == "passed" for result in results) >= 40


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
