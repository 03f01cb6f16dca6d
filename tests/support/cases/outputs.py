"""Data whose answers are several: values of different scale and far from 0, and answers of yes or no."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from nnhw.data import datasets
from nnhw.data.datasets import Dataset
from nnhw.training.options import Options
from nnhw.training.train import train
from nnhw_codegen.network.network import Network

LARGE_OFFSET = Path(__file__).parents[2] / "cases/large_offset.csv"
"""Two inputs and a target near 1,013,250 whose deviation is 2."""

BASE = Options(epochs=100)


@cache
def several_scales() -> tuple[Dataset, Network]:
    """A ratio around 0, a pressure in pascal, a temperature in kelvin; and a network trained on them."""
    generator = np.random.default_rng(0)
    rows = generator.uniform(-1, 1, (400, 3))
    values = np.c_[rows[:, 0] * rows[:, 1], 101325 + 5000 * rows[:, 2] + 300 * rows[:, 0], 290 + 5 * rows[:, 1]]
    data = Dataset("multi", ("a", "b", "c"), rows.round(3), values, (), ("ratio", "pa", "kelvin"))
    return data, train(data, (8,))[0]


@cache
def yes_or_no() -> tuple[Dataset, Network]:
    """Three questions about two numbers, whose answers do not exclude each other; and a network trained on them."""
    rows = np.random.default_rng(1).uniform(-1, 1, (400, 2)).round(2)
    answers = np.c_[rows[:, 0] > 0.2, rows[:, 1] > 0, np.abs(rows).sum(axis=1) < 0.8].astype(np.int64)
    data = Dataset("signs", ("a", "b"), rows, answers, ("right", "up", "near"))
    return data, train(data, (12,), options=BASE)[0]


def large_offset() -> tuple[Dataset, Dataset]:
    """Rows to train on, and rows held out."""
    return datasets.split(datasets.load(LARGE_OFFSET, "y"), 0.2, 0)


def explained(wanted: np.ndarray, found: np.ndarray) -> np.ndarray:
    """R2 of each output, (outputs,)."""
    return np.asarray(1 - ((found - wanted) ** 2).mean(axis=0) / wanted.var(axis=0))
