"""Small studies, and made-up outcomes of large ones, for the tests of the study and of its page."""

from __future__ import annotations

from dataclasses import replace

from nnhw.study import relu_at_zero
from nnhw.study.cell import Cell
from nnhw.study.tasks import TASKS

SMALL = {task.name: replace(task, epochs=2) for task in TASKS}


def small_plan(seeds=6):
    """Every kind of arithmetic and of task, in a second or two."""
    names = {
        "iris": ["float32"],
        "iris-deep": ["fx8"],
        "xor-01-4": ["float16", "fx12"],
        "xor-11-8": ["float64"],
    }
    return [
        Cell(SMALL[name], arithmetic, bias, seeds)
        for name, arithmetics in names.items()
        for arithmetic in arithmetics
        for bias in (0.0, 0.1)
    ]


def arms(value, other=0.0):
    """Differences per arm: of relu with 1/2 and 1 at 0, and of the others."""
    return {"relu 1/2": value, "relu 1": value, "leaky relu": other, "softplus": other}


def made_up_rows(ordinary, structural, p_holm=0.001):
    """Rows of one ordinary and one structural cell in three arithmetics; differences per arm, all of one p-value."""
    rows = []
    for task, kind, differences in (("iris", "ordinary", ordinary), ("iris-deep", "structural", structural)):
        for arithmetic, zeros in (("float64", 0.0), ("float16", 0.1), ("fx8", 3.0)):
            for arm, difference in {"relu 0": 0.0, **differences}.items():
                corrected = p_holm if difference else 1.0
                rows.append(
                    relu_at_zero.Row(
                        task=task,
                        title=task,
                        measure="accuracy",
                        kind=kind,
                        arithmetic=arithmetic,
                        bias=0.0,
                        arm=arm,
                        seeds=9,
                        mean=90.0,
                        difference=difference,
                        low=difference - 1.0,
                        high=difference + 1.0,
                        p=None if arm == "relu 0" else 0.001,
                        p_holm=None if arm == "relu 0" else corrected,
                        zeros=zeros,
                        dead=0.0,
                        failed=max(0.0, 20.0 - difference),
                    )
                )
    return rows
