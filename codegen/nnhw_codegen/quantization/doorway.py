"""From raw values to the codes that enter the first layer (SPEC 3)."""

from __future__ import annotations

import math
from dataclasses import replace

from nnhw_codegen.errors import InputError
from nnhw_codegen.integers.fixed import rounding
from nnhw_codegen.integers.precision import PROOF_LIMIT
from nnhw_codegen.integers.qmodel import QInput
from nnhw_codegen.integers.ticks import TICK_LIMIT
from nnhw_codegen.network.network import Input, Layer, Network

MAX_SHIFT = 30

LEAST_REACH = 2.5
"""No input is magnified until less than +-2.5 scales fill its codes: its weights would shrink below the others'."""


def units(network: Network, limit: int) -> Network:
    """The same network with every input counted in codes: mean is the middle of its range, scale one code (SPEC 3.5).

    The declared range of each input fills -limit..limit as far as whole codes per tick allow, and the first layer's
    weights and bias take up the difference.
    """
    inputs = []
    for entry in network.inputs:
        low, high = tick_range(entry)
        middle = (low + high) // 2
        reach = max(high - middle, LEAST_REACH * entry.scale / entry.step)
        # Where there are codes enough, each tick gets the same whole number of them: nothing is rounded then.
        codes_per_tick = limit / reach if reach > limit else limit // reach
        inputs.append(replace(entry, mean=middle * entry.step, scale=entry.step / codes_per_tick))
    return standardized(network, tuple(inputs))


def standardized(network: Network, inputs: tuple[Input, ...]) -> Network:
    """The same network, its first layer made to take the means and scales of ``inputs``."""
    first = network.layers[0]
    weights, bias = first.weights.copy(), first.bias.copy()
    for i, (old, new) in enumerate(zip(network.inputs, inputs, strict=True)):
        bias += weights[:, i] * ((new.mean - old.mean) / old.scale)
        weights[:, i] *= new.scale / old.scale
    return replace(network, layers=[Layer(weights, bias, first.activation), *network.layers[1:]], inputs=inputs)


def tick_range(entry: Input) -> tuple[int, int]:
    """The declared range of an input in whole ticks; raises ValueError where it holds none, or too many."""
    low, high = math.ceil(entry.low / entry.step - 1e-6), math.floor(entry.high / entry.step + 1e-6)
    if high <= low or max(abs(low), abs(high)) > TICK_LIMIT:
        raise InputError(
            f"input {entry.name!r}: range {entry.low:g} to {entry.high:g} in steps of {entry.step:g} is "
            f"{low} to {high} ticks; choose a step that gives at least 2 values and stays below 2^28 ticks"
        )
    return low, high


def integers(entry: Input, limit: int) -> QInput:
    """The doorway of one input whose mean and scale are the ones that ``units`` gives (SPEC 3.3, 3.4, 3.5)."""
    low, high = tick_range(entry)
    span, below = high - low, round(entry.mean / entry.step) - low
    codes_per_tick = entry.step / entry.scale
    shift = 0
    if codes_per_tick < 1:
        shift = MAX_SHIFT
        while span * math.floor(math.ldexp(codes_per_tick, shift) + 0.5) >= PROOF_LIMIT - (1 << shift):
            shift -= 1
    gain = math.floor(math.ldexp(codes_per_tick, shift) + 0.5)
    while True:
        result = QInput(entry.name, entry.step, low, span, gain, int(rounding(shift)) - below * gain, shift)
        if max(map(abs, result.code_range)) <= limit:
            return result
        gain -= 1  # a gain rounded up may pass the limit by one at the ends of a long range
