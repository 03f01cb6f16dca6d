"""All shifts and constants of fixed-point training, from shapes and formats alone (SPEC 9.2 to 9.8).

The bounds that are proved here hold for every input, every target and every trajectory of the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from nnhw_codegen.errors import InputError
from nnhw_codegen.integers.expr import Expr
from nnhw_codegen.integers.fixed import rounding
from nnhw_codegen.integers.precision import PROOF_LIMIT
from nnhw_codegen.integers.proof import Z_LIMIT
from nnhw_codegen.learning.derivative_forms import TABLE_LIMIT, exponential_form, slope_form, value_form
from nnhw_codegen.learning.profile import Profile
from nnhw_codegen.network.activations import Activation

BIAS_FRAC = 24
BIAS_LIMIT = (1 << 29) - 1

GRADIENT_LIMIT = 32766
"""Times an activation of 32767, plus a remainder below 2^16, this stays below 2^30."""

REMAINDER_BITS = 16

_MAX_SHIFT = 30


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """The integers of one layer; SPEC 9 says what is done with each.

    ``value`` is the integer form of what the layer gives: None is z itself; of a softmax, it is the exponential.
    ``slope`` is its derivative in ``slope_frac`` fraction bits, None where no delta is multiplied by one.
    ``z_limit`` is 0 where z is a logit, which is not saturated.
    """

    units: int
    fan_in: int
    weight_frac: int
    weight_limit: int
    seen_shift: int
    seen_limit: int
    input_frac: int
    z_frac: int
    z_limit: int
    guard: int
    bias_shift: int
    forward_constant: int
    z_shift: int
    back_guard: int
    back_constant: int
    back_shift: int
    update_base: int
    bias_base: int
    value: Expr | None
    slope: Expr | None
    slope_frac: int
    trains: bool


@dataclass(frozen=True)
class Shifts:
    """How the product of gradient and input becomes a change of weight at one learning rate (SPEC 9.8).

    A change is ``product << left``, or ``(((product + half) >> coarse) + remainder) >> fine``; a bias changes by
    ``gradient << bias_left``, or ``(gradient + half) >> bias_right``.
    """

    left: int
    coarse: int
    fine: int
    bias_left: int
    bias_right: int


@dataclass(frozen=True, eq=False)
class Plan:
    """A network's training in integers: the profile, the layers, and whether softmax gives the deltas."""

    profile: Profile
    layers: tuple[LayerPlan, ...]
    softmax: bool

    @property
    def lowest(self) -> int:
        """The first layer that learns: no delta is needed below it."""
        return next(index for index, layer in enumerate(self.layers) if layer.trains)


def make(
    sizes: Sequence[int],
    activations: Sequence[Activation],
    profile: Profile,
    weight_fracs: Sequence[int] | None = None,
) -> Plan:
    """The plan for layers of ``sizes`` (inputs first) with these activations.

    ``weight_fracs`` are those of the kept weights, per layer, where they differ from the profile's. Raises ValueError
    for a layer too wide for 31 bits, or a loss that does not fit the last activation.
    """
    count = len(activations)
    softmax = activations[-1].across_units
    entropy = _uses_cross_entropy(activations[-1], profile)
    layers = []
    value: Expr | None
    for index, activation in enumerate(activations):
        last = index + 1 == count
        seen_shift = profile.weight_bits - profile.seen_bits
        weight_frac = profile.weight_frac if weight_fracs is None else weight_fracs[index]
        input_frac = profile.activation_frac if index else profile.input_frac
        z_frac = profile.delta_frac if last else profile.activation_frac
        z_limit = TABLE_LIMIT if last else profile.activation_limit
        if activation.across_units:
            value, slope, slope_frac = exponential_form(z_frac), None, 0
        else:
            value = value_form(activation, z_frac, z_frac, z_limit)
            slope, slope_frac = slope_form(activation, z_frac, profile.relu_at_zero, z_limit)
        try:
            sums = _sums(sizes[index], sizes[index + 1], weight_frac - seen_shift, input_frac, z_frac, profile)
        except ValueError as error:
            raise InputError(f"layer {index}, {sizes[index + 1]} units of {sizes[index]} inputs: {error}") from None
        layers.append(
            LayerPlan(
                units=sizes[index + 1],
                fan_in=sizes[index],
                weight_frac=weight_frac,
                weight_limit=profile.weight_limit,
                seen_shift=seen_shift,
                seen_limit=(1 << (profile.seen_bits - 1)) - 1,
                input_frac=input_frac,
                z_frac=z_frac,
                z_limit=0 if last else z_limit,
                **asdict(sums),
                update_base=profile.delta_frac + input_frac - weight_frac,
                bias_base=BIAS_FRAC - profile.delta_frac,
                value=value,
                slope=None if last and entropy else slope,
                slope_frac=slope_frac,
                trains=profile.trains(index, count),
            )
        )
    plan = Plan(profile, tuple(layers), softmax)
    for layer in layers:
        shifts(layer, profile, profile.rate_shift)
    return plan


