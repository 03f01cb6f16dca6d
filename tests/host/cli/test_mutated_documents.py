"""Mutated model files, tables and manifests end a command with 0 or 2, and never with a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz import documents


@pytest.mark.parametrize(("kind", "count"), [("model", 40), ("table", 40), ("manifest", 20)])
def test_a_mutated_document_is_used_or_refused(kind: str, count: int, tmp_path: Path) -> None:
    assert documents.fuzz(kind, 1, count, tmp_path).faults == []
