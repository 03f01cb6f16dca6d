"""Which precision is the cheapest that still answers like the float network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.network import Network
from nnhw_codegen import precision, program, reference
from nnhw_codegen.precision import Precision
from nnhw_codegen.quantize import QuantizeReport, quantize_report, spread_rows

LEAST_AGREEMENT = 0.995

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Candidate:
    """One precision, tried on calibration rows.

    ``agreement`` with the float network is a share (see ``agreement``), and so is ``accuracy``, None without labels.
    ``size`` is bytes of weights and tables. ``bound`` is log2 of the largest proved partial sum over its limit, and
    ``bits_given_up`` the mean per neuron, layer by layer.
    """

    precision: Precision
    report: QuantizeReport
    agreement: float
    accuracy: float | None
    size: int
    bound: float
    bits_given_up: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Choice:
    """The candidates that were tried, cheapest first, and the chosen one; ``met``: whether it reaches the floor."""

    candidates: tuple[Candidate, ...]
    chosen: Candidate
    met: bool


def choose(
    network: Network,
    rows: FloatArray | None = None,
    targets: NDArray[Any] | None = None,
    least_agreement: float = LEAST_AGREEMENT,
    quantizer: Callable[[Network, Precision, FloatArray | None], QuantizeReport] = quantize_report,
) -> Choice:
    """Try precisions from the cheapest on and stop at the first that agrees on a share of at least ``least_agreement``.

    Where none does, the one that agrees best is chosen. ``rows`` (n, inputs) are raw; without them the network's own
    calibration rows are taken, or rows spread over the declared ranges. ``targets`` (n,) are class indices. Raises
    ValueError where the network cannot be quantized.
    """
    if rows is None:
        rows = spread_rows(network) if network.calibration is None else network.calibration
    tried: list[Candidate] = []
    for entry in reversed(precision.PRECISIONS):
        tried.append(candidate(network, entry, quantizer(network, entry, network.calibration), rows, targets))
        if tried[-1].agreement >= least_agreement:
            return Choice(tuple(tried), tried[-1], True)
    return Choice(tuple(tried), max(tried, key=lambda c: c.agreement), False)


def candidate(
    network: Network, entry: Precision, report: QuantizeReport, rows: FloatArray, targets: NDArray[Any] | None = None
) -> Candidate:
    """What ``report``, made for ``entry``, is worth on rows (n, inputs)."""
    model = report.model
    built = program.build(model)
    found = reference.predict(model, rows)
    largest = max(int(np.maximum(layer.high, -layer.low).max()) for layer in model.layers)
    return Candidate(
        entry,
        report,
        agreement(network, network.predict(rows), found),
        None if targets is None or not network.classes else float((found == targets).mean()),
        built.weight_bits // 8 * sum(layer.weights.size for layer in built.layers)
        + sum(len(table.to_bytes()) for table in built.tables),
        log2(max(largest, 1) / entry.accumulator_limit),
        tuple(float(bits.mean()) for bits in report.bits_given_up),
    )


def agreement(network: Network, wanted: NDArray[Any], found: NDArray[Any]) -> float:
    """The share of rows that get the float network's class.

    For values, the share of the float outputs' variance that remains: 1 - mean square of the difference / variance.
    """
    if network.classes:
        return float((wanted == found).mean())
    return 1.0 - float(np.mean((wanted - found) ** 2) / max(float(np.var(wanted)), 1e-30))


def table(choice: Choice, least_agreement: float) -> list[str]:
    """What was tried and why the choice fell as it did, line by line."""
    labeled = choice.candidates[0].accuracy is not None
    head = f"{'precision':<10}{'like float':>12}{'accuracy' if labeled else '':>{10 if labeled else 0}}"
    lines = [f"{head}{'bytes':>8}{'bound':>9}  bits given up, by layer"]
    for c in choice.candidates:
        accuracy = "" if c.accuracy is None else f"{100 * c.accuracy:.1f} %"
        bits = " ".join(f"{value:.1f}" for value in c.bits_given_up)
        lines.append(
            f"{c.precision.name:<10}{100 * c.agreement:>10.2f} %{accuracy:>{10 if labeled else 0}}"
            f"{c.size:>8,}{f'2^{c.bound:.1f}':>9}  {bits}"
        )
    name, floor = choice.chosen.precision.name, f"{100 * least_agreement:g} %"
    if choice.met:
        lines.append(f"{name} is the cheapest that agrees with the float network on at least {floor}")
    else:
        lines.append(f"none agrees with the float network on at least {floor}; {name} comes nearest")
    return lines
