"""The bound proof is sound: no input reaches what it excludes, and a wrong bound is refused."""

import dataclasses

import numpy as np
import pytest
from support.networks import ACTIVATIONS, SIZES, network, tick_rows
from support.scalar_engine import ScalarEngine

from nnhw_codegen.integers import precision, proof, reference
from nnhw_codegen.integers.proof import ProofError
from nnhw_codegen.quantization.quantize import quantize


@pytest.mark.parametrize("name", precision.names())
@pytest.mark.parametrize("hidden", ACTIVATIONS)
@pytest.mark.parametrize("sizes", SIZES)
def test_the_scalar_engine_agrees_and_stays_inside_the_bounds(sizes, hidden, name):
    model = quantize(network(sizes, hidden), precision.get(name))
    rows = tick_rows(model, 40)
    engine = ScalarEngine(model)
    found = [engine.logits(row) for row in rows.tolist()]
    assert found == reference.logits(model, reference.codes(model, rows)).tolist()
    for layer, largest in zip(model.layers, engine.sums, strict=True):
        assert largest < model.precision.accumulator_limit
        assert largest <= max(layer.high.max(), -layer.low.min())


@pytest.mark.parametrize("name", precision.names())
@pytest.mark.parametrize("hidden", ["relu", "leaky_relu", "tanh"])
def test_corners_chosen_to_reach_the_bound_stay_below_it(hidden, name):
    net = network((13, 16, 3), hidden)
    net.layers[0].weights *= 40  # the proof has to give up bits
    model = quantize(net, precision.get(name))
    first = model.layers[0]
    engine = ScalarEngine(model)
    low, high = model.code_range
    for weights, top in zip(first.weights, first.high, strict=True):
        corner = np.where(weights > 0, high, low)
        engine.logits_from_codes(corner.tolist())
        engine.logits_from_codes((low + high - corner).tolist())
        assert first.bias.min() + (weights * corner).sum() <= top
    assert engine.sums[0] >= 0.9 * max(first.high.max(), -first.low.min())  # the bound is tight, not just true
    assert engine.sums[0] < model.precision.accumulator_limit


def test_without_the_proof_such_a_model_would_break():
    net = network((13, 16, 3))
    model = quantize(net, precision.get("w16a16"))
    grown = dataclasses.replace(model.layers[0], weights=model.layers[0].weights * 4, bias=model.layers[0].bias * 4)
    engine = ScalarEngine(dataclasses.replace(model, layers=(grown, *model.layers[1:])))
    low, high = model.code_range
    worst = grown.weights[np.argmax(np.abs(grown.weights).sum(axis=1))]
    with pytest.raises(AssertionError, match="reached"):
        engine.logits_from_codes(np.where(worst > 0, high, low).tolist())


class TestCheck:
    model = quantize(network((4, 8, 3)), precision.get("w16a16"))

    def broken(self, **changes):
        first = dataclasses.replace(self.model.layers[0], **changes)
        return dataclasses.replace(self.model, layers=(first, *self.model.layers[1:]))

    def test_accepts_what_quantize_made(self):
        proof.check(self.model)

    def test_refuses_a_stored_bound_that_differs(self):
        with pytest.raises(ProofError, match="layer 0, neuron 2: stored bound"):
            proof.check(self.broken(high=self.model.layers[0].high + (np.arange(8) == 2)))

    def test_refuses_weights_that_overflow(self):
        weights = self.model.layers[0].weights * 4
        low, high = proof.accumulator_bounds(weights, self.model.layers[0].bias, *self.model.code_range)
        with pytest.raises(ProofError, match="layer 0"):
            proof.check(self.broken(weights=weights, low=low, high=high))

    def test_refuses_a_shift_outside_0_to_30(self):
        with pytest.raises(ProofError, match="shifts must be 0 to 30, found 31"):
            proof.check(self.broken(shift=np.full(8, 31)))

    def test_refuses_a_doorway_that_overflows(self):
        entry = dataclasses.replace(self.model.inputs[1], gain=1 << 27)
        with pytest.raises(ProofError, match="input 'x1'"):
            proof.check(dataclasses.replace(self.model, inputs=(self.model.inputs[0], entry, *self.model.inputs[2:])))
