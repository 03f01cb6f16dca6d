"""Fixed-point training follows float SGD, for known and for made-up activations (SPEC 9)."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from nnhw.data import datasets
from nnhw.training.backprop import Backprop, Parameters
from nnhw.training.train import create
from nnhw_codegen.learning import plan as learning_plan
from nnhw_codegen.learning.derivative_forms import codes_of, slope_form, value_form
from nnhw_codegen.learning.engine import Learner, input_codes, stack, target_codes
from nnhw_codegen.learning.profile import FX8, FX12, T8, T16, Profile
from nnhw_codegen.network import activations
from nnhw_codegen.network.activations import Activation, Curve
from nnhw_codegen.network.network import Input, Layer

ONE = 1 << 12


def float_sgd(network, x, targets, order, rate, loss="cross_entropy"):
    """The host's own back-propagation, one row per step, on standardized x (n, inputs)."""
    parameters = Parameters(network.layers)
    run = Backprop(network.layers, parameters, 1, loss)
    x = np.hstack([x, np.ones((len(x), 1))])
    for row in order.ravel():
        run.run(x[row : row + 1].T, targets[row : row + 1].T)
        parameters.values -= rate * parameters.gradient
    parameters.store(network.layers)


def iris_accuracies(profile, hidden, output, seeds, epochs=30, layers=(8,)):
    """Held-out accuracy in percent, (seeds,) by integers and by floats from the same start in the same order."""
    iris = datasets.load("iris")
    networks, rows, targets, tests, labels, orders = [], [], [], [], [], []
    exact = []
    for seed in range(seeds):
        train, test = datasets.split(iris, 0.2, seed)
        network = create(
            datasets.inputs_from(train), layers, hidden=hidden, output=output, classes=iris.classes, seed=seed
        )
        networks.append(network)
        rows.append(network.standardize(train.rows))
        targets.append(np.eye(3)[train.targets])
        tests.append(network.standardize(test.rows))
        labels.append(test.targets)
        generator = np.random.default_rng([seed, 9])
        orders.append(np.stack([generator.permutation(len(train.rows)) for _ in range(epochs)]))
    learner = stack(networks, profile)
    plan = learner.plan
    stacked = [np.stack(part, axis=-1) for part in (rows, targets, tests, labels, orders)]
    learner.train(input_codes(plan, stacked[0]), target_codes(plan, stacked[1]), stacked[4])
    found = 100 * (learner.decide(input_codes(plan, stacked[2])) == stacked[3]).mean(axis=0)
    rate = profile.rate_multiplier * 2.0**-profile.rate_shift
    for network, x, wanted, test, label, order in zip(networks, rows, targets, tests, labels, orders, strict=True):
        float_sgd(network, x, wanted, order, rate)
        exact.append(100 * (network.preactivations(test)[-1].argmax(axis=1) == label).mean())
    return found, np.array(exact)


@pytest.mark.parametrize(
    ("profile", "hidden", "output", "tolerance"),
    [
        (T16, "relu", "logsig", 0.25),
        (replace(T16, rate_multiplier=3, rate_shift=7), "softplus", "softmax", 0.25),
        (T8, "relu", "softmax", 0.5),
    ],
)
def test_iris_learns_as_well_as_in_floats(profile, hidden, output, tolerance):
    found, exact = iris_accuracies(profile, hidden, output, seeds=20)
    assert exact.mean() > 93
    assert abs((found - exact).mean()) <= tolerance


def test_nearest_rounding_of_8_bit_weights_stalls_where_the_residual_does_not():
    slow = replace(T8, rate_shift=7)
    kept, exact = iris_accuracies(slow, "relu", "softmax", seeds=20, epochs=15)
    lost, _ = iris_accuracies(replace(slow, scheme="nearest"), "relu", "softmax", seeds=20, epochs=15)
    assert (kept - exact).mean() > -2
    assert (lost - exact).mean() < -5


def line(profile, networks=20, slopes=(5.0, 7.0), epochs=10):
    """The weights (networks, 2) that learn y = 5 x1 + 7 x2 from 200 rows, starting at 0."""
    generator = np.random.default_rng(1)
    x = np.clip(generator.normal(0, 1, (200, 2, networks)), -3.9, 3.9)
    y = slopes[0] * x[:, :1] + slopes[1] * x[:, 1:]
    plan = learning_plan.make((2, 1), [activations.get("identity")], profile)
    learner = Learner(plan, [np.zeros((networks, 1, 2))], [np.zeros((networks, 1))])
    orders = np.stack(
        [np.stack([generator.permutation(200) for _ in range(networks)], axis=1) for _ in range(epochs)]
    )
    learner.train(input_codes(plan, x), target_codes(plan, y), orders)
    return learner.parameters()[0][0][:, 0]


@pytest.mark.parametrize("scheme", ["residual", "carry", "lcg"])
@pytest.mark.parametrize("shift", [4, 6])
def test_5_and_7_come_back_within_a_thousandth(scheme, shift):
    weights = line(replace(T16, input_frac=12, scheme=scheme, rate_shift=shift), epochs=10 if shift == 4 else 20)
    assert np.abs(weights - [5, 7]).max() <= 0.001


