"""The reference engine of fixed-point training: many networks at once, one row per step (SPEC 9).

Arrays have the networks last, (units, networks) or (units, inputs, networks): NumPy then adds and multiplies along
contiguous lines whatever the widths of the layers. All values fit int32, as the plan proves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw_codegen.integers.fixed import rounding, to_code, to_real
from nnhw_codegen.integers.proof import Z_LIMIT
from nnhw_codegen.learning import plan as learning_plan
from nnhw_codegen.learning.derivative_forms import TABLE_LIMIT, codes_of
from nnhw_codegen.learning.plan import BIAS_FRAC, BIAS_LIMIT, GRADIENT_LIMIT, LayerPlan, Plan, Shifts
from nnhw_codegen.learning.profile import Profile
from nnhw_codegen.network.network import Network

Codes = NDArray[np.int32]
FloatArray = NDArray[np.floating[Any]]

LCG_FACTOR, LCG_TERM, LCG_MASK, LCG_START = 12829, 13849, 65535, 1


class Learner:
    """Networks of one shape that learn side by side, independently of each other.

    ``weights[l]`` (units, inputs, networks), ``biases[l]`` (units, networks) and, by scheme, ``remainders[l]``
    ("residual": like the weights; "carry": (networks,)) and ``noise`` ("lcg": (networks,)) are the whole state.
    After ``forward`` or ``step``, ``z[l]`` (units, networks) holds the pre-activations of each layer.
    """

    def __init__(self, plan: Plan, weights: Sequence[FloatArray], biases: Sequence[FloatArray]) -> None:
        """Start from real ``weights[l]`` (networks, units, inputs) and ``biases[l]`` (networks, units)."""
        self.plan = plan
        self.networks = len(weights[0])
        self.weights = [
            _networks_last(to_code(w, layer.weight_frac, layer.weight_limit))
            for w, layer in zip(weights, plan.layers, strict=True)
        ]
        self.biases = [_networks_last(to_code(b, BIAS_FRAC, BIAS_LIMIT)) for b in biases]
        self.multiplier, self.rate_shift = plan.profile.rate_multiplier, plan.profile.rate_shift
        self._shifts = [learning_plan.shifts(layer, plan.profile, self.rate_shift) for layer in plan.layers]
        self.noise = np.full(self.networks, LCG_START, dtype=np.int64)
        scheme = plan.profile.scheme
        self.remainders = [
            np.full(w.shape if scheme == "residual" else (self.networks,), int(rounding(s.fine)), dtype=np.int32)
            for w, s in zip(self.weights, self._shifts, strict=True)
        ]
        self._make_room()

    def _make_room(self) -> None:
        layers, n = self.plan.layers, self.networks
        self.z: list[Codes] = [np.zeros((layer.units, n), dtype=np.int32) for layer in layers]
        self._out = [np.zeros((layer.units, n), dtype=np.int32) for layer in layers]
        self._delta = [np.zeros((layer.units, n), dtype=np.int32) for layer in layers]
        self._gradient = [np.zeros((layer.units, n), dtype=np.int32) for layer in layers]
        self._bias = [np.zeros((layer.units, n), dtype=np.int32) for layer in layers]
        self._product = [np.zeros(w.shape, dtype=np.int32) for w in self.weights]
        self._seen = [
            np.zeros(w.shape, dtype=np.int32) if p.seen_shift else w
            for w, p in zip(self.weights, layers, strict=True)
        ]
        self._value = [None if p.value is None else codes_of(p.value, p.z_limit or TABLE_LIMIT) for p in layers]
        self._slope = [None if p.slope is None else codes_of(p.slope, p.z_limit or TABLE_LIMIT) for p in layers]
        if self.plan.profile.scheme == "lcg":
            self._noise_factors = [_lcg_powers(w.shape[0] * w.shape[1]) for w in self.weights]

    def set_rate(self, multiplier: int, shift: int) -> None:
        """Learn at multiplier * 2^-shift from now on; remainders keep their value (SPEC 9.9). Raises ValueError."""
        Profile(rate_multiplier=multiplier, rate_shift=shift)
        fresh = [learning_plan.shifts(layer, self.plan.profile, shift) for layer in self.plan.layers]
        for remainder, old, new in zip(self.remainders, self._shifts, fresh, strict=True):
            change = new.fine - old.fine
            remainder[...] = remainder << change if change >= 0 else remainder >> -change
        self.multiplier, self.rate_shift, self._shifts = multiplier, shift, fresh

    def forward(self, x: Codes) -> Codes:
        """Input codes x (inputs, networks) -> the last layer's z (units, networks), a buffer of this object."""
        for index, layer in enumerate(self.plan.layers):
            product, seen, z = self._product[index], self._seen[index], self.z[index]
            if layer.seen_shift:
                np.add(self.weights[index], 1 << (layer.seen_shift - 1), out=seen)
                np.right_shift(seen, layer.seen_shift, out=seen)
                _saturate(seen, layer.seen_limit)
            np.multiply(seen, x, out=product)
            if layer.guard:
                np.right_shift(product, layer.guard, out=product)
            np.add.reduce(product, axis=1, dtype=np.int32, out=z)
            bias = self._bias[index]
            np.add(self.biases[index], int(rounding(layer.bias_shift)), out=bias)
            np.right_shift(bias, layer.bias_shift, out=bias)
            np.add(z, bias, out=z)
            np.add(z, layer.forward_constant, out=z)
            np.right_shift(z, layer.z_shift, out=z)
            if layer.z_limit:
                _saturate(z, layer.z_limit)
                x = _look(self._value[index], z, self._out[index])
        return z

    def step(self, x: Codes, targets: Codes) -> None:
        """One step of SGD on x (inputs, networks) and target codes (units, networks) of one row per network."""
        self.forward(x)
        layers = self.plan.layers
        delta = self._output_delta(targets)
        for index in range(len(layers) - 1, self.plan.lowest - 1, -1):
            if index > self.plan.lowest:
                below = self._delta_below(index, delta)
            if layers[index].trains:
                self._update(index, delta, self._output(index - 1) if index else x)
            if index > self.plan.lowest:
                delta = below

    def _output(self, index: int) -> Codes:
        return self.z[index] if self._value[index] is None else self._out[index]

    def _output_delta(self, targets: Codes) -> Codes:
        plan, z, delta = self.plan, self.z[-1], self._delta[-1]
        layer, table, slope = plan.layers[-1], self._value[-1], self._slope[-1]
        if plan.softmax:
            np.minimum(z.max(axis=0) - z, TABLE_LIMIT, out=delta)
            powers = _look(table, delta, self._out[-1])
            total = powers.sum(axis=0, dtype=np.int32)
            np.floor_divide((powers << layer.z_frac) + (total >> 1), total, out=delta)
            np.subtract(delta, targets, out=delta)
        else:
            np.copyto(delta, z)
            if table is not None:
                _saturate(delta, TABLE_LIMIT)
                delta = _look(table, delta, self._out[-1])
            delta = np.subtract(delta, targets, out=self._delta[-1])
        _saturate(delta, plan.profile.delta_limit)
        if slope is not None:
            _times_slope(delta, slope[np.clip(z, -TABLE_LIMIT, TABLE_LIMIT)], layer.slope_frac)
            _saturate(delta, plan.profile.delta_limit)
        return delta

    def _delta_below(self, index: int, delta: Codes) -> Codes:
        layer, product, below = self.plan.layers[index], self._product[index], self._delta[index - 1]
        np.multiply(self._seen[index], delta[:, None, :], out=product)
        if layer.back_guard:
            np.right_shift(product, layer.back_guard, out=product)
        np.add.reduce(product, axis=0, dtype=np.int32, out=below)
        np.add(below, layer.back_constant, out=below)
        np.right_shift(below, layer.back_shift, out=below)
        limit = self.plan.profile.delta_limit
        _saturate(below, limit)
        slope = self._slope[index - 1]
        if slope is not None:
            # The gradient's buffer is free until this layer is updated.
            slopes = np.take(slope, self.z[index - 1], mode="wrap", out=self._gradient[index - 1])
            _times_slope(below, slopes, self.plan.layers[index - 1].slope_frac)
            _saturate(below, limit)
        return below

    def _update(self, index: int, delta: Codes, x: Codes) -> None:
        layer, shifts, product = self.plan.layers[index], self._shifts[index], self._product[index]
        gradient = np.multiply(delta, self.multiplier, out=self._gradient[index])
        _saturate(gradient, GRADIENT_LIMIT)
        np.multiply(gradient[:, None, :], x, out=product)
        if shifts.left:
            np.left_shift(product, shifts.left, out=product)
        else:
            self._round(index, layer, shifts, product)
        weights = self.weights[index]
        np.subtract(weights, product, out=weights)
        _saturate(weights, layer.weight_limit)
        if shifts.bias_right:
            np.add(gradient, 1 << (shifts.bias_right - 1), out=gradient)
            np.right_shift(gradient, shifts.bias_right, out=gradient)
        else:
            np.left_shift(gradient, shifts.bias_left, out=gradient)
        bias = self.biases[index]
        np.subtract(bias, gradient, out=bias)
        _saturate(bias, BIAS_LIMIT)

    def _round(self, index: int, layer: LayerPlan, shifts: Shifts, product: Codes) -> None:
        """Turn products into changes of weight: shift right, and round by the scheme (SPEC 9.8)."""
        scheme, mask = self.plan.profile.scheme, (1 << shifts.fine) - 1
        if shifts.coarse:
            np.add(product, 1 << (shifts.coarse - 1), out=product)
            np.right_shift(product, shifts.coarse, out=product)
        remainder = self.remainders[index]
        if scheme == "residual":
            np.add(product, remainder, out=product)
            np.bitwise_and(product, mask, out=remainder)
        elif scheme == "nearest":
            np.add(product, int(rounding(shifts.fine)), out=product)
        elif scheme == "lcg":
            flat = product.reshape(-1, self.networks)
            factors, terms = self._noise_factors[index]
            noise = factors * self.noise + terms & LCG_MASK
            self.noise = noise[-1]
            flat += (noise >> learning_plan.REMAINDER_BITS - shifts.fine).astype(np.int32)
        else:
            # The carry of weight n is the sum of all products so far, modulo 2^fine.
            flat = product.reshape(-1, self.networks)
            sums = np.cumsum(np.concatenate([remainder[None], flat]), axis=0, dtype=np.int64)
            remainder[...] = sums[-1] & mask
            flat[...] = np.diff(sums >> shifts.fine, axis=0)
            return
        np.right_shift(product, shifts.fine, out=product)

    def train(self, rows: Codes, targets: Codes, orders: NDArray[np.integer[Any]]) -> None:
        """Steps over the rows in the given orders, (epochs, rows per epoch, networks) of row indices.

        ``rows`` (n, inputs) and ``targets`` (n, units) are shared, or (n, inputs, networks) and (n, units, networks)
        the networks' own.
        """
        for order in orders:
            for x, wanted in zip(in_order(rows, order), in_order(targets, order), strict=True):
                self.step(x, wanted)

    def outputs(self, rows: Codes) -> Codes:
        """The last z (n, units, networks) for ``rows``, (n, inputs) shared or (n, inputs, networks)."""
        if rows.ndim == 2:
            rows = np.broadcast_to(rows[:, :, None], (*rows.shape, self.networks))
        result = np.empty((len(rows), *self.z[-1].shape), dtype=np.int32)
        for z, x in zip(result, rows, strict=True):
            z[...] = self.forward(x)
        return result

    def decide(self, rows: Codes) -> NDArray[np.int64]:
        """Class indices (n, networks) for ``rows`` as in ``outputs`` (SPEC 6.1, 6.2)."""
        z = self.outputs(rows)
        return (z[:, 0] > 0).astype(np.int64) if z.shape[1] == 1 else z.argmax(axis=1)

    def parameters(self) -> tuple[list[FloatArray], list[FloatArray]]:
        """Real weights (networks, units, inputs) and biases (networks, units), per layer."""
        fracs = [layer.weight_frac for layer in self.plan.layers]
        weights = [to_real(np.moveaxis(w, -1, 0), f) for w, f in zip(self.weights, fracs, strict=True)]
        return list(weights), [to_real(b.T, BIAS_FRAC) for b in self.biases]


