"""The targets as fixtures, skipped with their reason where they cannot run.

Where NNHW_NO_SKIP is set, as in CI, a skipped test fails: nothing may go untested for want of a tool.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TypeVar

import pytest

from nnhw.targets import TARGETS, ScriptTarget, get
from nnhw.targets.board import BoardTarget
from nnhw.targets.pico import PicoTarget

SCRIPT_TARGETS = tuple(
    target.name
    for target in TARGETS
    if isinstance(target, ScriptTarget) and not isinstance(target, BoardTarget | PicoTarget)
)
OPT_IN = "opt-in: "
"""Before the reason of a skip for want of what no package brings: a board, a firmware."""
Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def refuse_skip(report: Report) -> Report:
    """Turn a skip into a failure; a test that was expected to fail stays as it is."""
    if os.environ.get("NNHW_NO_SKIP") and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        if f"Skipped: {OPT_IN}" in str(reason):
            return report
        report.outcome = "failed"
        report.longrepr = f"NNHW_NO_SKIP is set, but: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return refuse_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return refuse_skip((yield))


def usable_target(name: str):
    """The target called ``name``; skips the running test with the reason when it cannot run here."""
    target = get(name)
    reason = target.why_unavailable()
    if reason is not None:
        pytest.skip(f"{OPT_IN if target.opt_in else ''}{name}: {reason}")
    return target


@pytest.fixture(params=SCRIPT_TARGETS)
def script_target(request):
    """Every target that runs MicroPython scripts, one test each."""
    return usable_target(request.param)


@pytest.fixture
def target(request):
    """The targets named by ``@pytest.mark.parametrize("target", ["wasm", ...], indirect=True)``."""
    return usable_target(request.param)
