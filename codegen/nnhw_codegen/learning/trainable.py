"""A float network as a model that a board can go on training, and back (SPEC 9.3, 9.10)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw_codegen.errors import InputError
from nnhw_codegen.integers import reference
from nnhw_codegen.integers.expr import evaluate
from nnhw_codegen.integers.fixed import IntArray, best_frac, rounding, saturate, to_real
from nnhw_codegen.integers.precision import PRECISIONS, PROOF_LIMIT
from nnhw_codegen.integers.qmodel import QInput, QModel
from nnhw_codegen.learning import plan as learning_plan
from nnhw_codegen.learning.derivative_forms import TABLE_LIMIT
from nnhw_codegen.learning.engine import Codes, Learner, target_codes
from nnhw_codegen.learning.plan import BIAS_FRAC, BIAS_LIMIT
from nnhw_codegen.learning.profile import T16, Profile
from nnhw_codegen.network.activations import Activation
from nnhw_codegen.network.network import MOST_ANSWERS, Decision, Input, Layer, Network, decision_of
from nnhw_codegen.quantization.doorway import MAX_SHIFT, tick_range

HEADROOM = 1.25
"""Weights get a format in which they can still grow by this factor."""

_LARGEST_BIAS = BIAS_LIMIT / 2**BIAS_FRAC


@dataclass(frozen=True, eq=False)
class Trainable:
    """One network that learns in integers, with its doorway.

    Output j of a regression is ``z[j] / 2^output_fracs[j] + offsets[j]`` (SPEC 9.10); for classes both are empty.
    """

    inputs: tuple[Input, ...]
    doorway: tuple[QInput, ...]
    learner: Learner
    activations: tuple[Activation, ...]
    classes: tuple[str, ...]
    outputs: tuple[str, ...]
    multilabel: bool
    output_fracs: tuple[int, ...]
    offsets: tuple[float, ...]

    @property
    def decision(self) -> Decision:
        """How the outputs become an answer (SPEC 6)."""
        return decision_of(self.classes, self.learner.plan.layers[-1].units, self.multilabel)

    @property
    def _door(self) -> QModel:
        return QModel(
            max(PRECISIONS, key=lambda precision: precision.cost), self.doorway, (), self.classes, self.outputs
        )

    def input_codes(self, rows: NDArray[np.floating[Any]]) -> Codes:
        """Raw rows (n, inputs) -> codes (n, inputs)."""
        return self.codes(reference.ticks(self._door, rows))

    def codes(self, ticks: IntArray) -> Codes:
        """Ticks (n, inputs), any integers -> codes (n, inputs)."""
        return reference.codes(self._door, ticks).astype(np.int32)

    def target_codes(self, targets: NDArray[Any]) -> Codes:
        """Class indices (n,); values, or 0 and 1, of each output (n, units) -> codes (n, units)."""
        if self.decision == "values":
            unit = np.array(self.output_fracs) - self.learner.plan.profile.delta_frac
            return target_codes(self.learner.plan, np.ldexp(targets - np.array(self.offsets), unit))
        if self.decision == "multilabel":
            return target_codes(self.learner.plan, np.asarray(targets))
        if self.decision == "threshold":
            return target_codes(self.learner.plan, np.asarray(targets)[:, None])
        return target_codes(self.learner.plan, np.eye(len(self.classes))[targets])

    def predict(self, rows: NDArray[np.floating[Any]]) -> NDArray[Any]:
        """Raw rows (n, inputs) -> class indices (n,); values, or 0 and 1, of each output (n, units)."""
        codes = self.input_codes(rows)
        if self.decision == "multilabel":
            return np.asarray((self.learner.outputs(codes)[:, :, 0] > 0).astype(np.int64))
        if self.classes:
            return self.learner.decide(codes)[:, 0]
        z = self.learner.outputs(codes)[:, :, 0].astype(np.int64)
        value = self.learner.plan.layers[-1].value
        if value is not None:
            z = evaluate(value, saturate(z, TABLE_LIMIT))
        return np.asarray(to_real(z, self.output_fracs) + np.array(self.offsets))

    def to_network(self) -> Network:
        """The network in floats, exactly as the integers stand."""
        weights, biases = self.learner.parameters()
        layers = [Layer(w[0], b[0], a) for w, b, a in zip(weights, biases, self.activations, strict=True)]
        if self.offsets:
            doublings = self.learner.plan.profile.delta_frac - np.array(self.output_fracs)
            layers[-1].weights = np.ldexp(layers[-1].weights, doublings[:, None])
            layers[-1].bias = np.ldexp(layers[-1].bias, doublings) + np.array(self.offsets)
        return Network(layers, self.inputs, self.classes, self.outputs, multilabel=self.multilabel)


def default_profile(network: Network) -> Profile:
    """T16; its inputs have two more fraction bits for a single linear layer whose inputs stay within +-8 scales."""
    reach = max(max(entry.high - entry.mean, entry.mean - entry.low) / entry.scale for entry in network.inputs)
    finest = best_frac(reach, T16.activation_limit)
    return replace(T16, input_frac=12) if len(network.layers) == 1 and finest >= 12 and not network.classes else T16


def trainable(network: Network, profile: Profile | None = None) -> Trainable:
    """A trainable model that starts as ``network``, by default with ``default_profile``.

    A layer whose weights would not fit gets a coarser format. The values of a linear regression get the unit that
    brings each output's largest weight to between 1 and 2. Raises ValueError where an input's range or a bias
    cannot be represented, or the network is too wide for the proof.
    """
    profile = profile or default_profile(network)
    _expect_exportable(profile)
    layers = [Layer(layer.weights, layer.bias, layer.activation) for layer in network.layers]
    if network.decision == "multilabel" and len(network.classes) > MOST_ANSWERS:
        raise InputError(f"{len(network.classes)} answers of yes or no; at most {MOST_ANSWERS} fit an integer")
    outputs = 0 if network.classes else len(layers[-1].bias)
    doublings, offsets = np.zeros(outputs, dtype=np.int64), np.zeros(outputs)
    last = layers[-1].activation
    if outputs and last.is_identity:
        weights, bias = layers[-1].weights, layers[-1].bias
        largest = np.abs(weights).max(axis=1)
        doublings = np.where(largest > 0, np.frexp(largest)[1] - 1, 0)
        apart = np.abs(np.ldexp(bias, -doublings)) > _LARGEST_BIAS / 4
        offsets = np.where(apart, np.asarray(bias, dtype=np.float32), 0.0).astype(np.float64)
        layers[-1] = Layer(np.ldexp(weights, -doublings[:, None]), np.ldexp(bias - offsets, -doublings), last)
    for index, layer in enumerate(layers):
        if np.abs(layer.bias).max() > _LARGEST_BIAS:
            raise InputError(
                f"layer {index}: a bias of {np.abs(layer.bias).max():g} does not fit +-{_LARGEST_BIAS:g}"
            )
    fracs = [
        min(profile.weight_frac, best_frac(HEADROOM * float(np.abs(layer.weights).max()), profile.weight_limit))
        for layer in layers
    ]
    activations = tuple(layer.activation for layer in layers)
    sizes = [len(network.inputs), *(len(layer.bias) for layer in layers)]
    plan = learning_plan.make(sizes, activations, profile, fracs)
    return Trainable(
        network.inputs,
        tuple(door(entry, profile) for entry in network.inputs),
        Learner(plan, [layer.weights[None] for layer in layers], [layer.bias[None] for layer in layers]),
        activations,
        network.classes,
        network.outputs,
        network.multilabel,
        tuple((profile.delta_frac - doublings).tolist()),
        tuple(offsets.tolist()),
    )


def door(entry: Input, profile: Profile) -> QInput:
    """The doorway of an input for training: codes are ``(value - mean) / scale`` in input_frac fraction bits.

    The range is cut to what the codes can hold. Raises ValueError where no value is left.
    """
    unit = math.ldexp(entry.scale, -profile.input_frac)
    reach = profile.activation_limit * unit
    cut = replace(entry, low=max(entry.low, entry.mean - reach), high=min(entry.high, entry.mean + reach))
    low, high = tick_range(cut)
    span, codes_per_tick, first = high - low, entry.step / unit, (low * entry.step - entry.mean) / unit
    for shift in range(MAX_SHIFT, -1, -1):
        gain = math.floor(math.ldexp(codes_per_tick, shift) + 0.5)
        offset = math.floor(math.ldexp(first, shift) + 0.5) + int(rounding(shift))
        result = QInput(entry.name, entry.step, low, span, gain, offset, shift)
        fits = max(span * gain, abs(offset), abs(span * gain + offset)) < PROOF_LIMIT
        if fits and max(map(abs, result.code_range)) <= profile.activation_limit:
            return result
    raise InputError(f"input {entry.name!r}: steps of {entry.step:g} are too coarse for a scale of {entry.scale:g}")


def _expect_exportable(profile: Profile) -> None:
    wide = profile.activation_bits == profile.delta_bits == 16 and profile.seen_bits == profile.weight_bits
    if not wide or profile.weight_bits not in (8, 16):
        raise InputError("boards train with weights of 8 or 16 bits and activations and deltas of 16 bits")