def stack(networks: Sequence[Network], profile: Profile) -> Learner:
    """A learner of ``networks``, all of one shape and with the same activations."""
    layers = networks[0].layers
    sizes = [layers[0].weights.shape[1], *(len(layer.bias) for layer in layers)]
    plan = learning_plan.make(sizes, [layer.activation for layer in layers], profile)
    weights = [np.stack([network.layers[k].weights for network in networks]) for k in range(len(layers))]
    biases = [np.stack([network.layers[k].bias for network in networks]) for k in range(len(layers))]
    return Learner(plan, weights, biases)


def input_codes(plan: Plan, x: FloatArray) -> Codes:
    """Standardized inputs -> codes, saturated (SPEC 9.3)."""
    return to_code(x, plan.layers[0].input_frac, plan.profile.activation_limit).astype(np.int32)


def target_codes(plan: Plan, targets: NDArray[Any]) -> Codes:
    """Targets (n, units, ...) as the last layer should give them, 0 and 1 or reals, -> codes (SPEC 9.6)."""
    return to_code(targets, plan.profile.delta_frac, Z_LIMIT - 1).astype(np.int32)


def in_order(data: NDArray[Any], order: NDArray[np.integer[Any]]) -> NDArray[Any]:
    """Rows (n, m) or (n, m, networks) in ``order`` (steps, networks) -> (steps, m, networks), contiguous."""
    if data.ndim == 2:
        return np.ascontiguousarray(data[order].transpose(0, 2, 1))
    return np.take_along_axis(data, order[:, None, :], axis=0)


