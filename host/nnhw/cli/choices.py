"""Names of records whose modules help must not import; a test compares them with the records.

A name that is given is looked up among the records themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from nnhw.cli.deferred import deferred

with deferred():
    from nnhw_codegen import emitters
    from nnhw_codegen.network import activations

CODES: Mapping[str, str] = {
    "portable": "plain MicroPython, runs on every port",
    "compact": "the same in loops: less heap to import, slower",
    "viper": "machine code by MicroPython's own compiler",
    "thumb": "ARMv6-M machine code, for every Cortex-M",
    "c": "one freestanding C99 header",
}
"""Name -> summary of every emitter."""

PLACES: Mapping[str, Sequence[str]] = {
    "portable": ("wasm", "unix", "microbit", "qemu-m4", "qemu-rv32", "pico", "board"),
    "compact": ("wasm", "unix", "microbit", "qemu-m4", "qemu-rv32", "pico", "board"),
    "viper": ("rp2040-core", "unix", "cortex-m", "rv32-core", "xtensa-core", "qemu-m4", "qemu-rv32", "pico", "board"),
    "thumb": ("rp2040-core", "cortex-m", "microbit", "qemu-m4", "pico", "board"),
    "c": ("c", "rp2040-core", "cortex-m", "rv32-core"),
    "nnrun": ("wasm", "unix", "microbit", "qemu-m4", "qemu-rv32", "pico", "board"),
}
"""The targets of every code, the one to try first in front; "nnrun" is the .nnb file under the board package."""

SLOPED = "leaky_relu"
"""The activations that take --slope."""

OUTPUT_ONLY = ("softmax",)
ACTIVATIONS = ("identity", "relu", "leaky_relu", "logsig", "softplus", "tanh")


class Names(click.Choice):  # type: ignore[type-arg]
    """A choice that help shows as ``shown``, and that takes what ``known`` gives once it is used."""

    def __init__(self, shown: Sequence[str], known: Callable[[], Sequence[str]]) -> None:
        super().__init__(shown)
        self.known = known

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name, one of the records'. Raises BadParameter."""
        return str(click.Choice(self.known()).convert(value, param, ctx))


def code_names(*more: str) -> Names:
    """The names of emitters, after ``more``."""
    return Names((*more, *CODES), lambda: (*more, *emitters.names()))


def activation_names() -> Names:
    """The names of the activations of any layer."""
    return Names(ACTIVATIONS, lambda: activations.names())


def output_names() -> Names:
    """The names of the activations of a last layer."""
    return Names((*ACTIVATIONS, *OUTPUT_ONLY), lambda: activations.output_names())
