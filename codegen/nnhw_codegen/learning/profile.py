"""What fixed-point training can be asked for: formats, rounding of updates, rate, loss, layers (SPEC 9.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from nnhw_codegen.errors import InputError

Scheme = Literal["residual", "carry", "lcg", "nearest"]
Loss = Literal["auto", "cross_entropy", "mse"]
Trained = Literal["all", "first", "last"]

SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
LOSSES: tuple[Loss, ...] = get_args(Loss)
TRAINED: tuple[Trained, ...] = get_args(Trained)
"""In the order of their numbers in a .nnt file (SPEC 10.2)."""

MULTIPLIERS = (1, 3)
"""Larger multipliers would saturate common deltas, which costs accuracy."""

MAX_RATE_SHIFT = 20


@dataclass(frozen=True)
class Profile:
    """Formats and method of fixed-point SGD with one row per step. Raises ValueError for what cannot be.

    weight_bits, weight_frac           of the weights that are kept and updated
    seen_bits                          leading bits of a weight that the passes multiply by
    activation_bits, activation_frac   of inputs and hidden outputs; input_frac may give the inputs another frac
    delta_bits, delta_frac             of the error signals; logits and targets have delta_frac as well
    scheme                             how an update is rounded: "residual" keeps the remainder of every weight, "carry"
                                       hands it to the next weight, "lcg" rounds at random, "nearest" forgets it
    rate_multiplier, rate_shift        learning rate = rate_multiplier * 2^-rate_shift
    relu_at_zero                       derivative at a corner at 0: 0 (from the left), 1 (from the right), 0.5 (mean)
    loss                               "auto" is cross-entropy behind softmax and logsig, else "mse"
    trained                            which layers learn
    """

    weight_bits: int = 16
    weight_frac: int = 12
    seen_bits: int = 16
    activation_bits: int = 16
    activation_frac: int = 10
    input_frac: int = 10
    delta_bits: int = 16
    delta_frac: int = 12
    scheme: Scheme = "residual"
    rate_multiplier: int = 1
    rate_shift: int = 5
    relu_at_zero: float = 1.0
    loss: Loss = "auto"
    trained: Trained = "all"

    def __post_init__(self) -> None:
        for name in ("weight_bits", "seen_bits", "activation_bits", "delta_bits"):
            _expect(2 <= getattr(self, name) <= 16, name, getattr(self, name), "2 to 16")
        _expect(self.seen_bits <= self.weight_bits, "seen_bits", self.seen_bits, f"at most {self.weight_bits}")
        _expect(self.rate_multiplier in MULTIPLIERS, "rate_multiplier", self.rate_multiplier, "1 or 3")
        _expect(0 <= self.rate_shift <= MAX_RATE_SHIFT, "rate_shift", self.rate_shift, f"0 to {MAX_RATE_SHIFT}")
        _expect(self.relu_at_zero in (0, 0.5, 1), "relu_at_zero", self.relu_at_zero, "0, 0.5 or 1")
        kinds: dict[str, tuple[str, ...]] = {"scheme": SCHEMES, "loss": LOSSES, "trained": TRAINED}
        for name, known in kinds.items():
            _expect(getattr(self, name) in known, name, getattr(self, name), ", ".join(known))

    @property
    def weight_limit(self) -> int:
        """The largest magnitude of a kept weight."""
        return (1 << (self.weight_bits - 1)) - 1

    @property
    def activation_limit(self) -> int:
        """The largest magnitude of an input code, a hidden z and a hidden output."""
        return (1 << (self.activation_bits - 1)) - 1

    @property
    def delta_limit(self) -> int:
        """The largest magnitude of a delta."""
        return (1 << (self.delta_bits - 1)) - 1

    def trains(self, layer: int, layers: int) -> bool:
        """True where the layer of this index, of so many, learns."""
        return self.trained == "all" or layer == (0 if self.trained == "first" else layers - 1)


def _expect(holds: bool, name: str, value: object, expected: str) -> None:
    if not holds:
        raise InputError(f"{name} is {value!r}; expected {expected}")


T16 = Profile()
"""Weights Q3.12, activations Q5.10, deltas Q3.12: follows float SGD."""

T8 = replace(T16, weight_bits=8, weight_frac=5, seen_bits=8)
"""As T16 with weights of 8 bits, Q2.5."""

FX12 = replace(T16, seen_bits=12, activation_bits=12, activation_frac=6, input_frac=6, delta_bits=12, delta_frac=8)
"""Passes in 12 bits (weights Q3.8, activations Q5.6, deltas Q3.8) over kept weights of 16 bits; for studies."""

FX8 = replace(
    T16, weight_frac=13, seen_bits=8, activation_bits=8, activation_frac=3, input_frac=3, delta_bits=8, delta_frac=6
)
"""Passes in 8 bits (weights Q2.5, activations Q4.3, deltas Q1.6) over kept weights of 16 bits; for studies."""
