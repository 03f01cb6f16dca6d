"""SPEC 9.1, 9.3, 9.5 to 9.8, 10.6: the integers of training that follow from shapes and formats."""

from __future__ import annotations

import math
import struct
from fractions import Fraction

from second_engine import doorway
from second_engine.codes import finest_frac, half
from second_engine.curves import slope_frac
from second_engine.file_bytes import Input, Output
from second_engine.functions import named
from second_engine.nnt_file import LearningModel, Shifts

M16 = 32767
SUM_LIMIT = 2**30


def weight_frac(weight_bits: int, largest: float) -> int:
    """SPEC 9.1: Fw of a layer, lowered where its largest weight times 1.25 does not fit."""
    most = (1 << (weight_bits - 1)) - 1
    return min({16: 12, 8: 5}[weight_bits], finest_frac(1.25 * largest, most))


def output_frac(fd: int, largest: float) -> int:
    """SPEC 9.10: F of an output of a linear regression with this largest weight: 1 <= largest * 2^(F - Fd) < 2."""
    frac = fd
    while largest * 2.0 ** (frac - fd) >= 2:
        frac -= 1
    while 0 < largest * 2.0 ** (frac - fd) < 1:
        frac += 1
    return frac


def output_offset(fd: int, frac: int, bias: float) -> float:
    """SPEC 9.10: the starting bias, as a float32, where it exceeds 8 in the unit of F, else 0."""
    return struct.unpack("<f", struct.pack("<f", bias))[0] if abs(bias) * 2.0 ** (frac - fd) > 8 else 0.0


def outputs(model: LearningModel, weights: list[list[float]], biases: list[float]) -> tuple[Output, ...]:
    """SPEC 9.10: F and offset of each output of a regression that starts from these reals; only linear ones differ."""
    if model.decision != "values":
        return ()
    if model.layers[-1].value.instructions:
        return tuple(Output(0.0, model.fd) for _ in biases)
    fracs = [output_frac(model.fd, max(map(abs, row))) for row in weights]
    return tuple(Output(output_offset(model.fd, frac, b), frac) for frac, b in zip(fracs, biases, strict=True))


def forward_guard(n: int, weight_limit: int, fw: int, fx: int, fz: int) -> tuple[int, int, int, int]:
    """SPEC 9.5: c, p, sb and sz of a layer with n inputs."""
    p = max(0, fw + fx - 24)
    while True:
        sb, sz = 24 - fw - fx + p, fw + fx - p - fz
        c = half(sz) + (n >> 1 if p > 0 else 0)
        products = n * -(-weight_limit * M16 // 2**p)
        if products + ((2**29 - 1 + half(sb)) >> sb) + 1 + c < SUM_LIMIT:
            return c, p, sb, sz
        p += 1


def backward_guard(n: int, weight_limit: int, fw: int) -> tuple[int, int]:
    """SPEC 9.7: c' and p' of a layer of n units."""
    p = 0
    while True:
        c = half(fw - p) + (n >> 1 if p > 0 else 0)
        if n * -(-weight_limit * M16 // 2**p) + c < SUM_LIMIT:
            return c, p
        p += 1


def derive(model: LearningModel) -> tuple[Shifts, ...]:
    """SPEC 9.5, 9.7, 9.8, 9.9, 10.6: the shifts of every layer; only Fw is taken from the file."""
    weight_limit = (1 << (model.weight_bits - 1)) - 1
    last = len(model.layers) - 1
    found = []
    for index, layer in enumerate(model.layers):
        fx = model.input_frac if index == 0 else model.fa
        fz = model.fd if index == last else model.fa
        fw = layer.shifts.fw
        c, p, sb, sz = forward_guard(layer.fan_in, weight_limit, fw, fx, fz)
        c_back, p_back = backward_guard(layer.units, weight_limit, fw)
        learns = {"all": True, "first": index == 0, "last": index == last}[model.learning]
        name = model.activations[index]
        frac = 0 if name == "softmax" else slope_frac(named(name, model.left_slopes[index]))
        found.append(
            Shifts(
                0 if index == last else M16,
                c,
                c_back,
                fw,
                p,
                sb,
                sz,
                p_back,
                fw - p_back,
                frac,
                model.fd + fx - fw,
                24 - model.fd,
                learns,
            )
        )
    return tuple(found)


def derive_input(model: LearningModel, index: int) -> Input:
    """SPEC 9.3: the doorway of one input, with codes of (value - mean) / scale."""
    real = model.standardizations[index]
    step = Fraction(float(model.steps[index]))
    low, high = (math.floor(Fraction(end) / step + Fraction(1, 2)) for end in (real.low, real.high))
    mean, scale = Fraction(real.mean), Fraction(real.scale)
    most = M16 * scale / 2**model.input_frac
    low = max(low, math.ceil((mean - most) / step))
    high = min(high, math.floor((mean + most) / step))
    for shift in range(30, -1, -1):
        unit = Fraction(2) ** (model.input_frac + shift)
        gain = math.floor(step / scale * unit + Fraction(1, 2))
        offset = math.floor((low * step - mean) / scale * unit + Fraction(1, 2)) + half(shift)
        entry = Input(low, high - low, gain, offset, shift, *doorway.reciprocal(model.steps[index]))
        if doorway.holds(entry, M16):
            return entry
    raise AssertionError("no shift holds")
