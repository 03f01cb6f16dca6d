"""What a user says about training on the board."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from nnhw_codegen.learning.profile import Scheme, Trained


@dataclass(frozen=True)
class LearningOptions:
    """How a board goes on training: the options of nnhw export that begin with --learn.

    rate      learning rate; becomes the nearest 2^-k or 3 * 2^-k
    bits      of the weights that the board trains, 16 or 8
    layers    which it trains, of ``Trained``
    rounding  what becomes of the rest of an update, of ``Scheme``
    """

    rate: float = 2.0**-5
    bits: int = 16
    layers: Trained = "all"
    rounding: Scheme = "residual"

    @property
    def changed(self) -> dict[str, Any]:
        """{name: value} of what is not as by default."""
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {name: value for name, (value, default) in values.items() if value != default}

    @property
    def command_words(self) -> list[str]:
        """The options that ask for this."""
        words = ["--learn"]
        for name, value in self.changed.items():
            words += [f"--learn-{name}", f"{value:g}" if isinstance(value, float) else str(value)]
        return words
