"""The precisions that a network can be quantized to (SPEC 5.1)."""

from __future__ import annotations

from dataclasses import dataclass

from nnhw_codegen.registry import find

PROOF_LIMIT = 1 << 30
"""No intermediate may reach this: MicroPython's small integers on 32-bit boards end here (SPEC 2.1)."""


@dataclass(frozen=True)
class Precision:
    """Widths of a quantized model, and the limit that every partial sum is proved to stay below.

    ``activation_bits`` are the widths to choose from, layer by layer, on calibration rows.
    """

    name: str
    weight_bits: int
    activation_bits: tuple[int, ...]
    per_neuron: bool
    accumulator_limit: int = PROOF_LIMIT
    summary: str = ""

    @property
    def cost(self) -> tuple[int, ...]:
        """To sort by, cheapest first: bits of weights, of activations, and of partial sums."""
        return self.weight_bits, max(self.activation_bits), self.accumulator_limit.bit_length()

    @property
    def weight_limit(self) -> int:
        """The largest magnitude of a weight code."""
        return (1 << (self.weight_bits - 1)) - 1


PRECISIONS: tuple[Precision, ...] = (
    Precision("w16a16", 16, (16, 15, 14, 13), per_neuron=False, summary="most exact"),
    Precision("w8a16", 8, (16,), per_neuron=True, summary="half the weight bytes, accuracy kept"),
    Precision("w8a8", 8, (8,), per_neuron=True, summary="8-bit activations, direct tables"),
    Precision("acc16", 8, (8, 7, 6, 5), per_neuron=True, accumulator_limit=1 << 15, summary="two sums in one word"),
)


def names() -> tuple[str, ...]:
    """The names of all precisions."""
    return tuple(p.name for p in PRECISIONS)


def get(name: str) -> Precision:
    """The precision called ``name``; raises ValueError for an unknown one."""
    return find(PRECISIONS, name, "precision")
