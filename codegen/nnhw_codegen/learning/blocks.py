"""A training step as nnrun carries it out, in typed blocks: all that the emitters of training code see.

Vectors lie in the room, which counts words of 32 bits; weights, biases, remainders and tables lie in the file, where a
weight is unsigned: the weight plus 2^(bits - 1). Places in the file are bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from nnhw_codegen.integers.expr import Instruction, Register, Table
from nnhw_codegen.learning.profile import Scheme


@dataclass(frozen=True)
class Vector:
    """``count`` words of the room, from the one at ``place`` on."""

    place: int
    count: int

    @property
    def end(self) -> int:
        """The place behind it."""
        return self.place + self.count


@dataclass(frozen=True)
class DoorwayRow:
    """One input's way from ticks to a code (SPEC 3.3)."""

    low: int
    span: int
    gain: int
    offset: int
    shift: int


@dataclass(frozen=True)
class DoorwayBlock:
    """Ticks to codes; ``file`` is where the file has the rows."""

    rows: tuple[DoorwayRow, ...]
    file: int
    ticks: Vector
    codes: Vector


@dataclass(frozen=True)
class DenseBlock:
    """A layer's inputs to its pre-activations, and to max(z, floor) in ``y``, which may be z itself (SPEC 9.5).

    ``weights`` and ``biases`` are places in the file; ``bias_half`` rounds a bias, ``limit`` is 0 where z is not saturated.
    """

    inputs: Vector
    z: Vector
    y: Vector
    weights: int
    biases: int
    guard: int
    bias_shift: int
    bias_half: int
    constant: int
    shift: int
    limit: int
    floor: int


@dataclass(frozen=True, eq=False)
class CurveBlock:
    """An activation, a derivative or the exponential of each value in ``source``.

    The instructions find it in register 0 and leave what they make of it in ``register``; ``registers`` is the number of
    those that they use, ``tables`` says where in the file the entries of their tables begin.
    """

    source: Vector
    result: Vector
    instructions: tuple[Instruction, ...]
    register: Register
    registers: int
    tables: Mapping[Table, int]


@dataclass(frozen=True)
class ClipBlock:
    """Pre-activations, saturated to 16 bits."""

    z: Vector
    result: Vector


@dataclass(frozen=True)
class BelowTopBlock:
    """How far each pre-activation is below the largest (SPEC 9.6)."""

    z: Vector
    result: Vector


@dataclass(frozen=True)
class ShareBlock:
    """Exponentials to probabilities of ``frac`` fraction bits, in place (SPEC 9.6)."""

    values: Vector
    frac: int


@dataclass(frozen=True)
class DeltaBlock:
    """Outputs less targets (SPEC 9.6)."""

    outputs: Vector
    targets: Vector
    deltas: Vector


@dataclass(frozen=True)
class BackBlock:
    """Deltas of a layer to those of the layer below, without its derivative (SPEC 9.7).

    ``weights`` is a place in the file. Where the ``z`` of the layer below is less than ``gate``, its delta is 0; with a
    negative gate that is nowhere.
    """

    deltas: Vector
    result: Vector
    weights: int
    guard: int
    constant: int
    shift: int
    z: Vector
    gate: int


@dataclass(frozen=True)
class SlopeBlock:
    """Deltas times derivatives, rounded by ``half``, in place (SPEC 9.7)."""

    deltas: Vector
    slopes: Vector
    half: int
    shift: int


class Rate(IntEnum):
    """Where the board's program has what follows from the rate, in words behind the beginning of an update."""

    MULTIPLIER = 9
    HALF = 10
    COARSE = 11
    FINE = 12
    MASK = 13
    BIAS_LEFT = 14
    BIAS_RIGHT = 15
    BIAS_HALF = 16


@dataclass(frozen=True)
class UpdateBlock:
    """The change of a layer (SPEC 9.8); ``weights``, ``biases`` and ``remainders`` are places in the file.

    The rate can change, so that its numbers stand in the board's program, where this block begins ``at`` a word.
    ``weight_base`` and ``bias_base`` are what its shift counts from; ``takes_codes`` is true where the inputs are those
    of the network.
    """

    at: int
    inputs: Vector
    deltas: Vector
    weights: int
    biases: int
    remainders: int
    weight_base: int
    bias_base: int
    takes_codes: bool


Block = (
    DoorwayBlock
    | DenseBlock
    | CurveBlock
    | ClipBlock
    | BelowTopBlock
    | ShareBlock
    | DeltaBlock
    | BackBlock
    | SlopeBlock
    | UpdateBlock
)


@dataclass(frozen=True)
class Section:
    """Blocks that run one after the other; ``end`` is the word of the board's program behind them."""

    blocks: tuple[Block, ...]
    end: int


@dataclass(frozen=True)
class LayerState:
    """What a layer keeps in the file: how many units and weights, and what the rate's shift is added to for weights."""

    units: int
    weights: int
    weight_base: int


@dataclass(frozen=True, eq=False)
class BoardProgram:
    """The training step of a .nnt file, ``data``.

    ``decide`` leads from ticks to the last pre-activations ``z``, ``answer`` from there to the outputs ``y``, ``learn``
    from there to other weights. ``outputs``, ``texts`` and ``state`` are where the file has the formats of the outputs,
    the names and what training changes.
    """

    data: bytes
    weight_bits: int
    scheme: Scheme
    decide: Section
    answer: Section
    learn: Section
    z: Vector
    y: Vector
    targets: Vector
    layers: tuple[LayerState, ...]
    outputs: int
    texts: int
    state: int

    @property
    def sections(self) -> tuple[Section, Section, Section]:
        """A whole step."""
        return self.decide, self.answer, self.learn
