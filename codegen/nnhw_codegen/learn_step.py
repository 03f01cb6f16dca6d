"""The models whose training step can be generated code, and the program that the emitters print."""

from __future__ import annotations

from nnrun.learn_reader import Plan


class UnsuitableError(ValueError):
    """A model that no training code is made for."""


def plan(data: bytes) -> Plan:
    """The vectors and the program of a .nnt file. Raises UnsuitableError."""
    if data[20] != 16 or data[30] != 0:
        raise UnsuitableError("training as generated code needs weights of 16 bits that keep a remainder each")
    return Plan(bytearray(data))  # type: ignore[no-untyped-call]
