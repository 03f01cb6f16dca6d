"""A claim: words of a document whose figures a result file holds."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
RESULTS = ROOT / "benchmarks" / "results"

CODE = re.compile(r"^```.*?^```$|^ {4}.*?$|`[^`\n]*`|\]\([^)\n]*\)", re.MULTILINE | re.DOTALL)
UNITS = "%|cycles|us|ms|s|seconds?|minutes?|points?|times(?= faster| less| as| larger)|bytes|B|KB|MB"
FIGURE = re.compile(
    rf"(?<![\w.^-])[+-]?\d[\d,]*(?:\.\d+)?(?=\s?(?:{UNITS})(?!\w))|(?<![\w.^-])\d{{1,3}}(?:,\d{{3}})+(?![\w,])"
)
"""What somebody may have measured: a number with a unit, or one so large that it has a separator."""

Figure = Callable[[], str]


@dataclass(frozen=True)
class Claim:
    """``words`` of ``document`` with a ``{}`` for each figure; a blank in them may be any white space."""

    document: str
    words: str
    figures: tuple[Figure, ...]

    def stated(self) -> str:
        """The words with the figures of today's results."""
        return self.words.format(*(figure() for figure in self.figures))


@dataclass(frozen=True)
class Known:
    """Words of ``document`` with figures that nobody measured, or that a test measures: ``why``."""

    document: str
    words: str
    why: str


@cache
def rows(name: str) -> list[dict[str, Any]]:
    """The rows of ``benchmarks/results/NAME.json``, or of the study of that name."""
    path = RESULTS / name / "results.json" if (RESULTS / name).is_dir() else RESULTS / f"{name}.json"
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["rows"]
    return found


def some(name: str, /, **where: object) -> list[dict[str, Any]]:
    """The rows whose columns are as told, ``_`` in a column's name being a blank. Fails without any."""
    found = [row for row in rows(name) if all(row[key.replace("_", " ")] == value for key, value in where.items())]
    assert found, f"{name}.json has no row with {where}"
    return found


def cell(name: str, column: str, form: str = "{}", /, **where: object) -> Figure:
    """The cell of the one row that is as told, written by ``form``."""

    def figure() -> str:
        (row,) = some(name, **where)
        return form.format(row[column])

    return figure


def extreme(choose: Callable[[list[float]], float], name: str, column: str, form: str, /, **where: object) -> Figure:
    """What ``choose`` (min, max, sum) makes of a column of the rows that are as told."""
    return lambda: form.format(choose([row[column] for row in some(name, **where)]))


def text(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def pattern(words: str) -> re.Pattern[str]:
    """What finds the words in a document, however its lines are broken."""
    return re.compile(r"(?<![\w.,])" * words[0].isdigit() + r"\s+".join(map(re.escape, words.split())))


def unclaimed(document: str, words: list[str]) -> list[str]:
    """The figures of a document, with the words round them, that are in none of ``words``; code is no prose."""
    left = text(document)
    for each in words:
        left = pattern(each).sub(lambda found: re.sub(r"\d", "#", found[0]), left)
    left = " ".join(CODE.sub(" `` ", left).split())
    return [left[max(0, found.start() - 40) : found.end() + 30] for found in FIGURE.finditer(left)]
