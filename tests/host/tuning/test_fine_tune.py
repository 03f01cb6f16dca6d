"""Fine-tuning: the grid is the integers, its derivative is right, and the outcome is never worse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nnhw.data import datasets
from nnhw.training.train import Options, create, target_matrix, train
from nnhw.tuning.fine_tune import fine_tune
from nnhw.tuning.straight_through import Grid
from nnhw_codegen.integers import precision, proof, reference
from nnhw_codegen.network.network import Input, Network
from nnhw_codegen.quantization.quantize import QuantizeReport, quantize_report


def hard_case() -> tuple[Network, np.ndarray, np.ndarray]:
    """A network whose weights give up bits to acc16, rows to learn from and fresh rows."""
    generator = np.random.default_rng(5)
    inputs = [Input(f"x{i}", step=0.01, low=-3.0, high=3.0) for i in range(100)]
    network = create(inputs, (16,), hidden="softplus", classes=["a", "b", "c", "d"], seed=1)
    rows, fresh = (np.round(np.clip(generator.standard_normal((n, 100)), -3, 3), 2) for n in (400, 4000))
    last = network.layers[-1]
    last.bias -= network.logits(rows).mean(axis=0)
    last.weights, last.bias = 2 * last.weights, 2 * last.bias
    return replace(network, calibration=rows[:256]), rows, fresh


def unchanged(report: QuantizeReport) -> list[np.ndarray]:
    return [np.zeros_like(bits) for bits in report.bits_given_up]


def outputs(report: QuantizeReport, rows: np.ndarray) -> np.ndarray:
    model = report.model
    return reference.reals(model, reference.logits(model, reference.codes(model, reference.ticks(model, rows))))


@pytest.mark.parametrize("name", precision.names())
@pytest.mark.parametrize("hidden", ["leaky_relu", "softplus"])
def test_a_fresh_grid_gives_the_integers_of_the_model(name: str, hidden: str) -> None:
    network, rows, _ = hard_case()
    network.layers[0].activation = create(network.inputs, (1,), hidden=hidden, classes="ab").layers[0].activation
    report = quantize_report(network, precision.get(name), rows[:100])
    grid = Grid(network, report, unchanged(report))
    assert np.array_equal(grid.forward(grid.codes(rows)), outputs(report, rows))


def test_the_gradient_is_that_of_the_float_network_where_nothing_saturates() -> None:
    network, rows, _ = hard_case()
    report = quantize_report(network, precision.get("w16a16"), rows)
    grid = Grid(network, report, unchanged(report))
    wanted = np.random.default_rng(2).standard_normal((len(rows), 4))
    grid.forward(grid.codes(rows))
    grid.backward(wanted)
    gradient = grid.gradient.copy()
    move = np.random.default_rng(3).standard_normal(grid.values.size)
    totals = []
    for sign in (1, -1):  # steps of many codes: rounding averages out
        grid.values += sign * 40.0 * move
        totals.append(float((wanted * grid.forward(grid.codes(rows))).sum()))
        grid.values -= sign * 40.0 * move
    assert float(gradient @ move) == pytest.approx((totals[0] - totals[1]) / 80.0, rel=0.02)


def test_finer_weights_are_shrunk_until_the_proof_holds() -> None:
    network, rows, _ = hard_case()
    report = quantize_report(network, precision.get("acc16"), rows)
    assert sum(bits.sum() for bits in report.bits_given_up) > 0
    grid = Grid(network, report, [np.minimum(bits, 1) for bits in report.bits_given_up])
    again = quantize_report(grid.network(), precision.get("acc16"), rows)
    proof.check(again.model)
    fewer = [(a.sum(), b.sum()) for a, b in zip(again.bits_given_up, report.bits_given_up, strict=True)]
    assert sum(a for a, _ in fewer) < sum(b for _, b in fewer)


def test_fine_tuning_improves_agreement_on_fresh_rows_of_a_hard_case() -> None:
    network, rows, fresh = hard_case()
    tuned = fine_tune(network, precision.get("acc16"), rows)
    plain = quantize_report(network, precision.get("acc16"), network.calibration)
    assert tuned.loss < tuned.loss_before
    wanted = network.predict(fresh)
    before, after = (np.mean(reference.predict(r.model, fresh) == wanted) for r in (plain, tuned.report))
    assert after > before


@pytest.mark.parametrize("name", precision.names())
@pytest.mark.parametrize("output", ["softmax", "logsig"])
def test_fine_tuning_is_never_worse_and_quantizing_its_network_again_gives_its_model(name: str, output: str) -> None:
    iris = datasets.load("iris")
    two = replace(iris.take(np.flatnonzero(iris.targets > 0)), classes=iris.classes[1:])
    two = replace(two, targets=two.targets - 1)
    network, _ = train(two, (4,), output=output, options=Options(epochs=20))
    tuned = fine_tune(network, precision.get(name), two.rows, target_matrix(network, two), steps=20)
    assert tuned.loss <= tuned.loss_before
    assert tuned.agreement >= tuned.agreement_before
    again = quantize_report(tuned.network, precision.get(name), tuned.network.calibration)
    for one, other in zip(again.model.layers, tuned.report.model.layers, strict=True):
        assert np.array_equal(one.weights, other.weights)
        assert np.array_equal(one.bias, other.bias)


def test_values_are_fine_tuned_by_their_square_error() -> None:
    generator = np.random.default_rng(0)
    rows = np.round(generator.uniform(-3, 3, (300, 4)), 2)
    data = datasets.Dataset("sum", tuple("abcd"), rows, np.sin(rows @ [[1.0], [2.0], [-1.0], [0.5]]), outputs=("y",))
    network, _ = train(data, (16,), options=Options(epochs=200, decay=0.0))
    tuned = fine_tune(network, precision.get("acc16"), rows)
    assert tuned.loss < tuned.loss_before
