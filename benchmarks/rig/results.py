"""Writes a benchmark's rows as JSON and as a Markdown table into benchmarks/results/."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parents[1] / "results"


def write(name: str, title: str, rows: Sequence[dict[str, Any]], script: str | None = None) -> None:
    """Write ``results/NAME.json`` and ``results/NAME.md``, and print the table; all rows have the same keys.

    ``script`` is the benchmark that makes them, by default the one called ``name``.
    """
    made_with = f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}"
    lines = [
        f"# {title}",
        "",
        f"`python benchmarks/{script or name}.py`, {made_with}",
        "",
        "| " + " | ".join(rows[0]) + " |",
        "|" + "---|" * len(rows[0]),
        *("| " + " | ".join(map(str, row.values())) + " |" for row in rows),
        "",
    ]
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.md").write_text("\n".join(lines), encoding="utf-8")
    content = {"title": title, "made_with": made_with, "rows": list(rows)}
    (FOLDER / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print("\n".join(lines))
