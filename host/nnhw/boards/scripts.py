"""The programs that run on a board over its serial line: ``templates/*.py.in``, MicroPython as it reads."""

from __future__ import annotations

import re
from importlib import resources

_COMMENT = re.compile(r"^#.*\n", re.MULTILINE)


def script(name: str, /, **values: object) -> str:
    """The program ``name`` behind assignments of ``values``, the names that its first line tells."""
    text = resources.files("nnhw.boards").joinpath(f"templates/{name}.py.in").read_text(encoding="utf-8")
    return "".join(f"{variable} = {value!r}\n" for variable, value in values.items()) + _COMMENT.sub("", text)
