import pickle
from math import sqrt

import numpy as np
import pytest

from nnhw.data import datasets
from nnhw.data.datasets import Dataset
from nnhw.training import losses
from nnhw.training.train import Options, TrainingError, create, fit, target_matrix, train
from nnhw_codegen.network.network import Input

IRIS = datasets.load("iris")


def linear_data(rows=200, seed=0):
    x = np.random.default_rng(seed).uniform(-10, 10, (rows, 2))
    return Dataset("linear", ("x1", "x2"), x, (5 * x[:, 0] + 7 * x[:, 1])[:, None], outputs=("y",))


def raw_weights(network):
    """Weights and bias of a single layer in raw units."""
    weights = network.layers[0].weights[0] / [item.scale for item in network.inputs]
    return weights, network.layers[0].bias[0] - weights @ [item.mean for item in network.inputs]


def weights_of(network):
    return np.concatenate([np.r_[layer.weights.ravel(), layer.bias] for layer in network.layers])


@pytest.mark.parametrize("rows", [20, 200, 1000])
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_five_x1_plus_seven_x2_is_learned_back(rows, optimizer):
    network, _ = train(linear_data(rows), (), options=Options(optimizer=optimizer))
    weights, bias = raw_weights(network)
    assert weights == pytest.approx([5, 7], abs=1e-6)
    assert bias == pytest.approx(0, abs=1e-5)


def test_targets_far_from_zero_are_learned_in_raw_units():
    data = linear_data()
    far = Dataset("far", data.features, data.rows, data.targets * 1000 + 1e6, outputs=("y",))
    network, _ = train(far, ())
    np.testing.assert_allclose(network.predict(far.rows), far.targets, rtol=1e-9)


def test_xor_is_learned_by_one_logsig_unit():
    rows = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    xor = Dataset("xor", ("a", "b"), rows, np.array([0, 1, 1, 0]), ("same", "different"))
    network, _ = train(xor, (8,), hidden="tanh", output="logsig", options=Options(epochs=400, decay=0.0))
    assert network.layers[-1].weights.shape == (1, 8)
    assert network.predict(rows).tolist() == [0, 1, 1, 0]
    assert network.probabilities(rows)[:, 1] == pytest.approx([0, 1, 1, 0], abs=0.1)


@pytest.mark.parametrize("hidden", ["relu", "leaky_relu", "logsig", "softplus", "tanh", "identity"])
def test_iris_is_learned_with_every_hidden_activation(hidden):
    network, _ = train(IRIS, (8,), hidden=hidden, options=Options(epochs=60))
    assert np.mean(network.predict(IRIS.rows) == IRIS.targets) >= 0.95


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_seed_reproduces_every_weight(optimizer):
    options = Options(epochs=5, optimizer=optimizer, validation=0.2, seed=7)
    first, history = train(IRIS, options=options)
    second, again = train(IRIS, options=options)
    other, _ = train(IRIS, options=Options(epochs=5, optimizer=optimizer, validation=0.2, seed=8))
    assert np.array_equal(weights_of(first), weights_of(second))
    assert history == again
    assert not np.array_equal(weights_of(first), weights_of(other))


def test_the_data_set_is_left_as_it_was():
    rows, targets = IRIS.rows.copy(), IRIS.targets.copy()
    train(IRIS, options=Options(epochs=2))
    assert np.array_equal(rows, IRIS.rows)
    assert np.array_equal(targets, IRIS.targets)


@pytest.mark.parametrize("batch", [1, 7, 150, 1000])
def test_any_batch_size_trains(batch):
    _, history = train(IRIS, options=Options(epochs=20, batch=batch))
    assert history.epochs[-1].loss < history.epochs[0].loss


def test_one_plain_step_is_the_gradient_times_the_rate():
    network = create([Input("x")], (), outputs=("y",))
    network.layers[0].weights[:] = 2.0
    data = Dataset("two", ("x",), np.array([[1.0], [-1.0]]), np.array([[1.0], [-1.0]]), outputs=("y",))
    fit(
        network,
        data,
        Options(epochs=1, batch=2, optimizer="sgd", rate=0.25, momentum=0.0, schedule="constant"),
    )
    assert network.layers[0].weights.tolist() == [[2.0 - 0.25 * 1.0]]
    assert network.layers[0].bias.tolist() == [0.0]


