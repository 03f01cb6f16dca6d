"""nnrun under CPython: the same integers as the reference, and no damaged file gets in."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from support.networks import plain_network as network
from support.random_models import expected, quantized, tick_rows

import nnrun
from nnhw_codegen.files import nnb
from nnhw_codegen.files.fields import FileError
from nnhw_codegen.integers import precision, reference
from nnhw_codegen.network import activations
from nnhw_codegen.quantization import quantize
from nnrun import selftest

SIZES = [(4, 8, 3), (4, 16, 16, 3), (13, 16, 3), (2, 4, 1), (64, 32, 10)]
PRECISIONS = precision.names()


@pytest.fixture
def load(tmp_path):
    """Load a model, or the bytes of one, from a file."""

    def load(model, check=False):
        path = tmp_path / "model.nnb"
        path.write_bytes(model if isinstance(model, bytes) else nnb.to_bytes(model))
        return nnrun.load(str(path), check)

    return load


def forged(data, at, value):
    """The file with one byte changed and a checksum that agrees."""
    length = struct.unpack_from("<I", data, 4)[0]
    changed = bytearray(data)
    changed[at] = value
    struct.pack_into("<I", changed, 8, zlib.adler32(changed[12:length]))
    return bytes(changed)


@pytest.mark.parametrize("precision_name", PRECISIONS)
@pytest.mark.parametrize("activation", activations.names())
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_every_logit_code_and_answer_is_the_reference_s(load, sizes, activation, precision_name):
    model = quantized(sizes, activation, precision_name)
    net = load(model, check=sizes[0] < 5)
    rows = tick_rows(sizes[0], 20)
    codes, logits = reference.codes(model, rows), expected(model, rows)
    answers = reference.decide(model, logits)
    x, y = [0] * sizes[0], [0] * sizes[-1]
    for row, row_codes, row_logits, answer in zip(
        rows.tolist(), codes.tolist(), logits.tolist(), answers, strict=True
    ):
        net.codes(row, x)
        net.logits(row, y)
        assert (x, y, net.predict_ticks(row)) == (row_codes, row_logits, answer)
        net.logits_from_codes(x, y)
        assert y == row_logits


def test_raw_values_give_the_ticks_and_answers_of_the_reference(load):
    model = quantized((4, 8, 3), "softplus", "w8a16")
    net = load(model)
    rows = np.random.default_rng(2).uniform(-2, 12, (200, 4))
    rows[:3] = [[np.inf] * 4, [-np.inf] * 4, [1e300, -1e300, 0.05, 9.95]]
    ticks = [0] * 4
    for row, wanted, answer in zip(
        rows.tolist(), reference.ticks(model, rows).tolist(), reference.predict(model, rows), strict=True
    ):
        net.ticks(row, ticks)
        assert (ticks, net.predict(row), net.label(row)) == (wanted, answer, f"class {answer}")


@pytest.mark.parametrize(("biases", "wanted"), [((0, 0, 0), 0), ((0, 1, 1), 1), ((-1, 0, -1), 1), ((0,), 0)])
def test_of_equal_classes_the_first_is_the_answer(load, biases, wanted):
    float_model = network((1, len(biases)), "relu")
    float_model.layers[0].weights *= 0
    float_model.layers[0].bias[:] = biases
    model = quantize.quantize(float_model, precision.get("w8a8"))
    row = np.array([[5]])
    assert load(model).predict_ticks((5,)) == reference.decide(model, expected(model, row))[0] == wanted


@pytest.mark.parametrize("units", [1, 2])
def test_regression_gives_reals(load, units):
    model = quantized((3, 5, units), "tanh", "w16a16", classes=False)
    net = load(model, check=True)
    assert (net.decision, net.classes) == ("values", ("y0", "y1")[:units])
    row = (3.0, 4.0, 5.5)
    wanted = reference.predict(model, np.array([row]))[0].tolist()
    assert net.predict(row) == (wanted[0] if units == 1 else tuple(wanted))
    with pytest.raises(ValueError, match="values, not classes"):
        net.label(row)


def test_the_attributes_are_those_of_the_model(load):
    model = quantized((2, 4, 1), "relu", "w8a8")
    net = load(model)
    assert (net.inputs, net.classes, net.decision) == (("x0", "x1"), ("class 0", "class 1"), "threshold")
    assert (net.precision, net.output_frac) == ("w8a8", model.output_frac)


@pytest.mark.parametrize(
    "call", ["predict", "label", "predict_ticks", "ticks", "codes", "logits", "logits_from_codes"]
)
def test_a_wrong_number_of_values_is_refused_with_both_counts(load, call):
    net = load(quantized((4, 8, 3), "relu", "w8a16"))
    room = () if call in ("predict", "label", "predict_ticks") else ([0] * (3 if "logits" in call else 4),)
    with pytest.raises(ValueError, match="expected 4 values, found 3"):
        getattr(net, call)((1, 2, 3), *room)


@pytest.mark.parametrize("call", ["ticks", "codes", "logits", "logits_from_codes"])
def test_a_result_of_the_wrong_length_is_refused(load, call):
    net = load(quantized((4, 8, 3), "relu", "w8a16"))
    with pytest.raises(ValueError, match=r"expected [34] values, found 2"):
        getattr(net, call)((1, 2, 3, 4), [0, 0])


def test_a_file_cut_anywhere_is_refused_or_has_lost_only_the_proof(load):
    data = nnb.to_bytes(quantized((2, 4, 1), "softplus", "w8a8"))
    length = struct.unpack_from("<I", data, 4)[0]
    for size in range(len(data)):
        with pytest.raises(ValueError, match=r"model\.nnb: "):
            load(data[:size], check=True)
        if size < length:
            with pytest.raises(ValueError, match=r"model\.nnb: "):
                load(data[:size])


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_a_flipped_byte_anywhere_is_refused(load, flip):
    data = nnb.to_bytes(quantized((2, 4, 1), "softplus", "w8a8"))
    length = struct.unpack_from("<I", data, 4)[0]
    for at in range(len(data)):
        damaged = data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :]
        with pytest.raises(ValueError, match=r"model\.nnb: "):
            load(damaged, check=True)
        if at < length:
            with pytest.raises(ValueError, match=r"model\.nnb: "):
                load(damaged)


@pytest.mark.parametrize(("activation", "precision_name"), [("softplus", "w8a8"), ("leaky_relu", "w16a16")])
def test_a_forged_file_is_refused_or_computes_within_its_bounds(load, activation, precision_name):
    model = quantized((2, 4, 1), activation, precision_name)
    data = nnb.to_bytes(model)
    length = struct.unpack_from("<I", data, 4)[0]
    refused = 0
    for at in range(12, length, 3):
        try:
            net = load(forged(data, at, data[at] ^ 0x11), check=True)
        except ValueError:
            refused += 1
            continue
        out = [0]
        net.logits((50, 50), out)
        assert abs(out[0]) < 1 << 30
    assert refused > 20


def test_another_format_says_what_to_do(load):
    data = bytearray(nnb.to_bytes(quantized((2, 4, 1), "relu", "w8a8")))
    data[3] = 1
    with pytest.raises(ValueError, match="model made for format 1, this nnrun reads 2: run 'nnhw export' again"):
        load(bytes(data))


def test_a_bound_that_is_too_tight_is_named(load):
    data = nnb.to_bytes(quantized((2, 4, 1), "relu", "w8a8"))
    with pytest.raises(ValueError, match=r"layer 1: neuron 0: stored bound .* recomputed .*export the model again"):
        load(data[:-1] + bytes([data[-1] ^ 1]), check=True)


def vectors(model, rows):
    """Golden vectors as JSON lines."""
    lines = zip(rows.tolist(), expected(model, rows).tolist(), strict=True)
    return b"".join(b'{"ticks": %a, "logits": %a}\n' % line for line in lines)


def test_the_self_test_counts_identical_rows(load, tmp_path, capsys):
    model = quantized((4, 8, 3), "logsig", "w8a16")
    lines = vectors(model, tick_rows(4, 16))
    assert selftest.run(load(model), lines)
    (tmp_path / "vectors.jsonl").write_bytes(lines)
    assert selftest.run(load(model), str(tmp_path / "vectors.jsonl"))
    assert capsys.readouterr().out == "20/20 logits identical\n" * 2


def test_the_self_test_shows_the_first_difference(load, capsys):
    net = load(quantized((2, 4, 1), "relu", "w8a8"))
    out = [0]
    net.logits((5, 6), out)
    lines = b'{"ticks": [5, 6], "logits": [%d]}\n{"ticks": [5, 6], "logits": [%d]}\n' % (out[0], out[0] + 1)
    assert not selftest.run(net, lines)
    assert capsys.readouterr().out.splitlines() == [
        "1/2 logits identical",
        f"first difference: vector 2, ticks [5, 6], output 0: expected {out[0] + 1}, found {out[0]}",
    ]


@pytest.mark.parametrize("lines", [b"", b"nonsense", b"[1]", b'{"ticks": [1, 2]}'])
def test_vectors_that_are_none_are_refused(load, lines):
    net = load(quantized((2, 4, 1), "relu", "w8a8"))
    with pytest.raises(ValueError, match="vector"):
        selftest.run(net, lines)


@pytest.mark.parametrize("decision", [2, 4, 255])
def test_a_decision_that_does_not_go_with_the_outputs_is_refused(load, decision):
    data = nnb.to_bytes(quantized((2, 4, 3), "relu", "w8a8"))
    with pytest.raises(FileError, match=r"decision|outputs"):
        nnb.from_bytes(forged(data, 17, decision))
    with pytest.raises(ValueError, match=f"decision {decision} does not go with 3 outputs"):
        load(forged(data, 17, decision), check=True)


def test_more_answers_than_an_integer_holds_are_refused(load):
    data = forged(nnb.to_bytes(quantized((2, 31), "relu", "w8a8")), 17, 3)
    with pytest.raises(FileError, match="at most 30"):
        nnb.from_bytes(data)
    with pytest.raises(ValueError, match="31 answers of yes or no, at most 30 fit an integer"):
        load(data, check=True)
