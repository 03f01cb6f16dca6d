"""Stacked training against training one network at a time, and against itself in other company."""

from itertools import pairwise

import numpy as np
import pytest

from nnhw.data.datasets import Dataset
from nnhw.training.backprop import Backprop, Parameters
from nnhw.training.population import Arm, Population
from nnhw.training.train import Options, fit
from nnhw_codegen.network import activations
from nnhw_codegen.network.network import Input, Layer, Network

ROWS, SIZES = 12, (3, 5, 4, 3)
ARMS = (
    Arm("relu 0", activations.get("relu"), 0.0, 2.0**-3),
    Arm("relu 1/2", activations.get("relu"), 0.5, 2.0**-3),
    Arm("softplus", activations.get("softplus"), 0.0, 2.0**-4),
    Arm("leaky", activations.get("leaky_relu"), 1.0, 2.0**-3),
    Arm("logsig", activations.get("logsig"), 0.0, 2.0**-2),
    Arm("relu 1", activations.get("relu"), 1.0, 2.0**-3),
)


def material(seeds, units=SIZES[-1]):
    """weights, rows (seeds, n, 3) and class targets (seeds, n, units); some rows are zero, so that z is too."""
    generator = np.random.default_rng(5)
    sizes = (*SIZES[:-1], units)
    weights = [
        np.concatenate([generator.normal(size=(seeds, u, i)), np.zeros((seeds, u, 1))], axis=2)
        for i, u in pairwise(sizes)
    ]
    rows = generator.normal(size=(seeds, ROWS, SIZES[0]))
    rows[:, ::4] = 0.0
    classes = generator.integers(max(units, 2), size=(seeds, ROWS))
    targets = np.eye(units)[classes] if units > 1 else classes[:, :, None].astype(float)
    return weights, rows, targets


def layers_of(weights, arm, output):
    last = activations.get(output)
    kinds = [arm.activation] * (len(weights) - 1) + [last]
    return [Layer(w[:, :-1].copy(), w[:, -1].copy(), kind) for w, kind in zip(weights, kinds, strict=True)]


@pytest.mark.parametrize("output", ["logsig", "softmax"])
@pytest.mark.parametrize("batch", [1, 4])
def test_one_step_is_the_gradient_of_backprop(output, batch):
    weights, rows, targets = material(2)
    population = Population(ARMS, weights, output=output)
    population.step(rows[:, :batch].transpose(1, 2, 0), targets[:, :batch].transpose(1, 2, 0))
    assert population.zeros.min() > 0
    for number, arm in enumerate(ARMS):
        for seed in range(2):
            layers = layers_of([layer[seed] for layer in weights], arm, output)
            parameters = Parameters(layers)
            passes = Backprop(layers, parameters, batch, "cross_entropy", arm.at_zero)
            x = np.vstack([rows[seed, :batch].T, np.ones((1, batch))])
            passes.run(x, targets[seed, :batch].T)
            after = population.network_weights(number, seed)
            for before, now, gradient in zip(weights, after, parameters.gradients, strict=True):
                np.testing.assert_allclose(before[seed] - now, arm.rate * gradient, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("batch", [1, 5])
def test_training_follows_nnhw_train(batch):
    weights, rows, targets = material(1)
    population = Population(ARMS, weights)
    population.fit(rows, targets, [np.random.default_rng([7, 1])], epochs=3, batch=batch)
    dataset = Dataset("rows", ("a", "b", "c"), rows[0], targets[0].argmax(axis=1), ("x", "y", "z"))
    for number, arm in enumerate(ARMS):
        inputs = tuple(Input(name) for name in dataset.features)
        network = Network(layers_of([layer[0] for layer in weights], arm, "logsig"), inputs, dataset.classes)
        options = Options(
            epochs=3, batch=batch, optimizer="sgd", momentum=0.0, rate=arm.rate, schedule="constant", seed=7,
            relu_at_zero=arm.at_zero,
        )  # fmt: skip
        fit(network, dataset, options)
        for layer, found in zip(network.layers, population.network_weights(number, 0), strict=True):
            np.testing.assert_allclose(found[:, :-1], layer.weights, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(found[:, -1], layer.bias, rtol=1e-9, atol=1e-12)
        answers, _ = population.test(rows)
        assert (answers[:, number, 0] == network.predict(rows[0])).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_a_network_gets_the_same_bits_in_any_company(dtype):
    weights, rows, targets = material(9)

    def trained(seeds, arms):
        chosen = [layer[seeds] for layer in weights]
        population = Population(arms, chosen, dtype)
        population.fit(rows[seeds], targets[seeds], [np.random.default_rng([s, 1]) for s in seeds], epochs=2)
        return population

    together = trained(list(range(9)), ARMS)
    assert all((layer == layer.astype(dtype)).all() for layer in together.weights)
    for number, arm in enumerate(ARMS):
        pair = trained([4, 7], [arm])
        assert pair.zeros[0, 0] == together.zeros[number, 4]
        for one, other in zip(pair.network_weights(0, 0), together.network_weights(number, 4), strict=True):
            assert (one == other).all()


def test_the_arms_differ_only_in_what_they_do_at_zero():
    weights, rows, targets = material(1)
    rows[rows == 0] = 0.3
    arms = [ARMS[0], ARMS[1], ARMS[5]]
    population = Population(arms, weights)
    population.fit(rows, targets, [np.random.default_rng(0)], epochs=1)
    assert (population.zeros == 0).all()
    for layer in population.weights:
        assert (layer == layer[:, :, :1]).all()


def test_a_single_unit_tells_two_classes_and_dead_units_are_counted():
    weights, rows, _ = material(2, units=1)
    weights[0][0, :2, :] = 0.0
    weights[0][0, :2, -1] = -1.0  # two units that no row can wake
    population = Population(ARMS[:1], weights)
    answers, dead = population.test(rows)
    layers = layers_of([layer[0] for layer in weights], ARMS[0], "logsig")
    network = Network(layers, tuple(Input(n) for n in "abc"), ("no", "yes"))
    z = network.preactivations(rows[0])
    assert (answers[:, 0, 0] == network.predict(rows[0])).all()
    assert dead[0, 0] == sum((layer.max(axis=0) <= 0).sum() for layer in z[:-1]) >= 2
    assert population.finite().all()
    population.weights[1][0, 0, 1] = np.inf
    assert population.finite().tolist() == [[True, False]]


def test_softmax_over_one_unit_is_refused():
    weights, _, _ = material(1, units=1)
    with pytest.raises(ValueError, match="softmax over a single unit"):
        Population(ARMS, weights, output="softmax")
