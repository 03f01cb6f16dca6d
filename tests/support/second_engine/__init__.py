"""A second engine, written from the text of SPEC.md alone: plain Python integers, one file per chapter.

It shares no code with the compiler or the board's runtime. Each function's docstring begins with the clauses that it
follows, as in ``SPEC 3.3:``; ``clauses()`` collects them, and the tests ask that every clause is covered by somebody.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

CLAUSE_LINE = re.compile(r"SPEC ((?:\d+\.\d+(?:, )?)+):")


def clauses() -> dict[str, set[str]]:
    """Clause of SPEC.md -> the functions here that follow it, as ``file.name``."""
    found: dict[str, set[str]] = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef):
                told = CLAUSE_LINE.match(ast.get_docstring(node) or "")
                for clause in told[1].split(", ") if told else ():
                    found.setdefault(clause, set()).add(f"{path.stem}.{node.name}")
    return found
