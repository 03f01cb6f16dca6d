"""Formats, doorway and precision of quantized models."""

from dataclasses import replace

import numpy as np
import pytest
from support.networks import ACTIVATIONS, network, of_several_scales, tick_rows

from nnhw_codegen.errors import InputError
from nnhw_codegen.integers import precision, reference
from nnhw_codegen.integers.expr import evaluate
from nnhw_codegen.network import activations
from nnhw_codegen.network.network import Input, Layer, Network
from nnhw_codegen.quantization.quantize import answer_loss, quantize, quantize_report, spread_rows

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


@pytest.mark.parametrize("name", precision.names())
@pytest.mark.parametrize("output", ["identity", "relu", "leaky_relu"])
def test_every_output_of_a_regression_has_a_format_of_its_own(name, output):
    net = of_several_scales(network((3, 5, 3), "tanh", classifies=False))
    net.layers[-1].activation = activations.get(output)
    if output != "identity":  # which alone has offsets: 8 bits cannot hold 300 and a fraction of 1
        net.layers[-1].bias[1] -= 300
        net.layers[-1].bias = np.abs(net.layers[-1].bias)
    model = quantize(net, precision.get(name))
    assert len(set(model.output_frac.tolist())) == 3
    rows = spread_rows(net, 200)
    wanted, found = net.predict(rows), reference.predict(model, rows)
    errors = np.sqrt(np.mean((wanted - found) ** 2, axis=0)) / np.maximum(wanted.std(axis=0), 1e-9)
    assert errors.max() < 0.1


def test_a_bias_that_would_cost_bits_becomes_an_offset():
    net = line()
    net.layers[0].bias[:] = 1201.0  # all inputs add up to 1200
    model = quantize(net, W16)
    assert model.offsets == (1201.0,)
    assert np.abs(model.layers[0].bias).max() <= 1 << model.layers[0].shift.max()
    net.layers[0].bias[:] = 1199.0
    assert quantize(net, W16).offsets == (0.0,)


def test_an_offset_is_a_float32_and_the_bias_holds_what_it_lacks():
    net = line()
    net.layers[0].bias[:] = 16777217.25
    model = quantize(net, W16)
    assert model.offsets == (16777218.0,)
    rows = spread_rows(net, 50)
    assert np.abs(reference.predict(model, rows) - net.predict(rows)).max() < 0.01


def test_outputs_without_any_weight_are_quantized():
    net = network((3, 4, 2), classifies=False)
    net.layers[-1].weights[0] = 0
    net.layers[-1].bias[0] = 7.3
    for name in precision.names():
        model = quantize(net, precision.get(name))
        found = reference.predict(model, spread_rows(net, 20))[:, 0]
        assert np.abs(found - 7.3).max() < 0.001


def test_a_regression_makes_up_for_what_its_hidden_layers_lose():
    net = network((4, 16, 2), "tanh", classifies=False)
    rows, others = spread_rows(net, 256), spread_rows(net, 600)[256:]
    plain, tuned = replace(net, training={"precision": "w8a8"}), net
    loss = [answer_loss(n, quantize(n, precision.get("w8a8"), rows), others) for n in (plain, tuned)]
    assert loss[1] < loss[0]


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


def test_a_layer_too_wide_for_the_memory_is_refused_before_any_work() -> None:
    inputs = tuple(Input(f"x{n}") for n in range(65535))
    wide = Network([Layer(np.zeros((1, 65535)), np.zeros(1), activations.get("identity"))], inputs, outputs=("y",))
    with pytest.raises(InputError, match=r"layer 1: rounding its 1 x 65,535 weights takes about 160\.0 GB of memory"):
        quantize(wide, "w8a8")
