"""Errors that several packages raise; each tells the user what to do."""

from __future__ import annotations

from nnhw_codegen.errors import InputError, NnhwError


class DataError(InputError):
    """A data set cannot be used; the message names file, place and remedy, a line for each fault."""


class TargetError(NnhwError, RuntimeError):
    """A target failed: the guest's traceback, a time-out, a missing tool or a broken harness.

    The message starts with the target's name. ``output`` is what the guest had printed by then.
    """

    exit_code = 1

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output


__all__ = ["DataError", "InputError", "NnhwError", "TargetError"]
