"""Which precision is the cheapest that still answers like the float network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.network import Network
from nnhw_codegen import precision, program, reference
from nnhw_codegen.precision import Precision
from nnhw_codegen.qmodel import QModel
from nnhw_codegen.quantize import QuantizeReport, quantize_report, spread_rows

LEAST_AGREEMENT = 0.995
LEAST_AGREEMENT_OF_VALUES = 0.999999
"""Of values, whose agreement is a share of their variance: a typical error of a thousandth of their deviation."""

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
    least_agreement: float


def plain(network: Network, entry: Precision) -> QuantizeReport:
    """Quantize after training, on the network's own calibration rows."""
    return quantize_report(network, entry, network.calibration)


def choose(
    network: Network,
    rows: FloatArray | None = None,
    targets: NDArray[Any] | None = None,
    least_agreement: float | None = None,
    precisions: Sequence[Precision] = precision.PRECISIONS,
    quantizer: Callable[[Network, Precision], QuantizeReport] = plain,
) -> Choice:
    """Try ``precisions``, dearest first, from the last on; the first that agrees on a share of ``least_agreement`` wins.

    Where none does, the one that agrees best is chosen. ``rows`` (n, inputs), raw, are those to agree on; without them
    the network's own calibration rows, or rows spread over the declared ranges. ``least_agreement`` None asks for
    LEAST_AGREEMENT, or LEAST_AGREEMENT_OF_VALUES. ``targets`` (n,) are class indices, for the accuracy. Raises
    ValueError where the network cannot be quantized.
    """
    if rows is None:
        rows = spread_rows(network) if network.calibration is None else network.calibration
    if least_agreement is None:
        least_agreement = LEAST_AGREEMENT if network.classes else LEAST_AGREEMENT_OF_VALUES
    tried: list[Candidate] = []
    for entry in reversed(precisions):
        tried.append(candidate(network, entry, quantizer(network, entry), rows, targets))
        if tried[-1].agreement >= least_agreement:
            return Choice(tuple(tried), tried[-1], True, least_agreement)
    return Choice(tuple(tried), max(tried, key=lambda c: c.agreement), False, least_agreement)


def candidate(
    network: Network, entry: Precision, report: QuantizeReport, rows: FloatArray, targets: NDArray[Any] | None = None
) -> Candidate:
    """What ``report``, made for ``entry``, is worth on rows (n, inputs)."""
    model = report.model
    found = reference.predict(model, rows)
    largest = max(int(np.maximum(layer.high, -layer.low).max()) for layer in model.layers)
    return Candidate(
        entry,
        report,
        agreement(network, network.predict(rows), found),
        None if targets is None or not network.classes else float((found == targets).mean()),
        data_bytes(model),
        log2(max(largest, 1) / entry.accumulator_limit),
        tuple(float(bits.mean()) for bits in report.bits_given_up),
    )


def data_bytes(model: QModel) -> int:
    """Bytes of weights and tables."""
    built = program.build(model)
    weights = sum(layer.weights.size for layer in built.layers)
    return built.weight_bits // 8 * weights + sum(len(table.to_bytes()) for table in built.tables)


def agreement(network: Network, wanted: NDArray[Any], found: NDArray[Any]) -> float:
    """The share of rows that get the float network's class.

    For values, the share of the float outputs' variance that remains: 1 - mean square of the difference / variance.
    """
    if network.classes:
        return float((wanted == found).mean())
    return 1.0 - float(np.mean((wanted - found) ** 2) / max(float(np.var(wanted)), 1e-30))


def table(choice: Choice, why: bool) -> list[str]:
    """What was tried, line by line, and, with ``why``, why the choice fell as it did."""
    labeled = choice.candidates[0].accuracy is not None
    lines = [
        f"{'precision':<10}{'like float':>12}{'accuracy' if labeled else '':>{10 * labeled}}"
        f"{'bytes':>9}{'bound / limit':>15}  bits given up to the proof, per layer"
    ]
    for c in choice.candidates:
        accuracy = "" if c.accuracy is None else f"{100 * c.accuracy:.1f} %"
        bits = ", ".join(f"{value:.1f}" for value in c.bits_given_up)
        lines.append(
            f"{c.precision.name:<10}{100 * c.agreement:>10.2f} %{accuracy:>{10 * labeled}}"
            f"{c.size:>9,}{f'2^{c.bound:.1f}':>15}  {bits}"
        )
    if why:
        name, floor = choice.chosen.precision.name, f"{100 * choice.least_agreement:g} %"
        reason = "the cheapest that reaches" if choice.met else "the nearest, but none reaches"
        lines.append(f"chosen    {name}: {reason} {floor} agreement with the float network")
    return lines


def facts(candidate: Candidate) -> dict[str, Any]:
    """A candidate in plain values, for JSON."""
    values = {key: value for key, value in vars(candidate).items() if key not in ("precision", "report")}
    return {"precision": candidate.precision.name, "widths": list(candidate.report.widths), **values}
