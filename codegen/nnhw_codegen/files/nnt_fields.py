"""The numbers at the start of a .nnt file and of each of its layers, by name (SPEC 10.2, 10.3)."""

from __future__ import annotations

import struct
from typing import NamedTuple

HEADER = struct.Struct("<3sBIIIHBBBBHHBBBBBBBBB5x")
LAYER = struct.Struct("<HHiiibBBBBBBbb9B2x")


class Header(NamedTuple):
    """The fields of a file's first 40 bytes (SPEC 10.2)."""

    magic: bytes
    format: int
    length: int
    checksum: int
    size: int
    inputs: int
    layers: int
    tables: int
    weight_bits: int
    decision: int
    labels: int
    outputs: int
    delta_frac: int
    input_frac: int
    activation_frac: int
    weight_frac: int
    scheme: int
    trained: int
    loss: int
    twice_relu_at_zero: int
    softmax: int


class LayerFields(NamedTuple):
    """The fields of a layer's first 36 bytes (SPEC 10.3)."""

    units: int
    fan_in: int
    z_limit: int
    forward_constant: int
    back_constant: int
    weight_frac: int
    guard: int
    bias_shift: int
    z_shift: int
    back_guard: int
    back_shift: int
    slope_frac: int
    update_base: int
    bias_base: int
    trains: int
    value_steps: int
    value_constants: int
    value_registers: int
    value_result: int
    slope_steps: int
    slope_constants: int
    slope_registers: int
    slope_result: int


def header_of(data: bytes) -> Header:
    """The header of a .nnt file."""
    return Header(*HEADER.unpack_from(data))
