"""Templates of generated Python are Python, whatever stands in place of their names."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

import pytest

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted(path for source in ("host", "codegen") for path in (ROOT / source).rglob("templates/*.py.in"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: f"{path.parent.parent.name}/{path.name}")
def test_a_template_compiles(path):
    text = path.read_text(encoding="utf-8")
    names = set(re.findall(r"\$\{?([a-z_]+)", text))
    compile(Template(text).substitute(dict.fromkeys(names, "x")), path.name, "exec")
