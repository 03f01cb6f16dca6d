"""scikit-learn estimators over ``nnhw.train``: use them in pipelines and grid searches, then export ``network_``.

Importing this module needs scikit-learn. Inputs are standardized by the network itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.data.datasets import Dataset
from nnhw.training.options import Options
from nnhw.training.train import train
from nnhw_codegen.errors import InputError

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin  # type: ignore[import-untyped, unused-ignore]
    from sklearn.utils.multiclass import check_classification_targets  # type: ignore[import-untyped, unused-ignore]
    from sklearn.utils.validation import check_is_fitted, validate_data  # type: ignore[import-untyped, unused-ignore]
except ImportError as error:
    raise ImportError("nnhw.training.estimator needs scikit-learn 1.6 or newer: pip install 'nnhw[study]'") from error


class _NnhwEstimator(BaseEstimator):  # type: ignore[misc, unused-ignore]
    def __init__(
        self,
        layers: Sequence[int] = (16,),
        hidden: str = "relu",
        output: str | None = None,
        slope: float | None = None,
        epochs: int | None = None,
        batch: int = 8,
        optimizer: str = "adam",
        rate: float = 0.02,
        validation: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.layers = layers
        self.hidden = hidden
        self.output = output
        self.slope = slope
        self.epochs = epochs
        self.batch = batch
        self.optimizer = optimizer
        self.rate = rate
        self.validation = validation
        self.seed = seed

    def _train(self, rows: Any, targets: Any, classes: Sequence[str] = (), outputs: Sequence[str] = ()) -> None:
        names = getattr(self, "feature_names_in_", [f"x{index + 1}" for index in range(rows.shape[1])])
        dataset = Dataset("table", tuple(map(str, names)), rows, targets, tuple(classes), tuple(outputs))
        options = Options(
            epochs=self.epochs,
            batch=self.batch,
            optimizer=self.optimizer,
            rate=self.rate,
            validation=self.validation,
            seed=self.seed,
        )
        self.network_, self.history_ = train(
            dataset, self.layers, hidden=self.hidden, output=self.output, slope=self.slope, options=options
        )
        self.n_iter_ = len(self.history_.epochs)

    def _checked(self, X: Any) -> NDArray[np.float64]:
        check_is_fitted(self)
        return np.asarray(validate_data(self, X, reset=False, dtype=np.float64))


class NnhwClassifier(ClassifierMixin, _NnhwEstimator):  # type: ignore[misc, unused-ignore]
    """A dense network that tells classes; the parameters are those of ``nnhw.train`` and ``nnhw.Options``.

    After ``fit``: ``network_`` (save it with ``nnhw.save``), ``history_``, ``classes_``, ``n_iter_``.
    """

    def fit(self, X: Any, y: Any) -> NnhwClassifier:
        """Train on rows X (n, features) and labels y (n,). Raises ValueError for a single class."""
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, targets = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"y holds 1 class, {self.classes_[0]!r}; expected at least two")
        self._train(X, targets.astype(np.int64), classes=[str(label) for label in self.classes_])
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The label of every row, (n,)."""
        rows = self._checked(X)
        return np.asarray(self.classes_[self.network_.predict(rows)])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """The probability of every class for every row, (n, classes)."""
        rows = self._checked(X)
        return np.asarray(self.network_.probabilities(rows))


class NnhwRegressor(RegressorMixin, _NnhwEstimator):  # type: ignore[misc, unused-ignore]
    """A dense network that tells values; the parameters are those of ``nnhw.train`` and ``nnhw.Options``.

    After ``fit``: ``network_`` (save it with ``nnhw.save``), ``history_``, ``n_iter_``.
    """

    def fit(self, X: Any, y: Any) -> NnhwRegressor:
        """Train on rows X (n, features) and values y (n,)."""
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        self._train(X, np.asarray(y, dtype=np.float64)[:, None], outputs=["y"])
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """The value for every row, (n,)."""
        rows = self._checked(X)
        return np.asarray(self.network_.predict(rows)[:, 0])
