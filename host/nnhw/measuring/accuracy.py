"""How good a network is, in floats and in each precision, on rows whose answers are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.data.datasets import Dataset
from nnhw.tuning import choose_precision
from nnhw_codegen.files import nnb
from nnhw_codegen.integers import precision, reference
from nnhw_codegen.integers.fixed import IntArray, saturate, to_real
from nnhw_codegen.integers.qmodel import QModel
from nnhw_codegen.network.network import Network
from nnhw_codegen.quantization.quantize import quantize

FLOAT = "float"

MOST_SATURATING = 0.01
"""A share of saturating activations above this deserves a warning."""


@dataclass(frozen=True)
class OutputScore:
    """One of several outputs; see ``Score``."""

    name: str
    agreement: float
    accuracy: float | None = None
    error: float | None = None
    deviation: float | None = None


@dataclass(frozen=True, eq=False)
class Score:
    """One precision on one data set.

    ``agreement`` with the float network is a share, of the output that agrees worst (``choose_precision.agreements``). For
    classes: ``accuracy`` is a share (of several answers of yes or no, of all of them), ``confusion`` (classes, classes)
    counts rows by true class, then by answer. For values: ``error`` is the root of the mean squared error and
    ``deviation`` the largest distance from the float network. ``outputs`` tells the same of each output, where there are
    several answers. ``size`` is bytes of the .nnb file, None for floats.
    ``logit_error`` is the largest distance of a logit from the float one, and ``saturating`` the share of activations
    that saturation falsifies, layer by layer; both None for floats.
    """

    precision: str
    size: int | None
    accuracy: float | None = None
    agreement: float | None = None
    confusion: NDArray[np.int64] | None = None
    error: float | None = None
    deviation: float | None = None
    logit_error: float | None = None
    saturating: tuple[float, ...] | None = None
    outputs: tuple[OutputScore, ...] = ()


def quantized(network: Network) -> dict[str, QModel]:
    """The network in every precision, by name. Raises ValueError where it cannot be quantized."""
    return {name: quantize(network, precision.get(name), network.calibration) for name in precision.names()}


def scores(network: Network, dataset: Dataset, models: Mapping[str, QModel] | None = None) -> list[Score]:
    """Floats first, then each of ``models``, by default those of ``quantized``; raises what that raises."""
    models = quantized(network) if models is None else models
    logits = network.logits(dataset.rows)
    wanted = network.answers(logits)
    result = [_score(FLOAT, None, dataset, network, wanted, wanted)]
    for name, model in models.items():
        codes = reference.codes(model, reference.ticks(model, dataset.rows))
        outputs = reference.logits(model, codes)
        score = _score(name, len(nnb.to_bytes(model)), dataset, network, wanted, reference.decide(model, outputs))
        if network.classes:
            score = replace(score, logit_error=float(np.abs(reference.reals(model, outputs) - logits).max()))
        result.append(replace(score, saturating=saturating(network, model, codes)))
    return result


def saturating(network: Network, model: QModel, codes: IntArray) -> tuple[float, ...]:
    """The share of activations, layer by layer, that saturation of z moves by a unit of the output or more.

    ``codes`` (n, inputs) enter the first layer. Where an activation is flat, saturation does no harm and does not count.
    """
    shares = []
    for layer, source in zip(model.layers, network.layers, strict=True):
        share = 0.0
        if layer.limit:
            z = reference.preactivation(layer, codes)
            free, held = (source.activation.value(to_real(v, layer.z_frac)) for v in (z, saturate(z, layer.limit)))
            share = float((np.abs(free - held) >= np.ldexp(1.0, -layer.output_frac)).mean())
        shares.append(share)
        codes = reference.layer_output(layer, codes)
    return tuple(shares)


def warnings(score: Score) -> list[str]:
    """A line for every layer where more than MOST_SATURATING of the activations saturate."""
    return [
        f"{score.precision}, layer {index}: {100 * share:.1f} % of the activations saturate; "
        "train on rows that cover this data"
        for index, share in enumerate(score.saturating or ())
        if share > MOST_SATURATING
    ]


def _score(
    name: str,
    size: int | None,
    dataset: Dataset,
    network: Network,
    wanted: NDArray[Any],
    found: NDArray[Any],
) -> Score:
    """``wanted`` and ``found`` are answers of the float network and of the integers."""
    agreements = choose_precision.agreements(network, wanted, found).tolist()
    score = Score(name, size, agreement=min(agreements))
    each = [OutputScore(*pair) for pair in zip(choose_precision.output_names(network), agreements, strict=True)]
    if network.decision == "values":
        errors = np.sqrt(np.mean((found - dataset.targets) ** 2, axis=0)).tolist()
        deviations = np.abs(found - wanted).max(axis=0).tolist()
        each = [
            replace(one, error=error, deviation=deviation)
            for one, error, deviation in zip(each, errors, deviations, strict=True)
        ]
        error = float(np.sqrt(np.mean((found - dataset.targets) ** 2)))
        score = replace(score, error=error, deviation=max(deviations))
    elif network.decision == "multilabel":
        right = (found == dataset.targets).mean(axis=0).tolist()
        each = [replace(one, accuracy=share) for one, share in zip(each, right, strict=True)]
        score = replace(score, accuracy=float(np.mean(right)))
    else:
        return replace(
            score,
            accuracy=float((found == dataset.targets).mean()),
            confusion=confusion(dataset.targets, found, len(network.classes)),
        )
    return replace(score, outputs=tuple(each)) if len(each) > 1 else score


def confusion(targets: NDArray[Any], answers: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Rows by true class, then by answer: (count, count)."""
    return np.bincount(targets * count + answers, minlength=count * count).reshape(count, count)


