"""Names of inputs, outputs and classes: one line of visible text, whoever wrote the file that they come from."""

from __future__ import annotations

import re

_CONTROLS = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls of terminals, ends of lines, what turns the direction of the text behind it, and halves of characters."""


def control_in(text: str) -> str | None:
    """The first character of ``text`` that controls a terminal or ends a line, as U+001B; None where there is none."""
    found = _CONTROLS.search(text)
    return f"U+{ord(found[0]):04X}" if found else None


def visible(text: str) -> str:
    r"""``text`` with control characters as Python escapes them, ``\x1b``."""
    return _CONTROLS.sub(lambda found: repr(found[0])[1:-1], text)
