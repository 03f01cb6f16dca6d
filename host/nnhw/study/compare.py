"""Which activation suits a data set: many seeds of each, in floats and quantized, with paired statistics.

Every activation gets the learning rate, out of a few, that did best on seeds of its own; then all of them train on the
same splits, from the same weights, with the rows in the same order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nnhw.data import datasets
from nnhw.data.datasets import Dataset
from nnhw.study.jobs import StudyError, outcomes
from nnhw.study.statistics import holm, paired, verdict
from nnhw.study.tasks import Material, stack
from nnhw.training.population import Arm, Population
from nnhw.training.train import create
from nnhw_codegen.errors import InputError
from nnhw_codegen.integers import precision, reference
from nnhw_codegen.network import activations
from nnhw_codegen.network.network import Layer, Network
from nnhw_codegen.quantization.quantize import quantize
from nnhw_codegen.registry import find

IntArray = NDArray[np.int64]

FLOAT = "float"
RATES = tuple(2.0**-shift for shift in (2, 4, 6))
PRECISIONS = ("w8a8", "acc16")
_HIDDEN_BIAS = 0.1
_PILOT_SEEDS = 8
_FIRST_PILOT_SEED = 1_000_000  # far from the seeds that are reported
_BLOCK = 5  # seeds per job


@dataclass(frozen=True, eq=False)
class Setting:
    """What to compare: ``hidden`` activations (the first is what the others are compared with), on classes only.

    ``layers`` are hidden units, ``rates`` the learning rates to choose from, ``precisions`` those of
    ``nnhw_codegen.integers.precision``. Raises StudyError for what cannot be compared.
    """

    dataset: Dataset
    hidden: tuple[str, ...]
    layers: tuple[int, ...] = (8,)
    seeds: int = 50
    epochs: int = 60
    held_out: float = 0.2
    rates: tuple[float, ...] = RATES
    precisions: tuple[str, ...] = PRECISIONS
    relu_at_zero: float = 1.0

    def __post_init__(self) -> None:
        if not self.dataset.classes:
            raise StudyError(
                f"{self.dataset.name}: the target holds values; compare counts right answers and needs classes "
                "(--task classification takes whole numbers as classes)"
            )
        if len(set(self.hidden)) != len(self.hidden) or len(self.hidden) < 2:
            raise StudyError(f"hidden is {','.join(self.hidden)}; expected at least two different activations")
        if not self.layers:
            raise StudyError("a network without hidden layers has no hidden activation to compare")
        if not len(datasets.split(self.dataset, self.held_out, 0)[1].rows):
            raise StudyError(
                f"{self.dataset.name}: {len(self.dataset.rows)} rows hold none out; expected several of each class"
            )
        for name in self.hidden:
            try:
                find(activations.RECORDS, name, "activation")
            except InputError as error:
                raise StudyError(str(error)) from None
        for name in self.precisions:
            precision.get(name)


@dataclass(frozen=True)
class Row:
    """One activation in one precision: percent of held-out rows, and points against the first activation.

    ``agreement`` is the percent of held-out rows answered as the float network does.
    """

    precision: str
    hidden: str
    rate: float
    mean: float
    worst: float
    difference: float
    low: float
    high: float
    p: float | None
    p_holm: float | None
    agreement: float
    dead: float

    @property
    def verdict(self) -> str:
        """ "better" or "worse" than the first activation where that is significant, else ""."""
        return verdict(self.difference, self.p_holm)


@dataclass(frozen=True, eq=False)
class _Job:
    setting: Setting
    rates: tuple[float, ...]  # per activation; all of the setting's where it is a pilot
    seeds: tuple[int, ...]
    pilot: bool

    def arms(self) -> list[Arm]:
        chosen = self.setting.hidden
        pairs = (
            [(name, rate) for name in chosen for rate in self.rates]
            if self.pilot
            else zip(chosen, self.rates, strict=True)
        )
        return [Arm(name, activations.get(name), self.setting.relu_at_zero, rate) for name, rate in pairs]


@dataclass(frozen=True, eq=False)
class _Outcome:
    """Rows answered rightly and as the float network does, (1 + precisions, arms, seeds); dead units "
    "(arms, seeds)."""

    job: _Job
    right: IntArray
    agreeing: IntArray
    dead: IntArray
    rows: int


def compare(
    setting: Setting, jobs: int = 1, scheduler: str | None = None, done: Callable[[float], None] | None = None
) -> list[Row]:
    """The rows, floats first, then precision by precision, each with all activations in the order given.

    ``done`` is called with the share of the work that was just done. Raises StudyError where joblib, Dask or its
    scheduler is missing.
    """
    pilot = _blocks(setting, setting.rates, range(_FIRST_PILOT_SEED, _FIRST_PILOT_SEED + _PILOT_SEEDS), True)
    main = _blocks(setting, (0.0,) * len(setting.hidden), range(setting.seeds), False)
    shares = np.array([len(setting.rates) * _PILOT_SEEDS, (1 + len(setting.precisions)) * setting.seeds], float)
    shares /= shares.sum()

    def run(blocks: list[_Job], share: float) -> list[_Outcome]:
        found = []
        for outcome in outcomes(_run, blocks, jobs, scheduler):
            found.append(outcome)
            if done:
                done(share / len(blocks))
        return sorted(found, key=lambda outcome: outcome.job.seeds)

    tried = np.concatenate([o.right[0] for o in run(pilot, shares[0])], axis=1).sum(axis=1)
    best = tried.reshape(len(setting.hidden), len(setting.rates)).argmax(axis=1)
    rates = tuple(setting.rates[index] for index in best)
    found = run([replace(job, rates=rates) for job in main], shares[1])
    return _rows(setting, rates, found)