def confusion_text(matrix: NDArray[np.int64], classes: tuple[str, ...]) -> str:
    """The matrix with a line per true class and a column per answer; columns carry numbers, lines names too."""
    width = max(len(str(int(matrix.max()))), len(str(len(classes) - 1))) + 2
    label = max(map(len, classes))
    lines = [" " * (label + 4) + "".join(f"{n:>{width}}" for n in range(len(classes))) + "   <- answer"]
    for n, (name, row) in enumerate(zip(classes, matrix.tolist(), strict=True)):
        lines.append(f"{n:>3} {name:<{label}}" + "".join(f"{v or '.':>{width}}" for v in row))
    return "\n".join(lines)


def interval(right: int, rows: int) -> tuple[float, float]:
    """The 95 % interval of a share of which ``right`` of ``rows`` were counted (Wilson 1927)."""
    z = 1.959964
    share, spread = right / rows, z * z / rows
    middle = share + spread / 2
    half = z * sqrt(share * (1 - share) / rows + spread / (4 * rows))
    low, high = (middle - half) / (1 + spread), (middle + half) / (1 + spread)
    return max(low, 0.0), min(high, 1.0)


def counted(right: int, rows: int) -> str:
    """'96.7 % (29/30 rows, 95 % interval 83.3 to 99.4 %)'."""
    low, high = interval(right, rows)
    return (
        f"{100 * right / rows:.1f} % ({right:,}/{rows:,} rows, 95 % interval {100 * low:.1f} to {100 * high:.1f} %)"
    )


def quality_lines(network: Network, dataset: Dataset) -> list[str]:
    """How good the float network is on ``dataset``, in words; several outputs by themselves, the mean first."""
    answers, rows = network.predict(dataset.rows), len(dataset.rows)
    lines = [quality_text(network, quality(network, dataset))]
    if network.decision not in ("values", "multilabel"):
        return [f"accuracy {counted(int((answers == dataset.targets).sum()), rows)}"]
    names = choose_precision.output_names(network)
    if len(names) == 1:
        return lines
    for name, found, wanted in zip(names, answers.T, dataset.targets.T, strict=True):
        if network.classes:
            lines.append(f"{name}: {counted(int((found == wanted).sum()), rows)}")
            continue
        error, variance = float(np.mean((found - wanted) ** 2)), float(np.var(wanted))
        explained = f", R2 {1 - error / variance:.4f}" if variance else ""
        lines.append(f"{name}: root mean squared error {sqrt(error):.4g}{explained}")
    return lines


def quality(network: Network, dataset: Dataset) -> float:
    """Accuracy, or the root of the mean squared error for values."""
    answers = network.predict(dataset.rows)
    if network.classes:
        return float((answers == dataset.targets).mean())
    return float(np.sqrt(np.mean((answers - dataset.targets) ** 2)))


def quality_text(network: Network, value: float) -> str:
    """``quality`` with its name."""
    return f"accuracy {100 * value:.1f} %" if network.classes else f"root mean squared error {value:.4g}"