def test_multiplier_3_learns_the_line_too():
    weights = line(replace(T16, input_frac=12, rate_multiplier=3, rate_shift=6))
    assert np.abs(weights - [5, 7]).max() <= 0.001


# What a profile must not do: each of these once cost accuracy.


def one_layer(profile=T16, output="softmax", weights=((7.9,) * 4, (7.8,) * 4)):
    plan = learning_plan.make((4, 2), [activations.get(output)], profile)
    return Learner(plan, [np.array([weights])], [np.zeros((1, 2))])


def test_logits_beyond_8_are_not_saturated():
    learner = one_layer()
    x = np.full((1, 4), 3 << 10, dtype=np.int32)
    z = learner.outputs(x)[0, :, 0]
    assert z[0] > z[1] > 90 * ONE
    assert learner.decide(x)[0, 0] == 0


def test_hidden_deltas_reach_8():
    plan = learning_plan.make((1, 1, 1), [activations.get("identity")] * 2, T16)
    learner = Learner(plan, [np.array([[[1.0]]]), np.array([[[7.9]]])], [np.zeros((1, 1))] * 2)
    learner.step(np.array([[0]], dtype=np.int32), np.array([[ONE]], dtype=np.int32))
    assert learner._delta[0][0, 0] == pytest.approx(-7.9 * ONE, abs=1)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "softplus"])
def test_hidden_outputs_reach_32(name):
    activation = activations.get(name)
    table = codes_of(value_form(activation, 10, 10, 32767), 32767)
    z = np.arange(-32767, 32768)
    assert np.abs(table[z] - np.minimum(activation.value(z / 1024) * 1024, 32767)).max() <= 1


@pytest.mark.parametrize("multiplier", [5, 7])
def test_multipliers_that_clip_deltas_are_refused(multiplier):
    with pytest.raises(ValueError, match=f"rate_multiplier is {multiplier}; expected 1 or 3"):
        Profile(rate_multiplier=multiplier)


def test_a_rate_too_low_for_31_bits_is_refused_and_the_way_out_is_up():
    learning_plan.make((4, 3), [activations.SOFTMAX], replace(T8, rate_shift=16))
    with pytest.raises(ValueError, match=r"a rate of 1 \* 2\^-17 can overflow; use a higher one"):
        learning_plan.make((4, 3), [activations.SOFTMAX], replace(T8, rate_shift=17))


def test_gradients_reach_8():
    learner = one_layer(output="identity", weights=((0.0,) * 4, (0.0,) * 4))
    learner.step(np.full((4, 1), 1 << 10, dtype=np.int32), np.full((2, 1), 8 * ONE, dtype=np.int32))
    assert np.abs(learner.weights[0] - ONE * 8 / 2**5).max() <= 1


# Derivatives


@pytest.mark.parametrize("at_zero", [0, 0.5, 1])
@pytest.mark.parametrize("slope", [0.0, 0.125, 0.01, 1.0])
def test_slopes_of_straight_activations_are_exact(slope, at_zero):
    activation = activations.get("leaky_relu", float(activations.dyadic(slope)))
    expr, frac = slope_form(activation, 10, at_zero, 32767)
    z = np.array([-32767, -1, 0, 1, 32767])
    found = np.full(5, 1 << frac) if expr is None else codes_of(expr, 32767)[z]
    assert found == pytest.approx(np.floor(activation.derivative(z.astype(float), at_zero) * 2**frac))


MADE_UP = Activation(
    "made up",
    lambda z: np.maximum(z, 0.25 * z) + 2.0 * np.tanh(z),
    lambda z, at_zero: np.where(z >= 0, 1.0, 0.25) + 2.0 / np.cosh(np.clip(z, -300, 300)) ** 2,
    ramp=activations.get("leaky_relu", 0.25).ramp,
    curve=Curve(lambda u: 2.0 * np.tanh(u), "point"),
)


@pytest.mark.parametrize("activation", [*activations.RECORDS[3:], MADE_UP], ids=lambda a: a.name)
@pytest.mark.parametrize("z_frac", [3, 6, 10, 12])
def test_slopes_of_curves_are_within_a_five_hundredth(activation, z_frac):
    limit = 127 if z_frac == 3 else 32767
    expr, frac = slope_form(activation, z_frac, 1.0, limit)
    z = np.arange(-limit, limit + 1)
    exact = activation.derivative(z / 2.0**z_frac, 1.0)
    assert np.abs(codes_of(expr, limit)[z] / 2**frac - exact).max() <= 0.002
    assert codes_of(expr, limit).max() <= 32767


