"""The optimizers against their published formulas, written out."""

import numpy as np
import pytest

from nnhw.training import optimizers


@pytest.mark.parametrize("size", [1.0, 1e-7, 1e-9])
def test_adam_is_the_algorithm_of_kingma_and_ba(size):
    """Also where gradients are no larger than its epsilon."""
    generator = np.random.default_rng(0)
    values, gradient = np.zeros(6), np.empty(6)
    adam = optimizers.make("adam", values, gradient, 0.01, 0.0)
    wanted, mean, square = np.zeros(6), np.zeros(6), np.zeros(6)
    for step in range(1, 30):
        g = generator.normal(0, size, 6)
        gradient[:] = g
        adam.step()
        mean = 0.9 * mean + 0.1 * g
        square = 0.999 * square + 0.001 * g**2
        wanted -= 0.01 * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        np.testing.assert_allclose(values, wanted, rtol=1e-9, atol=1e-13)


def test_adam_stays_where_the_gradient_is_zero():
    values, gradient = np.ones(2), np.zeros(2)
    optimizers.make("adam", values, gradient, 0.01, 0.0).step()
    assert values.tolist() == [1.0, 1.0]


def test_sgd_is_gradient_descent_with_momentum():
    values, gradient = np.zeros(2), np.empty(2)
    sgd = optimizers.make("sgd", values, gradient, 0.5, 0.75)
    for wanted in ([-0.5, 1.0], [-1.375, 2.75]):
        gradient[:] = 1.0, -2.0
        sgd.step()
        assert values.tolist() == wanted


def test_an_unknown_optimizer_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match="unknown optimizer 'rprop'; known: adam, sgd"):
        optimizers.make("rprop", np.zeros(1), np.zeros(1), 0.1, 0.0)
