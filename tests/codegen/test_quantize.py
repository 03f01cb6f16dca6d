"""Formats, doorway and precision of quantized models."""

import numpy as np
import pytest
from helpers import ACTIVATIONS, network, tick_rows

from nnhw import activations
from nnhw.network import Input, Layer, Network
from nnhw_codegen import precision, reference
from nnhw_codegen.expr import evaluate
from nnhw_codegen.quantize import answer_loss, quantize, quantize_report, spread_rows

W16 = precision.get("w16a16")


def line(low=-100.0, high=100.0):
    layer = Layer(np.array([[5.0, 7.0]]), np.array([0.0]), activations.get("identity"))
    return Network([layer], (Input("x1", low=low, high=high), Input("x2", low=low, high=high)), (), ("y",))


def test_five_and_seven_survive():
    model = quantize(line(), W16)
    rows = spread_rows(line(), 200)
    assert (
        np.abs(reference.predict(model, rows)[:, 0] - rows @ [5, 7]).max() == 0
    )  # ticks of 2^-8 and small integers lose nothing


@pytest.mark.parametrize(("low", "high", "step"), [(0, 65535, 1), (-3, 2, 0.001), (0, 16, 1), (100000, 100010, 0.5)])
def test_the_middle_of_the_range_is_code_0_and_the_ends_are_near_the_limits(low, high, step):
    net = line()
    scale = (high - low) / 8
    net.inputs = (Input("a", low, scale, step, low, high), Input("b", low, scale, step, low, high))
    model = quantize(net, precision.get("w8a8"))
    codes = reference.codes(model, reference.ticks(model, np.array([[low, high], [(low + high) / 2, low]])))
    assert -127 <= codes[0, 0] <= -63
    assert 63 <= codes[0, 1] <= 127
    assert abs(codes[1, 0]) <= 1
    outside = reference.codes(model, reference.ticks(model, np.array([[low - 1e6, high + 1e6]])))
    assert (outside == codes[:1]).all()


@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_more_bits_are_closer_to_the_float_network(hidden):
    net = network((13, 16, 3), hidden)
    rows = spread_rows(net, 300)
    loss = {name: answer_loss(net, quantize(net, precision.get(name), rows), rows) for name in precision.names()}
    assert loss["w16a16"] < loss["w8a16"] < loss["acc16"]
    assert loss["w16a16"] < 0.01


def test_logits_are_not_saturated_and_share_one_format():
    model = quantize(network((4, 8, 3)), precision.get("w8a16"))
    last = model.layers[-1]
    assert last.limit == 0
    assert len({int(s) - int(f) for s, f in zip(last.shift, last.shift + last.z_frac, strict=True)}) == 1


def test_a_bounded_output_of_a_regression_is_activated():
    net = line()
    net.layers[0].activation = activations.get("tanh")
    net.layers[0].weights /= 100
    model = quantize(net, W16)
    assert model.layers[0].limit == 32767
    rows = spread_rows(net, 100)
    assert np.abs(reference.predict(model, rows) - net.predict(rows)).max() < 0.001


@pytest.mark.parametrize("name", precision.names())
@pytest.mark.parametrize("factor", [1e-12, 1e-3, 1e3, 1e12])
def test_weights_of_any_size_are_quantized(name, factor):
    net = network((4, 8, 3))
    for layer in net.layers:
        layer.weights *= factor
    model = quantize(net, precision.get(name))
    rows = spread_rows(net, 50)
    assert np.isfinite(reference.predict(model, rows)).all()
    assert answer_loss(net, model, rows) < 0.5


@pytest.mark.parametrize("name", precision.names())
def test_zero_rows_and_zero_layers_are_quantized(name):
    net = network((4, 8, 3))
    net.layers[0].weights[2:5] = 0
    net.layers[0].bias[3] = 0
    model = quantize(net, precision.get(name))
    assert (model.layers[0].weights[3] == 0).all()
    net.layers[0].weights[:] = 0
    net.layers[0].bias[:] = 0
    logits = reference.logits(quantize(net, precision.get(name)), np.zeros((1, 4), dtype=np.int64))
    assert logits.shape == (1, 3)


def test_the_same_input_gives_the_same_model():
    net = network((4, 8, 3), "softplus")
    models = [quantize(net, precision.get("acc16")) for _ in range(2)]
    rows = tick_rows(models[0], 20)
    first, second = (reference.logits(m, reference.codes(m, rows)) for m in models)
    assert (first == second).all()


def test_a_range_without_ticks_is_refused():
    net = line(low=0.0, high=0.001)
    with pytest.raises(ValueError, match=r"input 'x1': range 0 to 0\.001 in steps of 0\.00390625"):
        quantize(net, W16)


@pytest.mark.parametrize(("slope", "taken"), [(0.1, "13/128"), (0.3, "19/64"), (0.01, "41/4096")])
def test_a_left_slope_is_exact_in_floats_and_rounded_in_integers_which_the_report_tells(slope, taken):
    layers = [
        Layer(np.eye(2), np.zeros(2), activations.get("leaky_relu", slope)),
        Layer(np.eye(2), np.zeros(2), activations.get("identity")),
    ]
    net = Network(layers, (Input("a"), Input("b")), (), ("x", "y"))
    assert net.predict(np.array([[-1.0, 1.0]])).tolist() == [[-slope, 1.0]]
    report = quantize_report(net, W16)
    assert len(report.notes) == 1
    assert f"layer 1: leaky_relu slope {slope:g} is {taken} = " in report.notes[0]
    top, bottom = map(int, taken.split("/"))
    layer = report.model.layers[0]
    codes = evaluate(layer.activation, np.array([-1000, 1000]))
    assert codes.tolist() == [-1000 * top // bottom, 1000]


def test_a_slope_that_the_integers_have_is_not_told():
    net = network((2, 3, 2), activations.get("leaky_relu", 0.125))
    assert quantize_report(net, W16).notes == ()