def _uses_cross_entropy(last: Activation, profile: Profile) -> bool:
    if profile.loss == "mse":
        if last.across_units:
            raise InputError(f"the loss 'mse' behind {last.name} cannot be trained in integers; use 'cross_entropy'")
        return False
    if profile.loss == "cross_entropy" and not last.gives_probabilities:
        raise InputError(f"cross_entropy needs softmax or logsig at the end, found {last.name!r}; use 'mse'")
    return last.gives_probabilities


def _product_bound(count: int, a: int, b: int, shift: int) -> int:
    """The largest magnitude of any partial sum of ``count`` products, each floored by ``shift`` bits."""
    return count * -(-(a * b) >> shift)


@dataclass(frozen=True)
class _Sums:
    """How the sums of a layer stay below 2^30 forward (SPEC 9.5) and backward (SPEC 9.7)."""

    guard: int
    bias_shift: int
    forward_constant: int
    z_shift: int
    back_guard: int
    back_constant: int
    back_shift: int


def _sums(fan_in: int, units: int, seen_frac: int, input_frac: int, z_frac: int, profile: Profile) -> _Sums:
    """Those of a layer; raises InputError where the sums do not fit."""
    seen_limit = (1 << (profile.seen_bits - 1)) - 1
    if seen_frac + input_frac - BIAS_FRAC >= _MAX_SHIFT:
        raise ValueError(f"weights of {seen_frac} fraction bits leave no room for the sums")
    for guard in range(max(0, seen_frac + input_frac - BIAS_FRAC), _MAX_SHIFT):
        z_shift = seen_frac + input_frac - guard - z_frac
        bias_shift = BIAS_FRAC - seen_frac - input_frac + guard
        constant = (fan_in >> 1 if guard else 0) + int(rounding(max(z_shift, 0)))
        bias = BIAS_LIMIT + int(rounding(bias_shift))
        bound = (
            _product_bound(fan_in, seen_limit, profile.activation_limit, guard) + (bias >> bias_shift) + 1 + constant
        )
        if bound < PROOF_LIMIT and bias < PROOF_LIMIT:
            break
    for back_guard in range(_MAX_SHIFT):
        back_shift = seen_frac - back_guard
        back_constant = (units >> 1 if back_guard else 0) + int(rounding(max(back_shift, 0)))
        if _product_bound(units, seen_limit, profile.delta_limit, back_guard) + back_constant < PROOF_LIMIT:
            break
    if z_shift < 0 or back_shift < 0 or (bound >> z_shift) + 1 >= Z_LIMIT:
        raise InputError("the sums do not fit 31 bits at the precision of the passes; use fewer units")
    return _Sums(guard, bias_shift, constant, z_shift, back_guard, back_constant, back_shift)


def shifts(layer: LayerPlan, profile: Profile, rate_shift: int) -> Shifts:
    """The shifts of a layer's update at the rate multiplier * 2^-rate_shift; raises ValueError where they overflow."""
    total = layer.update_base + rate_shift
    coarse = max(0, total - REMAINDER_BITS)
    bias = layer.bias_base - rate_shift
    result = Shifts(max(0, -total), coarse, max(0, total) - coarse, max(0, bias), max(0, -bias))
    gradient = min(GRADIENT_LIMIT, profile.rate_multiplier * profile.delta_limit)
    product = gradient * profile.activation_limit
    before = max(product + int(rounding(coarse)), -(-product >> coarse) + (1 << result.fine))
    change = max(before >> result.fine, product << result.left)
    bias_change = max(gradient + int(rounding(result.bias_right)), gradient << result.bias_left)
    if max(before, change + layer.weight_limit, bias_change + BIAS_LIMIT) >= PROOF_LIMIT:
        other = "higher" if result.coarse else "lower"
        raise InputError(f"a rate of {profile.rate_multiplier} * 2^-{rate_shift} can overflow; use a {other} one")
    return result