def test_a_made_up_activation_learns_like_in_floats():
    generator = np.random.default_rng(3)
    sizes = (3, 6, 1)
    layers = [
        Layer(generator.normal(0, 0.4, (b, a)), np.zeros(b), r)
        for (a, b), r in zip(pairwise(sizes), [MADE_UP, activations.get("identity")], strict=True)
    ]
    x = generator.normal(0, 1, (200, 3))
    y = np.sin(x[:, :1]) + 0.5 * np.tanh(2 * x[:, 1:2])
    order = np.stack([generator.permutation(200) for _ in range(20)])
    plan = learning_plan.make(sizes, [layer.activation for layer in layers], T16)
    learner = Learner(plan, [layer.weights[None] for layer in layers], [layer.bias[None] for layer in layers])
    learner.train(input_codes(plan, x), target_codes(plan, y), order[:, :, None])
    network = create([Input("x")] * 3, (6,), outputs=("y",))
    network.layers = layers
    float_sgd(network, x, y, order, 2.0**-5, "mse")
    found = np.mean((learner.outputs(input_codes(plan, x))[:, 0, 0] / ONE - y[:, 0]) ** 2)
    exact = np.mean((network.preactivations(x)[-1] - y) ** 2)
    assert exact < 0.1 * np.var(y)
    assert found < 1.1 * exact


# Plans


def test_guards_of_the_usual_shapes():
    relu = activations.get("relu")
    guards = [
        learning_plan.make((n, 4, 2), [relu, activations.SOFTMAX], T16).layers[0].guard
        for n in (4, 8, 13, 16, 30, 32, 64)
    ]
    assert guards == [3, 4, 4, 5, 5, 6, 7]
    back = [learning_plan.make((4, n), [activations.SOFTMAX], T16).layers[0].back_guard for n in (3, 8, 10, 16, 32)]
    assert back == [2, 3, 4, 4, 5]


def test_layers_too_wide_for_31_bits_are_refused():
    with pytest.raises(ValueError, match="layer 0, 3 units of 5000 inputs: the sums do not fit"):
        learning_plan.make((5000, 3), [activations.SOFTMAX], T16)


def test_the_widest_last_layer_is_the_one_whose_z_stays_below_29_bits():
    plan = learning_plan.make((511, 3), [activations.SOFTMAX], T16)
    assert (plan.layers[0].guard, plan.layers[0].z_shift) == (9, 1)
    with pytest.raises(ValueError, match="layer 0, 3 units of 512 inputs: the sums do not fit"):
        learning_plan.make((512, 3), [activations.SOFTMAX], T16)


def test_a_z_of_no_fewer_fraction_bits_than_its_sum_is_planned_and_one_of_more_refused():
    # Weights so large that they have 2 fraction bits, or 1.
    assert learning_plan.make((60, 3), [activations.SOFTMAX], T8, [2]).layers[0].z_shift == 0
    with pytest.raises(ValueError, match="the sums do not fit"):
        learning_plan.make((60, 3), [activations.SOFTMAX], T8, [1])


def test_guards_count_products_that_are_rounded_away_from_zero():
    # 1025 products of 2047 * 2047 >> 2 stay below 2^30 only when floored, and a negative one is floored away from 0.
    relu = activations.get("relu")
    assert learning_plan.make((1, 1025), [relu], replace(FX12, loss="mse")).layers[0].back_guard == 3


def test_cross_entropy_needs_probabilities():
    with pytest.raises(ValueError, match="cross_entropy needs softmax or logsig at the end, found 'tanh'"):
        learning_plan.make((4, 3), [activations.get("tanh")], replace(T16, loss="cross_entropy"))


@pytest.mark.parametrize("trained", ["first", "last"])
@pytest.mark.parametrize("profile", [T16, T8, FX12, FX8])
def test_only_the_trained_layer_changes(trained, profile):
    plan = learning_plan.make(
        (4, 8, 3), [activations.get("relu"), activations.SOFTMAX], replace(profile, trained=trained)
    )
    generator = np.random.default_rng(0)
    weights = [generator.normal(0, 1, (5, 8, 4)), generator.normal(0, 1, (5, 3, 8))]
    learner = Learner(plan, weights, [np.zeros((5, 8)), np.zeros((5, 3))])
    before, limit = [w.copy() for w in learner.weights], profile.activation_limit // 4
    for _ in range(20):
        learner.step(
            generator.integers(-limit, limit, (4, 5)).astype(np.int32),
            np.eye(3, dtype=np.int32)[:, [0, 1, 2, 0, 1]] << profile.delta_frac,
        )
    changed = [bool((a != b).any()) for a, b in zip(before, learner.weights, strict=True)]
    assert changed == [trained == "first", trained == "last"]


def test_networks_learn_independently_of_their_company():
    iris = datasets.load("iris")
    inputs = datasets.inputs_from(iris)
    networks = [create(inputs, (8,), classes=iris.classes, seed=seed) for seed in range(3)]
    generator = np.random.default_rng(0)
    orders = np.stack([generator.permutation(150)[:, None].repeat(3, 1) for _ in range(2)])
    together = stack(networks, T16)
    x = input_codes(together.plan, networks[0].standardize(iris.rows))
    targets = target_codes(together.plan, np.eye(3)[iris.targets])
    together.train(x, targets, orders)
    for number, network in enumerate(networks):
        alone = stack([network], T16)
        alone.train(x, targets, orders[:, :, :1])
        assert all((a[..., 0] == b[..., number]).all() for a, b in zip(alone.weights, together.weights, strict=True))
