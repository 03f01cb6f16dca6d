"""scikit-learn estimators over ``nnhw.train``: use them in pipelines and grid searches, then ``export`` them.

Importing this module needs scikit-learn. Inputs are standardized by the network itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import fields, replace
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import nnhw
from nnhw.data.datasets import Dataset
from nnhw.training.history import History
from nnhw.training.options import Options
from nnhw.training.train import fit, train
from nnhw_codegen.errors import InputError
from nnhw_codegen.network.network import Network

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin  # type: ignore[import-untyped, unused-ignore]
    from sklearn.utils import check_random_state  # type: ignore[import-untyped, unused-ignore]
    from sklearn.utils.multiclass import (  # type: ignore[import-untyped, unused-ignore]
        check_classification_targets,
        type_of_target,
    )
    from sklearn.utils.validation import (  # type: ignore[import-untyped, unused-ignore]
        check_array,
        check_is_fitted,
        column_or_1d,
        validate_data,
    )
except ImportError as error:
    raise ImportError("nnhw.training.estimator needs scikit-learn 1.6 or newer: pip install 'nnhw[study]'") from error

Array = NDArray[np.float64]

_STANDARDIZED = 1e-6


class _NnhwEstimator(BaseEstimator):  # type: ignore[misc, unused-ignore]
    network_: Network
    history_: History
    _standardized: bool

    def __init__(
        self,
        layers: int | Sequence[int] = 16,
        hidden: str = "relu",
        output: str | None = None,
        slope: float | None = None,
        epochs: int | None = None,
        batch: int = 8,
        optimizer: str = "adam",
        rate: float = 0.02,
        schedule: str = "cosine",
        momentum: float = 0.9,
        decay: float = 0.05,
        balance: bool = False,
        loss: str = "auto",
        relu_at_zero: float = 1.0,
        validation: float = 0.0,
        patience: int = 20,
        warm_start: bool = False,
        random_state: Any = 0,
    ) -> None:
        self.layers = layers
        self.hidden = hidden
        self.output = output
        self.slope = slope
        self.epochs = epochs
        self.batch = batch
        self.optimizer = optimizer
        self.rate = rate
        self.schedule = schedule
        self.momentum = momentum
        self.decay = decay
        self.balance = balance
        self.loss = loss
        self.relu_at_zero = relu_at_zero
        self.validation = validation
        self.patience = patience
        self.warm_start = warm_start
        self.random_state = random_state

    def _options(self) -> Options:
        seed = self.random_state
        if not isinstance(seed, Integral):
            seed = check_random_state(seed).randint(2**31)
        told = {entry.name: getattr(self, entry.name) for entry in fields(Options) if hasattr(self, entry.name)}
        return Options(**told, seed=seed)

    def _train(self, dataset: Dataset, weights: Any, goes_on: bool, options: Options) -> None:
        """Train a new network, or the one that is there where it ``goes_on``; rows of weight 0 are left out."""
        if weights is not None:
            weights = check_array(weights, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
            if weights.shape == (len(dataset.rows),) and weights.any():  # else training refuses them
                counting = np.flatnonzero(weights)
                dataset, weights = dataset.take(counting), weights[counting]
        means, deviations = dataset.rows.mean(axis=0), dataset.rows.std(axis=0)
        self._standardized = bool((np.abs([means, deviations - 1.0]) < _STANDARDIZED).all())
        if goes_on:
            self.history_ = fit(self.network_, dataset, options, weights=weights)
        else:
            layers = tuple(int(units) for units in np.atleast_1d(np.asarray(self.layers, dtype=np.int64)))
            self.network_, self.history_ = train(
                dataset,
                layers,
                hidden=self.hidden,
                output=self.output,
                slope=self.slope,
                options=options,
                weights=weights,
            )
        self.n_iter_ = len(self.history_.epochs)
        self.loss_curve_ = [epoch.loss for epoch in self.history_.epochs]

    def _a_pass(self) -> Options:
        """Options of one pass over the rows that ``partial_fit`` brings."""
        return replace(self._options(), epochs=1, schedule="constant", validation=0.0)

    def _names(self, rows: Array) -> tuple[str, ...]:
        return tuple(
            map(str, getattr(self, "feature_names_in_", [f"x{index + 1}" for index in range(rows.shape[1])]))
        )

    def _checked(self, X: Any) -> Array:
        check_is_fitted(self)
        return np.asarray(validate_data(self, X, reset=False, dtype=np.float64))

    def export(self, directory: str | Path, **options: Any) -> Any:
        """Quantize the network and write its build folder; ``options`` are those of ``nnhw.export``, what it raises, too.

        Warns where the rows of ``fit`` were standardized before: the board would have to do that as well. Then
        ``nnhw.export(nnhw.from_sklearn(pipeline, rows), directory)`` folds the scaler into the network.
        """
        check_is_fitted(self)
        if self._standardized:
            warnings.warn(
                "the rows were standardized before fit, so that the board must be given standardized values; export the "
                "whole pipeline with nnhw.export(nnhw.from_sklearn(pipeline, rows), directory), which folds its scaler",
                stacklevel=2,
            )
        return nnhw.export(self.network_, Path(directory), **options)


class NnhwClassifier(ClassifierMixin, _NnhwEstimator):  # type: ignore[misc, unused-ignore]
    """A dense network that tells classes, or answers several questions with yes or no (y of 0 and 1, (n, questions)).

    The parameters are those of ``nnhw.train`` and ``nnhw.Options``; ``layers`` may be one number, ``random_state`` is the
    seed, ``warm_start`` lets ``fit`` continue. After ``fit``: ``network_``, ``history_``, ``classes_``, ``n_iter_``,
    ``loss_curve_`` (mean loss of each epoch).
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NnhwClassifier:
        """Train on rows X (n, features) and labels y (n,). Raises ValueError for a single class."""
        goes_on = self.warm_start and hasattr(self, "network_")
        X, y = self._rows(X, y, reset=not goes_on)
        if not goes_on:
            self._learn_classes(y)
        self._train(self._dataset(X, y), sample_weight, goes_on, self._options())
        return self

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> NnhwClassifier:
        """Go once over these rows; the first call standardizes by its rows, and takes all ``classes`` or those of y."""
        goes_on = hasattr(self, "network_")
        X, y = self._rows(X, y, reset=not goes_on)
        if not goes_on:
            self._learn_classes(y if classes is None or y.ndim > 1 else np.asarray(classes))
        self._train(self._dataset(X, y), sample_weight, goes_on, self._a_pass())
        return self

    def _rows(self, X: Any, y: Any, reset: bool) -> tuple[Array, NDArray[Any]]:
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, reset=reset)
        check_classification_targets(y)
        y = y.toarray() if hasattr(y, "toarray") else np.asarray(y)
        return X, y if type_of_target(y) == "multilabel-indicator" else column_or_1d(y, warn=True)

    def _learn_classes(self, y: NDArray[Any]) -> None:
        self.classes_ = np.arange(y.shape[1]) if y.ndim > 1 else np.unique(y)
        if len(self.classes_) < 2:
            raise InputError(f"y holds 1 class, {self.classes_[0]!r}; expected at least two")

    def _dataset(self, rows: Array, y: NDArray[Any]) -> Dataset:
        classes = tuple(map(str, self.classes_))
        if y.ndim > 1:
            return Dataset("table", self._names(rows), rows, y.astype(np.int64), classes)
        targets = np.minimum(np.searchsorted(self.classes_, y), len(classes) - 1)
        strange = y[self.classes_[targets] != y]
        if len(strange):
            raise InputError(f"y holds {strange[0]!r}, which is none of the classes {', '.join(classes)}")
        return Dataset("table", self._names(rows), rows, targets.astype(np.int64), classes)

    def predict(self, X: Any) -> NDArray[Any]:
        """The label of every row, (n,); of questions 0 or 1, (n, questions)."""
        rows = self._checked(X)
        answers = self.network_.predict(rows)
        return np.asarray(answers) if self.network_.multilabel else np.asarray(self.classes_[answers])

    def predict_proba(self, X: Any) -> Array:
        """The probability of every class for every row, (n, classes); of a yes to each question, (n, questions)."""
        rows = self._checked(X)
        return np.asarray(self.network_.probabilities(rows))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class NnhwRegressor(RegressorMixin, _NnhwEstimator):  # type: ignore[misc, unused-ignore]
    """A dense network that tells one value or several; parameters and attributes are those of ``NnhwClassifier``."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NnhwRegressor:
        """Train on rows X (n, features) and values y, (n,) or (n, outputs)."""
        goes_on = self.warm_start and hasattr(self, "network_")
        self._train(self._dataset(X, y, not goes_on), sample_weight, goes_on, self._options())
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> NnhwRegressor:
        """Go once over these rows; the first call standardizes by its rows."""
        goes_on = hasattr(self, "network_")
        self._train(self._dataset(X, y, not goes_on), sample_weight, goes_on, self._a_pass())
        return self

    def _dataset(self, X: Any, y: Any, reset: bool) -> Dataset:
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True, reset=reset)
        values = np.asarray(y, dtype=np.float64)
        self._flat = values.ndim == 1
        values = values.reshape(len(values), -1)
        count = values.shape[1]
        outputs = ("y",) if count == 1 else tuple(f"y{number}" for number in range(1, count + 1))
        return Dataset("table", self._names(X), X, values, (), outputs)

    def predict(self, X: Any) -> Array:
        """The values of every row, shaped as y was."""
        rows = self._checked(X)
        values = np.asarray(self.network_.predict(rows))
        return values[:, 0] if self._flat else values

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
