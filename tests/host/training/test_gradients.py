"""Every gradient against central differences, through the very pass that trains."""

import numpy as np
import pytest

from nnhw.training.backprop import Backprop, Parameters
from nnhw_codegen.network import activations
from nnhw_codegen.network.activations import Activation, get
from nnhw_codegen.network.network import Input, Layer, Network

ROWS, INPUTS, UNITS = 5, 3, 4


def layers_of(depth, hidden, last, units=3, seed=0):
    generator = np.random.default_rng(seed)
    sizes = [INPUTS] + [UNITS] * (depth - 1) + [units]
    kinds = [hidden] * (depth - 1) + [last]
    return [
        Layer(generator.normal(size=(size, before)), generator.normal(size=size), kind)
        for before, size, kind in zip(sizes[:-1], sizes[1:], kinds, strict=True)
    ]


def batch(units, one_hot, seed=1):
    generator = np.random.default_rng(seed)
    x = np.vstack([generator.normal(size=(INPUTS, ROWS)), np.ones((1, ROWS))])
    if one_hot:
        return x, np.eye(units)[generator.integers(units, size=ROWS)].T
    return x, generator.uniform(0.1, 0.9, size=(units, ROWS))


def numeric_gradient(parameters, passes, x, targets, step=1e-6):
    result = np.empty_like(parameters.values)
    for index in range(len(result)):
        kept = parameters.values[index]
        parameters.values[index] = kept + step
        above = passes.value(x, targets)
        parameters.values[index] = kept - step
        below = passes.value(x, targets)
        parameters.values[index] = kept
        result[index] = (above - below) / (2 * step)
    return result


def assert_gradient_matches(layers, loss, one_hot):
    parameters = Parameters(layers)
    passes = Backprop(layers, parameters, ROWS, loss)
    x, targets = batch(len(layers[-1].bias), one_hot)
    passes.run(x, targets)
    expected = numeric_gradient(parameters, passes, x, targets)
    assert np.abs(expected).max() > 1e-4
    np.testing.assert_allclose(parameters.gradient, expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
@pytest.mark.parametrize("hidden", activations.names())
class TestGradientMatchesCentralDifferences:
    def test_of_cross_entropy_after_softmax(self, hidden, depth):
        assert_gradient_matches(layers_of(depth, get(hidden), get("softmax")), "cross_entropy", one_hot=True)

    def test_of_cross_entropy_after_logsig(self, hidden, depth):
        assert_gradient_matches(layers_of(depth, get(hidden), get("logsig")), "cross_entropy", one_hot=True)

    def test_of_cross_entropy_after_one_logsig_unit(self, hidden, depth):
        assert_gradient_matches(layers_of(depth, get(hidden), get("logsig"), 1), "cross_entropy", one_hot=False)

    def test_of_mse_after_identity(self, hidden, depth):
        assert_gradient_matches(layers_of(depth, get(hidden), get("identity")), "mse", one_hot=False)

    def test_of_mse_after_the_same_activation(self, hidden, depth):
        assert_gradient_matches(layers_of(depth, get(hidden), get(hidden)), "mse", one_hot=False)

    def test_of_mse_after_softmax(self, hidden, depth):
        assert_gradient_matches(layers_of(depth, get(hidden), get("softmax")), "mse", one_hot=True)


def test_gradient_of_an_activation_made_up_from_one_record():
    sine = Activation("sine", lambda z: z + np.sin(z), lambda z, at_zero: 1 + np.cos(z))
    assert_gradient_matches(layers_of(3, sine, get("softmax")), "cross_entropy", one_hot=True)


@pytest.mark.parametrize("slope", [0.0, 0.25, 1.0])
def test_gradient_of_leaky_relu_with_any_slope(slope):
    assert_gradient_matches(layers_of(3, get("leaky_relu", slope), get("softmax")), "cross_entropy", one_hot=True)


@pytest.mark.parametrize("at_zero", [0, 0.5, 1])
@pytest.mark.parametrize(("hidden", "left"), [("relu", 0.0), ("leaky_relu", 0.125)])
def test_relu_at_zero_is_the_derivative_at_the_corner(hidden, left, at_zero):
    layers = [
        Layer(np.zeros((1, 1)), np.zeros(1), get(hidden)),
        Layer(np.ones((1, 1)), np.zeros(1), get("identity")),
    ]
    parameters = Parameters(layers)
    passes = Backprop(layers, parameters, 1, "mse", at_zero)
    passes.run(np.array([[3.0], [1.0]]), np.array([[-2.0]]))
    derivative = left + (1 - left) * at_zero
    assert parameters.gradients[0].tolist() == [[2.0 * derivative * 3.0, 2.0 * derivative]]


@pytest.mark.parametrize("output", ["softmax", "logsig"])
def test_cross_entropy_is_finite_for_enormous_z(output):
    last = get(output)
    layers = [Layer(np.eye(2), np.zeros(2), last)]
    parameters = Parameters(layers)
    passes = Backprop(layers, parameters, 1, "cross_entropy")
    x, targets = np.array([[1e6], [-1e6], [1.0]]), np.array([[0.0], [1.0]])
    passes.run(x, targets)
    assert np.isfinite(parameters.gradient).all()
    assert passes.value(x, targets) == 2e6


def test_cross_entropy_after_tanh_is_refused_with_a_way_out():
    layers = layers_of(1, get("relu"), get("tanh"))
    with pytest.raises(ValueError, match="'tanh'; make it softmax or logsig, or use the loss 'mse'"):
        Backprop(layers, Parameters(layers), ROWS, "cross_entropy")


def test_softmax_on_a_hidden_layer_is_refused():
    layers = layers_of(2, get("softmax"), get("identity"))
    with pytest.raises(ValueError, match="layer 0 is softmax"):
        Backprop(layers, Parameters(layers), ROWS, "mse")


@pytest.mark.parametrize("hidden", activations.names())
def test_the_forward_pass_of_training_is_that_of_the_network(hidden):
    layers = layers_of(4, get(hidden), get("softmax"))
    x, _ = batch(3, one_hot=True)
    passes = Backprop(layers, Parameters(layers), ROWS, "cross_entropy")
    passes.forward(x)
    network = Network(layers, tuple(Input(f"x{n}") for n in range(INPUTS)))
    np.testing.assert_allclose(passes.z.T, network.preactivations(x[:-1].T)[-1], rtol=1e-12)


def test_stored_layers_are_apart_from_the_parameters_that_go_on_learning():
    layers = layers_of(2, get("relu"), get("softmax"))
    parameters = Parameters(layers)
    parameters.store(layers)
    before = [(layer.weights.copy(), layer.bias.copy()) for layer in layers]
    parameters.values += 1.0
    for layer, (weights, bias) in zip(layers, before, strict=True):
        assert (layer.weights == weights).all()
        assert (layer.bias == bias).all()