def test_early_stopping_restores_the_best_epoch():
    options = Options(epochs=300, validation=0.3, patience=10, rate=0.1, schedule="constant")
    network, history = train(IRIS, (16,), options=options)
    found = [epoch.validation_loss for epoch in history.epochs]
    assert history.best == 1 + int(np.argmin(found))
    assert len(found) == history.best + 10 < 300
    _, held = datasets.split(IRIS, 0.3, options.seed)
    z = network.logits(held.rows).T
    loss = losses.make("cross_entropy", network.layers[-1].activation, z.shape[1], 3)
    assert loss.value(z, target_matrix(network, held).T) == pytest.approx(min(found), rel=1e-12)
    assert network.training["best_epoch"] == history.best


def test_progress_sees_every_epoch():
    seen = []
    _, history = train(IRIS, options=Options(epochs=3), progress=seen.append)
    assert tuple(seen) == history.epochs
    assert [epoch.number for epoch in seen] == [1, 2, 3]


def test_fit_continues_where_it_stopped():
    network, first = train(IRIS, options=Options(epochs=30))
    second = fit(network, IRIS, Options(epochs=30, rate=0.001, decay=0.0))
    assert second.epochs[-1].loss < first.epochs[-1].loss


@pytest.mark.parametrize(
    ("hidden", "deviation", "bias"),
    [
        ("relu", sqrt(2 / 400), 0.1),
        ("leaky_relu", sqrt(2 / 400), 0.0),
        ("softplus", sqrt(2 / 400), 0.0),
        ("tanh", sqrt(2 / 700), 0.0),
        ("logsig", sqrt(2 / 700), 0.0),
    ],
)
def test_fresh_weights_follow_he_or_glorot(hidden, deviation, bias):
    network = create([Input(f"x{n}") for n in range(400)], (300,), hidden=hidden, classes=("a", "b"))
    assert network.layers[0].weights.std() == pytest.approx(deviation, rel=0.02)
    assert set(network.layers[0].bias) == {bias}
    assert set(network.layers[1].bias) == {0.0}
    assert network.layers[1].activation.name == "softmax"


def test_a_diverging_training_says_so_and_leaves_no_warning(recwarn):
    with pytest.raises(TrainingError, match=r"diverged in epoch \d+; use a learning rate below 1e\+06"):
        train(linear_data(), (8,), options=Options(optimizer="sgd", rate=1e6))
    assert not recwarn.list


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epochs": 0}, "epochs is 0; expected an integer of at least 1"),
        ({"batch": 1.5}, "batch is 1.5; expected an integer"),
        ({"batch": True}, "batch is True; expected an integer"),
        ({"rate": 0}, "rate is 0; expected a number above 0"),
        ({"rate": float("nan")}, "rate is nan; expected a finite number"),
        ({"rate": "fast"}, "rate is 'fast'; expected a finite number"),
        ({"momentum": 1}, "momentum is 1; expected a number from 0 to below 1"),
        ({"validation": -0.1}, "validation is -0.1; expected a share"),
        ({"relu_at_zero": 0.3}, "relu_at_zero is 0.3; expected 0, 0.5 or 1"),
        ({"optimizer": "lion"}, "optimizer is 'lion'; expected one of adam, sgd"),
        ({"schedule": "step"}, "schedule is 'step'; expected one of cosine, constant"),
        ({"loss": "hinge"}, "loss is 'hinge'; expected one of auto, cross_entropy, mse"),
        ({"seed": -1}, "seed is -1; expected an integer of at least 0"),
    ],
)
def test_options_outside_their_range_are_refused(wrong, message):
    with pytest.raises(TrainingError, match=message):
        Options(**wrong)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either classes or outputs"),
        ({"classes": ("a", "b"), "outputs": ("y",)}, "either classes or outputs"),
        ({"outputs": ("y",), "output": "softmax"}, "use identity for values"),
        ({"classes": ("a", "b"), "layers": (0,)}, "at least one unit"),
        ({"classes": ("a", "b"), "hidden": "relo"}, "there is no activation 'relo'"),
        ({"classes": ("a", "b"), "hidden": "leaky_relu", "slope": 2}, "slope 2 is outside 0 to 1"),
    ],
)
def test_networks_that_cannot_be_are_refused(arguments, message):
    layers = arguments.pop("layers", (4,))
    with pytest.raises(ValueError, match=message):
        create([Input("x")], layers, **arguments)


def test_a_slope_reaches_every_leaky_layer():
    network = create([Input("x")], (4, 4), hidden="leaky_relu", slope=0.25, outputs=("y",))
    assert [float(layer.activation.ramp) for layer in network.layers] == [0.25, 0.25, 1.0]


def test_fitting_a_network_to_other_data_is_refused():
    network = create([Input("x")], (4,), classes=IRIS.classes)
    with pytest.raises(TrainingError, match="the network has 1 inputs, but the data set has 4 features"):
        fit(network, IRIS)


