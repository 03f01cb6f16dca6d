"""Text that goes into a build folder, from its template."""

from __future__ import annotations

from importlib import resources
from string import Template


def fill(template: str, **values: object) -> bytes:
    text = resources.files("nnhw").joinpath("exporting", "templates", f"{template}.in").read_text(encoding="utf-8")
    return Template(text).substitute(values).encode()
