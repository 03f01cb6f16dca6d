"""Text that goes into a build folder, from its template."""

from __future__ import annotations

from nnhw_codegen.writer import fill_template


def fill(template: str, /, **values: object) -> bytes:
    return fill_template("nnhw.exporting", template, **values).encode()
