"""Exported code on the rows of a data set, beside the reference."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.data.datasets import Dataset
from nnhw.exporting.build_folder import Build
from nnhw.measuring import accuracy
from nnhw.running import verify as verification
from nnhw.running.exported import Exported, held
from nnhw_codegen.integers import reference


def agreement_on(
    build: Build, target: str, dataset: Dataset, module: Exported | None = None
) -> tuple[int, NDArray[np.int64]]:
    """How many rows give the reference's logits on ``target``, and the logits that it gave.

    ``module`` is what runs, by default the build's generated code.
    """
    found = (module or verification.exported(build)).run(target, "values", dataset.rows).logits
    model = build.model
    expected = reference.logits(model, reference.codes(model, reference.ticks(model, held(target, dataset.rows))))
    return int((found == expected).all(axis=1).sum()), found


def answer(build: Build, logits: NDArray[np.int64]) -> Any:
    """What the logits (1, units) of one row tell: a class, the names of the yeses, a value, or a list of values."""
    found = reference.decide(build.model, logits)[0]
    if build.model.decision == "multilabel":
        return [name for name, yes in zip(build.model.classes, found, strict=True) if yes]
    if build.model.classes:
        return build.model.classes[int(found)]
    values = found.tolist()
    return values[0] if len(values) == 1 else values


def quality_lines(build: Build, dataset: Dataset, logits: NDArray[np.int64]) -> list[str]:
    """Accuracy and confusion matrix; the error of values, or how often each answer of yes or no is right."""
    model, answers = build.model, reference.decide(build.model, logits)
    if model.decision == "values":
        errors = np.sqrt(np.mean((answers - dataset.targets) ** 2, axis=0))
        names = [f" of {name}" for name in model.outputs] if len(model.outputs) > 1 else [""] * len(errors)
        return [f"root mean squared error{name} {error:.5g}" for name, error in zip(names, errors, strict=True)]
    if model.decision == "multilabel":
        shares = 100 * (answers == dataset.targets).mean(axis=0)
        return [f"accuracy of {name} {share:.1f} %" for name, share in zip(model.classes, shares, strict=True)]
    right = int((answers == dataset.targets).sum())
    matrix = accuracy.confusion(dataset.targets, answers, len(build.model.classes))
    share = f"accuracy {right}/{len(answers)} = {100 * right / len(answers):.1f} %"
    return [share, accuracy.confusion_text(matrix, build.model.classes)]
