"""The answer in plain words: every sentence is chosen and filled in by the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from nnhw.study.relu_at_zero import Row
from nnhw.study.tasks import BASE

_SMALL = 1.0  # points: larger mean differences without significance are told as undecided


@dataclass(frozen=True)
class Answer:
    """``headline`` in one sentence, ``findings`` and ``advice`` in a few, and how they relate to Bertoin et al."""

    headline: str
    findings: list[str]
    advice: list[str]
    agree: list[str]
    disagree: list[str]


@dataclass(frozen=True)
class Tally:
    """Comparisons of some arms with relu 0: how many came out how, and how far."""

    rows: list[Row]

    @property
    def better(self) -> list[Row]:
        """Significantly better than relu 0."""
        return [row for row in self.rows if row.verdict == "better"]

    @property
    def worse(self) -> list[Row]:
        """Significantly worse than relu 0."""
        return [row for row in self.rows if row.verdict == "worse"]

    @property
    def largest(self) -> float:
        """The largest mean difference in points, whatever its sign."""
        return max((abs(row.difference) for row in self.rows), default=0.0)

    def span(self, verdict: str) -> str:
        """The range of the significant differences of one kind, as "+8.0 to +15.5 points"."""
        found = sorted(row.difference for row in self.rows if row.verdict == verdict)
        return f"{found[0]:+.1f} points" if len(found) == 1 else f"{found[0]:+.1f} to {found[-1]:+.1f} points"

    def text(self) -> str:
        """How the comparisons came out, in half a sentence."""
        if not self.rows:
            return "was not measured"
        count = len(self.rows)
        if not self.better and not self.worse:
            return (
                f"made no significant difference in any of {count} comparisons "
                f"(largest mean difference {self.largest:.2f} points)"
            )
        parts = [
            f"was significantly {kind} in {len(found)} of {count} comparisons ({self.span(kind)})"
            for kind, found in (("better", self.better), ("worse", self.worse))
            if found
        ]
        return " and ".join(parts) + ("" if self.better and self.worse else f", never {self._missing()}")

    def _missing(self) -> str:
        return "worse" if self.better else "better"


def answer(rows: Sequence[Row]) -> Answer:
    """The answer that these rows, from ``relu_at_zero.summarize``, give."""

    def tally(kind: str, *arms: str) -> Tally:
        return Tally([row for row in rows if row.kind == kind and row.arm in arms])

    values = {kind: tally(kind, "relu 1/2", "relu 1") for kind in ("ordinary", "structural")}
    findings = [
        f"Ordinary networks: ReLU'(0) = 1/2 or 1 instead of 0 {values['ordinary'].text()}.",
        "Networks whose rows make hidden sums exactly 0 by construction (rows of zeros, or layers so narrow "
        "that all of "
        f"their units can be off, with biases of 0): 1/2 or 1 instead of 0 {values['structural'].text()}.",
    ]
    findings += _bias(rows) + _precision(rows)
    for arm in ("softplus", "leaky relu"):
        findings.append(
            f"{arm.capitalize()} instead of ReLU with ReLU'(0) = 0: on ordinary networks it "
            f"{tally('ordinary', arm).text()}; with exact zeros by construction it {tally('structural', arm).text()}."
        )
    return Answer(_headline(values), findings, _advice(rows), *_bertoin(rows, values))


def _headline(values: dict[str, Tally]) -> str:
    def said(tally: Tally) -> str:
        if tally.better and tally.worse:
            return "cuts both ways"
        if tally.better:
            return (
                f"matters: a value above 0 is better, by up to {max(r.difference for r in tally.better):.0f} points"
            )
        if tally.worse:
            return f"matters: 0 is better, by up to {max(-r.difference for r in tally.worse):.0f} points"
        if tally.largest < _SMALL:
            return "makes no measurable difference"
        return (
            f"makes no significant difference (means differ by up to {tally.largest:.1f} points: more seeds may tell)"
        )

    where = {"ordinary": "On ordinary networks", "structural": "Where hidden sums are exactly 0 by construction,"}
    return " ".join(
        f"{where[kind]} the value of ReLU'(0) {said(tally)}." for kind, tally in values.items() if tally.rows
    )


def _precision(rows: Sequence[Row]) -> list[str]:
    shares = _zeros(rows)
    if len(shares) < 2:
        return []
    told = ", ".join(f"{share:.3g} % in {name}" for name, share in shares.items())
    return [
        f"Share of exact zeros among the hidden sums of ordinary networks while they trained (ReLU'(0) = 0): {told}."
    ]


def _zeros(rows: Sequence[Row]) -> dict[str, float]:
    """Mean share of exact zeros per arithmetic, in percent: ordinary networks with measured (not XOR) inputs."""
    names = list(dict.fromkeys(row.arithmetic for row in rows))
    result = {}
    for name in names:
        found = [
            row.zeros
            for row in rows
            if row.arithmetic == name and row.arm == BASE and row.kind == "ordinary" and row.measure == "accuracy"
        ]
        if found:
            result[name] = _mean(found)
    return result


def _bias(rows: Sequence[Row]) -> list[str]:
    """What a hidden bias changes on the tasks that have exact zeros by construction without one."""
    result = []
    for kinds, names in (("floats", ("float64", "float32", "float16")), ("fixed point", ("fx16", "fx12", "fx8"))):
        tally = Tally(
            [
                row
                for row in rows
                if row.kind == "biased" and row.arm in ("relu 1/2", "relu 1") and row.arithmetic in names
            ]
        )
        if tally.rows:
            result.append(
                f"A hidden bias above 0 on those same tasks, in {kinds}: 1/2 or 1 instead of 0 {tally.text()}."
            )
    return result


def _advice(rows: Sequence[Row]) -> list[str]:
    def score(arm: str) -> tuple[int, int]:
        found = Tally([row for row in rows if row.arm == arm])
        return len(found.better), len(found.worse)

    one, half = score("relu 1"), score("relu 1/2")
    if one[0] and not one[1]:
        value = "Use ReLU'(0) = 1: it was better in some cells and worse in none"
    elif one[1] and not one[0]:
        value = "Use ReLU'(0) = 0: 1 was worse in some cells and better in none"
    elif one[0]:
        value = "Try ReLU'(0) = 0 and 1: each won in some cells"
    else:
        value = "Use any ReLU'(0): no cell told 0 and 1 apart"
    value += f" (1 against 0: {one[0]} better, {one[1]} worse; 1/2 against 0: {half[0]} better, {half[1]} worse)."
    deep = [row for row in rows if row.kind == "structural" and row.measure == "accuracy"]
    if not deep:
        return [value]
    failed = {
        arm: _mean([row.failed for row in deep if row.arm == arm])
        for arm in (BASE, "relu 1", "softplus", "leaky relu")
    }
    told = ", ".join(f"{arm} {share:.1f} %" for arm, share in failed.items())
    safest = min(failed, key=lambda arm: failed[arm])
    return [
        value,
        f"In narrow, deep networks with biases of 0 the safest was {safest}; networks that failed: {told}.",
    ]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _bertoin(rows: Sequence[Row], values: dict[str, Tally]) -> tuple[list[str], list[str]]:
    """(agree, disagree) with Bertoin, Bolte, Gerchinovitz and Pauwels, NeurIPS 2021."""
    agree, disagree = [], []
    both = Tally([row for row in rows if row.arm in ("relu 1/2", "relu 1")])
    ordinary, structural = values["ordinary"], values["structural"]
    if both.worse and not both.better:
        agree.append("They find ReLU'(0) = 0 the most efficient with plain SGD; so does this study.")
    elif both.better:
        disagree.append(
            "They find ReLU'(0) = 0 the most efficient with plain SGD (large networks, no fixed point). Here a "
            "value above "
            f"0 was significantly better in {len(both.better)} comparisons and worse in {len(both.worse)}."
        )
    else:
        disagree.append("They find ReLU'(0) = 0 the most efficient with plain SGD; here no comparison shows it.")
    shares = _zeros(rows)
    known = [name for name in ("float64", "float32", "float16") if name in shares]
    if len(known) > 1:
        if all(shares[a] <= shares[b] for a, b in pairwise(known)):
            agree.append("They see the effect's cause, exact zeros, grow as precision falls; so do the shares above.")
        else:
            disagree.append("They see exact zeros grow as precision falls; the shares above do not.")
    double = Tally([row for row in structural.rows if row.arithmetic == "float64"])
    if double.rows and (double.better or double.worse):
        disagree.append(
            "They report that the effect disappears in double precision. Exact zeros by construction do not "
            "depend on "
            f"precision: in float64 the choice still mattered in {len(double.better) + len(double.worse)} of "
            f"{len(double.rows)} comparisons."
        )
    elif double.rows:
        agree.append("They report that the effect disappears in double precision; it does here.")
    half = Tally([row for row in ordinary.rows if row.arithmetic == "float16"])
    if half.rows and not half.better and not half.worse:
        disagree.append(
            "They report a systematic effect on back-propagation in 16-bit floats. In float16 the accuracy of "
            "ordinary "
            f"networks differed in none of {len(half.rows)} comparisons."
        )
    elif half.rows:
        agree.append(
            "They report an effect in 16-bit floats; the accuracy of ordinary networks in float16 shows one too."
        )
    return agree, disagree