def test_cross_entropy_behind_identity_is_refused():
    with pytest.raises(TrainingError, match="cross_entropy needs probabilities"):
        train(linear_data(), (), options=Options(loss="cross_entropy"))


def test_validation_that_takes_no_row_is_refused():
    with pytest.raises(TrainingError, match=r"validation 0.001 of 150 rows leaves 150 to train and 0"):
        train(IRIS, options=Options(validation=0.001))


def test_probabilities_sum_to_one_and_follow_predict():
    for output in ("softmax", "logsig"):
        network, _ = train(IRIS, output=output, options=Options(epochs=5))
        y = network.probabilities(IRIS.rows)
        assert y.sum(axis=1) == pytest.approx(np.ones(150))
        assert np.array_equal(y.argmax(axis=1), network.predict(IRIS.rows))


def test_values_have_no_probabilities():
    network, _ = train(linear_data(), (), options=Options(epochs=1))
    with pytest.raises(ValueError, match="ends in identity gives no class probabilities"):
        network.probabilities(np.zeros((1, 2)))


def test_a_trained_network_can_be_pickled():
    network, _ = train(IRIS, hidden="leaky_relu", options=Options(epochs=1))
    copy = pickle.loads(pickle.dumps(network))
    assert np.array_equal(copy.logits(IRIS.rows), network.logits(IRIS.rows))


def test_a_single_step_too_far_is_refused():
    with pytest.raises(TrainingError, match="diverged in epoch 1"):
        train(IRIS, (8, 8), options=Options(epochs=1, batch=50, optimizer="sgd", rate=1e200))


def test_a_network_trains_with_the_slope_that_the_integers_take():
    network = create([Input("x")], (4,), hidden="leaky_relu", slope=0.1, outputs=("y",))
    assert float(network.layers[0].activation.ramp) == 13 / 128


def rare_class(rows=400, rare=20):
    """Two overlapping clouds, the second of them rare."""
    generator = np.random.default_rng(3)
    targets = (np.arange(rows) < rare).astype(np.int64)
    return Dataset(
        "rare", ("a", "b"), generator.normal(targets[:, None] * 1.2, 1.0, (rows, 2)), targets, ("no", "yes")
    )


def test_balance_tells_more_of_a_rare_class():
    data = rare_class()
    told = [
        train(data, options=Options(epochs=30, balance=balance))[0].predict(data.rows)[data.targets == 1].sum()
        for balance in (False, True)
    ]
    assert told[1] > told[0]


def test_balance_weighs_a_class_by_the_root_of_its_rarity():
    data = rare_class()
    weights = np.where(data.targets == 1, np.sqrt(380.0), np.sqrt(20.0))
    balanced, _ = train(data, options=Options(epochs=3, balance=True))
    weighted, _ = train(data, options=Options(epochs=3), weights=7.0 * weights)
    for one, other in zip(balanced.layers, weighted.layers, strict=True):
        np.testing.assert_allclose(one.weights, other.weights, rtol=1e-9)


def test_a_row_of_weight_two_counts_as_two_rows():
    twice, weights = IRIS.take(np.r_[0, np.arange(150)]), np.r_[2.0, np.ones(149)]
    found = []
    for data, given in ((twice, None), (IRIS, weights)):
        network = create(datasets.inputs_from(IRIS), (5,), classes=IRIS.classes)
        fit(network, data, Options(epochs=4, batch=1000, optimizer="sgd"), weights=given)
        found.append(weights_of(network))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-9)


@pytest.mark.parametrize("weights", [[1.0], [-1.0] * 150, [0.0] * 150, [float("nan")] * 150])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(TrainingError, match="weights: "):
        train(IRIS, options=Options(epochs=1), weights=np.array(weights))


def test_balance_needs_classes():
    with pytest.raises(TrainingError, match="balance weighs classes"):
        train(linear_data(), options=Options(epochs=1, balance=True))


def test_a_network_that_died_is_trained_anew():
    """Of 30 networks of one unit each many die at so high a rate; hardly any dies three times."""
    rows = np.linspace(-1, 1, 40)[:, None]
    data = Dataset("slope", ("a",), rows, (rows[:, 0] > 0).astype(np.int64), ("low", "high"))
    options = [Options(epochs=5, rate=0.5, seed=seed) for seed in range(30)]

    def dead(network):
        return not np.ptp(network.logits(rows), axis=0).any()

    alone = 0
    for chosen in options:
        network = create(datasets.inputs_from(data), (1,), classes=data.classes, seed=chosen.seed)
        fit(network, data, chosen)
        alone += dead(network)
    assert alone > 0
    assert sum(dead(train(data, (1,), options=chosen)[0]) for chosen in options) < alone
