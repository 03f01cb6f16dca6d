"""The models whose training step can be generated code, and the program that the emitters print."""

from __future__ import annotations

import struct

from nnhw_codegen.errors import InputError
from nnrun.learn_reader import Plan

__all__ = ["Plan", "UnsuitableError", "identity", "plan"]


class UnsuitableError(InputError):
    """A model that no training code is made for."""


def plan(data: bytes) -> Plan:
    """The vectors and the program of a .nnt file. Raises UnsuitableError."""
    if data[20] != 16 or data[30] != 0:
        raise UnsuitableError("training as generated code needs weights of 16 bits that keep a remainder each")
    return Plan(bytearray(data))  # type: ignore[no-untyped-call]


def identity(data: bytes) -> str:
    """The line by which nnrun tells code of this model: the checksum of what training never changes, in halves."""
    return f"MODEL = {struct.unpack_from('<2H', data, 8)}"
