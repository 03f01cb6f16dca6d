"""Which precision is the cheapest that still answers like the float network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw_codegen.integers import precision, program, reference
from nnhw_codegen.integers.precision import Precision
from nnhw_codegen.integers.qmodel import QModel
from nnhw_codegen.network.network import Network
from nnhw_codegen.quantization.output_layer import unlikeness
from nnhw_codegen.quantization.quantize import QuantizeReport, quantize_report, spread_rows

LEAST_AGREEMENT = 0.995
LEAST_AGREEMENT_OF_VALUES = 0.999999
"""Of values, whose agreement is a share of their variance: a typical error of a thousandth of their deviation."""

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Candidate:
    """One precision, tried on calibration rows.

    ``agreements`` with the float network are shares (see ``agreements``), and so is ``accuracy``, None without labels.
    ``size`` is bytes of weights and tables. ``bound`` is log2 of the largest proved partial sum over its limit, and
    ``bits_given_up`` the mean per neuron, layer by layer.
    """

    precision: Precision
    report: QuantizeReport
    agreements: tuple[float, ...]
    accuracy: float | None
    size: int
    bound: float
    bits_given_up: tuple[float, ...]

    @property
    def agreement(self) -> float:
        """That of the output that agrees worst."""
        return min(self.agreements)


@dataclass(frozen=True, eq=False)
class Choice:
    """The candidates that were tried, cheapest first, and the chosen one; ``met``: whether it reaches the floor.

    ``made_up``: the rows to agree on are no data, but spread over the declared ranges.
    """

    candidates: tuple[Candidate, ...]
    chosen: Candidate
    met: bool
    least_agreement: float
    made_up: bool = False


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
    """Try ``precisions``, cheapest first; the first that agrees on a share of ``least_agreement`` wins.

    Where none does, the one that agrees best is chosen. ``rows`` (n, inputs), raw, are those to agree on; without them
    the network's own calibration rows, or rows spread over the declared ranges. ``least_agreement`` None asks for
    LEAST_AGREEMENT, or LEAST_AGREEMENT_OF_VALUES, of each output. ``targets`` as in a Dataset are for the accuracy. Raises
    ValueError where the network cannot be quantized.
    """
    made_up = rows is None and network.calibration is None
    if rows is None:
        rows = spread_rows(network) if network.calibration is None else network.calibration
    if least_agreement is None:
        least_agreement = LEAST_AGREEMENT if network.classes else LEAST_AGREEMENT_OF_VALUES
    tried: list[Candidate] = []
    for entry in sorted(precisions, key=lambda one: one.cost):
        tried.append(candidate(network, entry, quantizer(network, entry), rows, targets))
        if tried[-1].agreement >= least_agreement:
            return Choice(tuple(tried), tried[-1], True, least_agreement, made_up)
    return Choice(tuple(tried), max(tried, key=lambda c: c.agreement), False, least_agreement, made_up)


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
        tuple(agreements(network, network.predict(rows), found).tolist()),
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


def agreements(network: Network, wanted: NDArray[Any], found: NDArray[Any]) -> NDArray[np.float64]:
    """The share of rows that get the float network's class, (1,); of answers of yes or no one share each, (units,).

    For values, the share of each float output's variance that remains: 1 - mean square of the difference / variance.
    """
    if network.decision == "values":
        return 1.0 - unlikeness(wanted, found)
    return np.atleast_1d(np.asarray((wanted == found).mean(axis=0)))


def output_names(network: Network) -> tuple[str, ...]:
    """A name for each of ``agreements``."""
    if network.decision == "multilabel":
        return network.classes
    if network.classes:
        return ("class",)
    return network.outputs or tuple(f"output {number}" for number in range(len(network.layers[-1].bias)))


def percent(network: Network, agreement: float) -> str:
    """An agreement as text, as fine as what is asked of it; below 0 the values have nothing in common."""
    return f"{100 * max(agreement, 0.0):.{2 if network.classes else 4}f} %"


def shortfall(network: Network, choice: Choice) -> str:
    """A line on the outputs of the chosen candidate that agree less than asked for; empty where there are none."""
    pairs = zip(output_names(network), choice.chosen.agreements, strict=True)
    short = [f"{name} {percent(network, value)}" for name, value in pairs if not value >= choice.least_agreement]
    if not short:
        return ""
    name, floor = choice.chosen.precision.name, f"{100 * choice.least_agreement:g} %"
    return f"{name} agrees with the float network on less than {floor}{_of_rows(choice)}: {', '.join(short)}"


def _of_rows(choice: Choice) -> str:
    return " of made-up rows" if choice.made_up else ""


def agreement_lines(network: Network, choice: Choice) -> list[str]:
    """How near the chosen integers are to the float network, output by output, and the warning where too far."""
    pairs = zip(output_names(network), choice.chosen.agreements, strict=True)
    lines = [f"{name}: {percent(network, value)}{_of_rows(choice)}" for name, value in pairs]
    warning = shortfall(network, choice)
    return [*lines, *([f"Warning: {warning}."] if warning else [])]


def facts(candidate: Candidate) -> dict[str, Any]:
    """A candidate in plain values, for JSON."""
    values = {key: value for key, value in vars(candidate).items() if key not in ("precision", "report")}
    return {
        "precision": candidate.precision.name,
        "widths": list(candidate.report.widths),
        "agreement": candidate.agreement,
        **values,
    }
