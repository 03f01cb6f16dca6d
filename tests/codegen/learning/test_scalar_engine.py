"""The vectorized engine gives the integers of the scalar one, which never leave 31 bits (SPEC 9)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.covering import covering
from support.learning.boards import count
from support.learning.scalar import ScalarLearner

from nnhw_codegen.learning import plan as learning_plan
from nnhw_codegen.learning.engine import Learner
from nnhw_codegen.learning.profile import FX8, FX12, T8, T16
from nnhw_codegen.network import activations

NETS = ((4, 8, 3), (4, 4, 4, 4, 3), (2, 1))
HIDDEN = activations.names()
AT_ZERO = (0, 0.5, 1)
SCHEMES = ("residual", "carry", "lcg", "nearest")
PROFILES = {"T16": T16, "T8": T8, "FX12": FX12, "FX8": FX8}
OUTPUTS = (("softmax", "auto"), ("logsig", "auto"), ("logsig", "mse"), ("identity", "mse"), ("tanh", "mse"))
RATES = ((1, 5), (3, 8), (1, 2), (3, 13))
TRAINED = ("all", "first", "last")


def learners(sizes, hidden, output, profile, seed, networks=3, scale=1.0):
    """A learner of several networks, and the scalar learner of each."""
    generator = np.random.default_rng(seed)
    names = [hidden] * (len(sizes) - 2) + [output]
    records = [activations.get(name) for name in names]
    plan = learning_plan.make(sizes, records, profile)
    shapes = list(zip(sizes[1:], sizes[:-1], strict=True))
    weights = [generator.normal(0, scale, (networks, *shape)) for shape in shapes]
    biases = [generator.normal(0, 0.3, (networks, units)) for units, _ in shapes]
    stacked = Learner(plan, weights, biases)
    alone = [
        ScalarLearner(
            plan,
            [w[:, :, n].tolist() for w in stacked.weights],
            [b[:, n].tolist() for b in stacked.biases],
        )
        for n in range(networks)
    ]
    return stacked, alone


def samples(plan, steps, networks, seed):
    """Random input and target codes, (steps, inputs, networks) and (steps, units, networks)."""
    generator = np.random.default_rng(seed)
    limit, one = plan.profile.activation_limit, 1 << plan.profile.delta_frac
    x = generator.normal(0, 1.5 * 2.0**plan.profile.input_frac, (steps, plan.layers[0].fan_in, networks))
    x[generator.random(x.shape) < 0.1] = 0
    targets = generator.integers(0, 2, (steps, plan.layers[-1].units, networks)) * one
    return np.clip(np.floor(x), -limit, limit).astype(np.int32), targets.astype(np.int32)


def compare(stacked, alone, x, targets):
    for row, wanted in zip(x, targets, strict=True):
        stacked.step(row, wanted)
        for n, learner in enumerate(alone):
            learner.step(row[:, n].tolist(), wanted[:, n].tolist())
    for n, learner in enumerate(alone):
        assert learner.weights == [w[:, :, n].tolist() for w in stacked.weights]
        assert learner.biases == [b[:, n].tolist() for b in stacked.biases]
        if stacked.plan.profile.scheme == "residual":
            assert learner.remainders == [r[:, :, n].tolist() for r in stacked.remainders]
        elif stacked.plan.profile.scheme == "carry":
            assert learner.carries == [int(r[n]) for r in stacked.remainders]
        elif stacked.plan.profile.scheme == "lcg":
            assert learner.noise == stacked.noise[n]


FACTORS = (NETS, HIDDEN, AT_ZERO, SCHEMES, tuple(PROFILES), OUTPUTS, RATES, TRAINED)


def check(case, steps, networks):
    sizes, hidden, at_zero, scheme, profile, (output, loss), (multiplier, shift), trained = case
    profile = replace(
        PROFILES[profile],
        scheme=scheme,
        relu_at_zero=at_zero,
        loss=loss,
        rate_multiplier=multiplier,
        rate_shift=shift,
        trained=trained,
    )
    stacked, alone = learners(sizes, hidden, output, profile, seed=steps, networks=networks)
    compare(stacked, alone, *samples(stacked.plan, steps, networks, seed=1))


@pytest.mark.parametrize("case", list(covering(FACTORS)), ids=str)
def test_engine_is_bit_identical_to_the_scalar_engine(case):
    check(case, steps=count(60), networks=2)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_engine_is_bit_identical_after_1000_steps(scheme):
    check(((4, 8, 3), "relu", 1, scheme, "T16", ("softmax", "auto"), (1, 5), "all"), steps=1000, networks=1)


@pytest.mark.parametrize("profile", PROFILES)
def test_changing_the_rate_keeps_both_engines_equal(profile):
    stacked, alone = learners((4, 8, 3), "relu", "logsig", PROFILES[profile], seed=5)
    x, targets = samples(stacked.plan, 60, 3, seed=6)
    for part, (multiplier, shift) in enumerate(((1, 5), (3, 7), (1, 4))):
        old = [s.fine for s in stacked._shifts]
        stacked.set_rate(multiplier, shift)
        for learner in alone:
            learner.rate(multiplier, shift)
            for layer, before, rows in zip(learner.plan.layers, old, learner.remainders, strict=True):
                change = learner.fine(layer) - before
                rows[:] = [[r << change if change >= 0 else r >> -change for r in row] for row in rows]
        compare(stacked, alone, x[20 * part : 20 * part + 20], targets[20 * part : 20 * part + 20])


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("output", ["softmax", "logsig", "identity"])
@pytest.mark.parametrize("sizes", [(4, 8, 3), (2, 1), (13, 40, 20, 2)])
def test_extreme_weights_inputs_and_targets_never_reach_31_bits(profile, output, sizes):
    profile = replace(PROFILES[profile], rate_multiplier=3, rate_shift=2)
    _, alone = learners(sizes, "relu", output, profile, seed=1, networks=4, scale=1e6)
    generator = np.random.default_rng(2)
    for learner, sign in zip(alone, (1, -1, 0, 0), strict=True):
        limit = profile.weight_limit
        for rows in learner.weights:
            for row in rows:
                row[:] = (
                    generator.choice([-limit, limit], len(row)).tolist() if not sign else [sign * limit] * len(row)
                )
        learner.biases = [[(sign or 1) * (2**29 - 1)] * len(bias) for bias in learner.biases]
        learner.remainders = [
            [[(1 << learner.fine(p)) - 1] * len(r) for r in rows]
            for p, rows in zip(learner.plan.layers, learner.remainders, strict=True)
        ]
        top = profile.activation_limit
        far = 2**29 - 1
        for step in range(4):
            x = [top] * sizes[0] if step % 2 else generator.choice([-top, top], sizes[0]).tolist()
            wanted = [(-far, far)[(step // 2 + j) % 2] for j in range(sizes[-1])]
            learner.step(
                x, wanted if output == "identity" else [0 if t < 0 else 1 << profile.delta_frac for t in wanted]
            )
    assert max(learner.v.largest for learner in alone) >= 0.99 * 2**29