def _blocks(setting: Setting, rates: tuple[float, ...], seeds: range, pilot: bool) -> list[_Job]:
    return [_Job(setting, rates, tuple(seeds[k : k + _BLOCK]), pilot) for k in range(0, len(seeds), _BLOCK)]


def _run(job: _Job) -> _Outcome:
    setting, arms = job.setting, job.arms()
    parts = [datasets.split(setting.dataset, setting.held_out, seed) for seed in job.seeds]
    data = _material(setting, job.seeds, parts)
    population = Population(arms, data.weights)
    orders = [np.random.default_rng([seed, 1]) for seed in job.seeds]
    population.fit(data.rows, data.targets, orders, setting.epochs)
    answers, _ = population.test(data.test_rows)
    _, dead = population.test(data.rows)
    told = [answers]
    for name in () if job.pilot else setting.precisions:
        told.append(_quantized(population, name, data, parts, len(answers)))
    wanted = data.test_classes.T[:, None, :]
    return _Outcome(
        job,
        np.stack([(answer == wanted).sum(axis=0) for answer in told]),
        np.stack([(answer == answers).sum(axis=0) for answer in told]),
        dead,
        len(answers),
    )


def _material(setting: Setting, seeds: Sequence[int], parts: Sequence[tuple[Dataset, Dataset]]) -> Material:
    made = []
    for seed, (training, test) in zip(seeds, parts, strict=True):
        network = create(
            datasets.inputs_from(training),
            setting.layers,
            hidden="relu",
            output="logsig",
            classes=training.classes,
            seed=seed,
        )
        for layer in network.layers[:-1]:
            layer.bias[:] = _HIDDEN_BIAS
        scaled = network.standardize(training.rows), network.standardize(test.rows)
        made.append((network, scaled[0], training.targets, scaled[1], test.targets))
    return stack(made)


def _quantized(
    population: Population, name: str, data: Material, parts: Sequence[tuple[Dataset, Dataset]], rows: int
) -> IntArray:
    """What the quantized networks answer on the held-out rows, (n, arms, seeds); -1 where a network diverged."""
    answers = np.full((rows, len(population.arms), population.seeds), -1, np.int64)
    finite = population.finite()
    for arm, kind in enumerate(population.arms):
        for seed, (training, test) in enumerate(parts):
            if finite[arm, seed]:
                network = _network(data.networks[seed], population.network_weights(arm, seed), kind)
                model = quantize(network, precision.get(name), training.rows)
                answers[:, arm, seed] = reference.predict(model, test.rows)
    return answers


def _network(template: Network, weights: Sequence[NDArray[np.float64]], arm: Arm) -> Network:
    last = len(weights) - 1
    layers = [
        Layer(layer[:, :-1], layer[:, -1], template.layers[-1].activation if index == last else arm.activation)
        for index, layer in enumerate(weights)
    ]
    return replace(template, layers=layers)


def _rows(setting: Setting, rates: Sequence[float], found: Sequence[_Outcome]) -> list[Row]:
    right, agreeing = (np.concatenate([getattr(o, key) for o in found], axis=2) for key in ("right", "agreeing"))
    dead = np.concatenate([o.dead for o in found], axis=1)
    points = 100.0 / found[0].rows
    rows = []
    for level, name in enumerate((FLOAT, *setting.precisions)):
        for arm, hidden in enumerate(setting.hidden):
            score = right[level, arm]
            compared = paired(score, right[level, 0])
            rows.append(
                Row(
                    name,
                    hidden,
                    rates[arm],
                    mean=points * float(score.mean()),
                    worst=points * float(score.min()),
                    difference=points * compared.difference,
                    low=points * compared.low,
                    high=points * compared.high,
                    p=compared.p if arm else None,
                    p_holm=None,
                    agreement=points * float(agreeing[level, arm].mean()),
                    dead=100.0 * float(dead[arm].mean()) / sum(setting.layers),
                )
            )
    corrected = iter(holm([row.p for row in rows if row.p is not None]))
    return [row if row.p is None else replace(row, p_holm=next(corrected)) for row in rows]


def sentence(rows: Sequence[Row]) -> str:
    """What the float rows say, in one sentence."""
    floats = [row for row in rows if row.precision == FLOAT]
    base, others = floats[0], floats[1:]
    told = [
        f"{row.hidden} is {row.verdict} than {base.hidden} by {abs(row.difference):.1f} points"
        for row in others
        if row.verdict
    ]
    if not told:
        return f"No activation differs significantly from {base.hidden} on these data ({base.mean:.1f} % right)."
    rest = [row.hidden for row in others if not row.verdict]
    same = f"; {' and '.join(rest)}: no significant difference" if rest else ""
    return "; ".join(told) + same + "."


def to_json(setting: Setting, rows: Sequence[Row]) -> str:
    """All rows as JSON text."""
    values = [{**asdict(row), "verdict": row.verdict} for row in rows]
    head = {
        "dataset": setting.dataset.name,
        "layers": setting.layers,
        "seeds": setting.seeds,
        "epochs": setting.epochs,
    }
    return json.dumps({**head, "base": setting.hidden[0], "rows": values}, indent=1) + "\n"
