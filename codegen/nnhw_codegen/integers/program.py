"""Quantized model -> flat program: all that an emitter sees. No activation has a name here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnhw_codegen.integers.expr import Instruction, Register, Table, linearize
from nnhw_codegen.integers.fixed import IntArray
from nnhw_codegen.integers.qmodel import QInput, QLayer, QModel, Shaped
from nnhw_codegen.network.network import Decision


@dataclass(frozen=True)
class Clips:
    """At which ends of its range a pre-activation has to be saturated."""

    below: bool
    above: bool


@dataclass(frozen=True, eq=False)
class Dense(Shaped):
    """One layer: multiply-accumulate, shift, saturate where it can matter, activation instructions (SPEC 5.2).

    ``weights`` (units, fan_in), ``bias``, ``shift`` (units,) int64. ``clips_low`` and ``clips_high`` say per neuron
    whether z can pass -limit or +limit and the result would differ: elsewhere saturation is proved to do nothing.
    ``instructions`` compute the output from z in register 0 and leave it in ``result``; without any the
    output is z itself.
    ``low`` and ``high`` bound every partial sum.
    """

    weights: IntArray
    bias: IntArray
    shift: IntArray
    limit: int
    clips_low: NDArray[np.bool_]
    clips_high: NDArray[np.bool_]
    instructions: tuple[Instruction, ...]
    result: Register
    registers: int
    low: IntArray
    high: IntArray

    def clips(self, unit: int) -> Clips:
        """Where the neuron ``unit`` saturates."""
        return Clips(bool(self.clips_low[unit]), bool(self.clips_high[unit]))

    @property
    def any_clips(self) -> Clips:
        """Where some neuron saturates."""
        return Clips(bool(self.clips_low.any()), bool(self.clips_high.any()))


@dataclass(frozen=True, eq=False)
class Program:
    """Doorway, layers and decision, with every distinct table once.

    ``output_frac`` and, for values, ``offsets`` have an entry per output (SPEC 6.3).
    """

    inputs: tuple[QInput, ...]
    layers: tuple[Dense, ...]
    tables: tuple[Table, ...]
    decision: Decision
    weight_bits: int
    output_frac: tuple[int, ...]
    offsets: tuple[float, ...]
    classes: tuple[str, ...]

    @property
    def weight_count(self) -> int:
        """Number of weights in all layers."""
        return sum(layer.weights.size for layer in self.layers)


def build(model: QModel) -> Program:
    """The program of a quantized model."""
    layers = tuple(_dense(layer) for layer in model.layers)
    instructions = [instruction for layer in layers for instruction in layer.instructions]
    tables = dict.fromkeys(instruction.table for instruction in instructions if instruction.table is not None)
    return Program(
        inputs=model.inputs,
        layers=layers,
        tables=tuple(tables),
        decision=model.decision,
        weight_bits=model.precision.weight_bits,
        output_frac=tuple(model.output_frac.tolist()),
        offsets=model.offsets,
        classes=model.classes,
    )


def _dense(layer: QLayer) -> Dense:
    instructions: tuple[Instruction, ...] = ()
    result = Register(0)
    if layer.activation is not None:
        instructions, result = linearize(layer.activation)
    z_low, z_high = layer.low >> layer.shift, layer.high >> layer.shift
    saturates = layer.limit > 0
    return Dense(
        weights=layer.weights,
        bias=layer.bias,
        shift=layer.shift,
        limit=layer.limit,
        clips_low=saturates & (z_low < -layer.limit) & (not _ignores_below(instructions, -layer.limit)),
        clips_high=saturates & (z_high > layer.limit),
        instructions=instructions,
        result=result,
        registers=1 + max([instruction.into.index for instruction in instructions], default=0),
        low=layer.low,
        high=layer.high,
    )


def _ignores_below(instructions: tuple[Instruction, ...], lowest: int) -> bool:
    """True where the first step is max(z, c) with c >= lowest and z is dead after it: saturating below is idle."""
    first = instructions[0] if instructions else None
    return (
        first is not None
        and first.op == "max"
        and first.a == Register(0)
        and isinstance(first.b, int)
        and first.b >= lowest
        and first.into == Register(0)
    )
