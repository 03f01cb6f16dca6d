"""The cheapest precision that agrees, and warnings about saturation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nnhw.cli import build_text
from nnhw.data.datasets import Dataset
from nnhw.measuring import accuracy
from nnhw.training.train import create
from nnhw.tuning import choose_precision
from nnhw_codegen.integers import precision, reference
from nnhw_codegen.network import activations
from nnhw_codegen.network.network import Input, Layer, Network
from nnhw_codegen.quantization.quantize import quantize, quantize_report


@pytest.fixture(name="network")
def random_network() -> Network:
    inputs = [Input(f"x{i}", step=0.01, low=-3.0, high=3.0) for i in range(60)]
    network = create(inputs, (16,), hidden="relu", classes=["a", "b", "c"], seed=1)
    rows = np.round(np.clip(np.random.default_rng(2).standard_normal((256, 60)), -3, 3), 2)
    network.layers[-1].bias -= network.logits(rows).mean(axis=0)
    return replace(network, calibration=rows)


def test_the_cheapest_precision_that_reaches_the_floor_is_chosen(network: Network) -> None:
    every = choose_precision.choose(network, least_agreement=1.1).candidates
    assert [c.precision.name for c in every] == ["acc16", "w8a8", "w8a16", "w16a16"]
    assert every[0].agreement < every[-1].agreement
    for floor in sorted({c.agreement for c in every}):
        first = next(c for c in every if c.agreement >= floor)
        found = choose_precision.choose(network, least_agreement=floor)
        assert found.met
        assert found.chosen.precision == first.precision == found.candidates[-1].precision


def test_the_nearest_is_taken_and_named_where_none_reaches_the_floor(network: Network) -> None:
    found = choose_precision.choose(network, least_agreement=1.1)
    assert not found.met
    assert found.chosen.agreement == max(c.agreement for c in found.candidates)
    assert "none reaches 110 %" in build_text.tried_lines(network, found, True)[-1]


def test_the_table_tells_accuracy_bytes_bound_and_bits(network: Network) -> None:
    assert network.calibration is not None
    found = choose_precision.choose(network, network.calibration, network.predict(network.calibration), 0.5)
    only = found.chosen
    assert only.accuracy == only.agreement
    assert only.size == 60 * 16 + 16 * 3
    assert -1 <= only.bound < 0
    table = build_text.tried_table(network, found)
    row = dict(zip(table.heads, table.rows[0], strict=True))
    assert row["accuracy"] == f"{100 * only.accuracy:.1f} %"
    assert row["bound / limit"] == f"2^{only.bound:.1f}"
    assert table.rows[0][-1] == ", ".join(f"{bits:.1f}" for bits in only.bits_given_up)


def test_given_up_bits_are_those_between_the_widest_weight_and_the_limit(network: Network) -> None:
    report = quantize_report(network, precision.get("acc16"), network.calibration)
    free = quantize_report(network, replace(precision.get("acc16"), accumulator_limit=1 << 30), network.calibration)
    assert all(not bits.any() for bits in free.bits_given_up)
    assert all(bits.any() for bits in report.bits_given_up)
    for layer, bits in zip(report.model.layers, report.bits_given_up, strict=True):
        largest = np.abs(layer.weights).max(axis=1)
        assert np.all(largest <= 2.0 ** (7 - bits) + 8)


def test_values_agree_by_their_variance() -> None:
    layer = Layer(np.array([[2.0]]), np.array([0.5]), activations.get("identity"))
    network = Network([layer], (Input("x"),), outputs=("y",))
    assert choose_precision.agreements(network, np.array([[0.0], [2.0]]), np.array([[0.0], [2.0]])) == [1.0]
    assert choose_precision.agreements(network, np.array([[0.0], [2.0]]), np.array([[1.0], [1.0]])) == [0.0]


def test_a_layer_that_saturates_on_more_than_one_percent_is_warned_of(network: Network) -> None:
    assert network.calibration is not None
    small = replace(network, calibration=network.calibration / 4)
    rows = network.calibration
    data = Dataset("rows", tuple(i.name for i in network.inputs), rows, network.predict(rows), network.classes)
    scores = {score.precision: score for score in accuracy.scores(small, data)}
    assert accuracy.warnings(scores["float"]) == []
    for name in precision.names():
        shares = scores[name].saturating
        assert shares is not None
        assert shares[0] > 0.01
        assert shares[1] == 0.0  # logits do not saturate
        (line,) = accuracy.warnings(scores[name])
        assert line.startswith(f"{name}, layer 0: {100 * shares[0]:.1f} %")
    fitting = {score.precision: score for score in accuracy.scores(network, data)}
    assert all(accuracy.warnings(score) == [] for score in fitting.values())


def test_saturation_left_of_zero_does_no_harm_to_relu() -> None:
    relu = activations.get("relu")
    network = Network(
        [
            Layer(np.array([[1.0]]), np.zeros(1), relu),
            Layer(np.array([[1.0], [-1.0]]), np.zeros(2), activations.SOFTMAX),
        ],
        (Input("x", step=0.01, low=-100.0, high=100.0),),
        ("a", "b"),
    )
    model = quantize(network, precision.get("w16a16"), np.linspace(-100, 1, 200)[:, None])
    assert accuracy.saturating(network, model, np.array([model.code_range[0]])) == (0.0, 0.0)
    assert accuracy.saturating(network, model, np.array([model.code_range[1]])) == (1.0, 0.0)


def test_values_ask_for_more_so_that_a_line_is_told_exactly() -> None:
    inputs = tuple(Input(f"x{i}") for i in range(2))
    line = Network([Layer(np.array([[5.0, 7.0]]), np.zeros(1), activations.get("identity"))], inputs, (), ("y",))
    chosen = choose_precision.choose(line).chosen
    assert chosen.precision.name == "w8a16"
    assert reference.predict(chosen.report.model, np.array([[1.0, 2.0]])).tolist() == [[19.0]]
