"""The root of all errors that are told to users. It imports nothing, so that help stays fast."""

from __future__ import annotations


class NnhwError(Exception):
    """What the user can mend; the message says what is wrong and what to do. A command ends with ``exit_code``."""

    exit_code = 2


class InputError(NnhwError, ValueError):
    """What was given cannot be used: an unknown name, a value out of range, a network beyond what integers can do."""
