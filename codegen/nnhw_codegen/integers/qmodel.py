"""The quantized model: integers only, and everything that any runtime needs (SPEC 3 to 6)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nnhw_codegen.integers.expr import Expr
from nnhw_codegen.integers.fixed import IntArray
from nnhw_codegen.integers.precision import Precision
from nnhw_codegen.integers.ticks import Reciprocal, reciprocal
from nnhw_codegen.network.network import Decision, decision_of

FORMAT = 2
"""Version of the integers and of every file that carries them; a reader refuses any other."""


@dataclass(frozen=True)
class QInput:
    """The doorway of one input (SPEC 3): raw value -> ticks -> code.

    ticks = value / step, rounded in integers of the value's float32
    u     = min(max(ticks, low), low + span) - low
    code  = (u * gain + offset) >> shift
    """

    name: str
    step: float
    low: int
    span: int
    gain: int
    offset: int
    shift: int

    @property
    def reciprocal(self) -> Reciprocal:
        """1 / step, as ticks are made with."""
        return reciprocal(self.step)

    @property
    def code_range(self) -> tuple[int, int]:
        """The smallest and the largest code that can come out (gain >= 0, so the ends of the range)."""
        return self.offset >> self.shift, (self.span * self.gain + self.offset) >> self.shift


class Shaped:
    """What has ``weights`` of shape (units, fan_in)."""

    weights: IntArray

    @property
    def units(self) -> int:
        """Number of neurons."""
        return int(self.weights.shape[0])

    @property
    def fan_in(self) -> int:
        """Number of inputs of each neuron."""
        return int(self.weights.shape[1])


@dataclass(frozen=True, eq=False)
class QLayer(Shaped):
    """One dense layer in integers (SPEC 5).

    acc = bias[j] + sum_i weights[j, i] * x[i];  z = acc >> shift[j]
    limit > 0: z is saturated to +-limit, then the activation gives the output; limit 0: z is the 31-bit logit.

    ``weights`` has shape (units, inputs), ``bias`` and ``shift`` (units,), all int64. ``low`` and ``high`` (units,)
    are the proved bounds of every partial sum. ``activation`` None is the identity. ``z_frac`` and ``output_frac``
    (units,) are the fraction bits of z and of the output; only outputs of a regression differ in them.
    """

    weights: IntArray
    bias: IntArray
    shift: IntArray
    limit: int
    activation: Expr | None
    input_frac: int
    z_frac: IntArray
    output_frac: IntArray
    low: IntArray
    high: IntArray


@dataclass(frozen=True, eq=False)
class QModel:
    """A quantized network with its doorway, class names and precision.

    ``offsets`` are added to the outputs of a regression, one float32 number each; none for classes.
    """

    precision: Precision
    inputs: tuple[QInput, ...]
    layers: tuple[QLayer, ...]
    classes: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    multilabel: bool = False
    offsets: tuple[float, ...] = ()

    @property
    def decision(self) -> Decision:
        """How the outputs become an answer (SPEC 6)."""
        return decision_of(self.classes, self.layers[-1].units, self.multilabel)

    @property
    def output_frac(self) -> IntArray:
        """Fraction bits of each output, (units,)."""
        return self.layers[-1].output_frac

    @property
    def sizes(self) -> tuple[int, ...]:
        """Widths from the inputs to the outputs, for example (4, 8, 3)."""
        return (len(self.inputs), *(layer.units for layer in self.layers))

    @cached_property
    def tick_range(self) -> tuple[IntArray, IntArray]:
        """The smallest and the largest tick of every input; the doorway saturates beyond them."""
        low = np.array([i.low for i in self.inputs], dtype=np.int64)
        return low, low + np.array([i.span for i in self.inputs], dtype=np.int64)

    @cached_property
    def code_range(self) -> tuple[IntArray, IntArray]:
        """The smallest and the largest code of every input."""
        ranges = np.array([i.code_range for i in self.inputs], dtype=np.int64)
        return ranges[:, 0], ranges[:, 1]