def _networks_last(codes: NDArray[np.int64]) -> Codes:
    return np.ascontiguousarray(np.moveaxis(codes, 0, -1), dtype=np.int32)


def _saturate(codes: Codes, limit: int) -> None:
    np.minimum(codes, limit, out=codes)
    np.maximum(codes, -limit, out=codes)


def _look(table: Codes | None, z: Codes, out: Codes) -> Codes:
    """table[z] into ``out``, negative z counted from the end; z itself where there is no table."""
    return z if table is None else np.take(table, z, mode="wrap", out=out)


def _times_slope(delta: Codes, slopes: Codes, frac: int) -> None:
    np.multiply(delta, slopes, out=delta)
    np.add(delta, 1 << (frac - 1), out=delta)
    np.right_shift(delta, frac, out=delta)


def _lcg_powers(count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(factors, terms), each (count, 1): noise n from the noise r before the first is factor * r + term, modulo 2^16."""
    factors, terms = [LCG_FACTOR], [LCG_TERM]
    for _ in range(count - 1):
        factors.append(factors[-1] * LCG_FACTOR & LCG_MASK)
        terms.append(terms[-1] * LCG_FACTOR + LCG_TERM & LCG_MASK)
    return np.array(factors)[:, None], np.array(terms)[:, None]
