"""SPEC chapters 5 and 2: layers, and the bounds that prove them."""

from __future__ import annotations

from second_engine import doorway, forms
from second_engine.codes import sat
from second_engine.nnb_file import Layer, Model

NO_INTERMEDIATE = 2**30
NO_Z = 2**29


WEIGHT_BITS = {"w16a16": 16, "w8a16": 8, "w8a8": 8, "acc16": 8}


def formats_hold(model: Model) -> bool:
    """SPEC 5.1, 5.3, 5.4, 7.9: widths, one format of weights per layer or per neuron, shifts from 0 to 30."""
    most = (1 << (model.weight_bits - 1)) - 1
    for layer in model.layers:
        fits = all(abs(weight) <= most for row in layer.weights for weight in row)
        own = model.weight_bits == 8 or (layer is model.layers[-1] and model.decision == "values")
        alike = own or len(set(layer.shifts)) == 1
        if not (fits and alike and all(shift <= 30 for shift in layer.shifts)):
            return False
    fracs = [0, *(layer.output_frac for layer in model.layers)]
    chained = fracs[:-1] == [layer.input_frac for layer in model.layers]
    last = model.outputs[0].frac if model.outputs else model.logit_frac
    return chained and last == fracs[-1] and model.weight_bits == WEIGHT_BITS[model.precision]


def forward(model: Model, codes: list[int]) -> list[int]:
    """SPEC 2.1, 5.2: the outputs of the last layer; every partial sum is looked at."""
    for layer in model.layers:
        codes = [unit(model, layer, j, codes) for j in range(len(layer.bias))]
    return codes


def unit(model: Model, layer: Layer, j: int, codes: list[int]) -> int:
    """SPEC 5.2, 5.4, 5.5: one neuron; a layer whose M is 0 hands on z as it is."""
    acc = layer.bias[j]
    for weight, x in zip(layer.weights[j], codes, strict=True):
        acc += weight * x
        assert abs(acc) < NO_INTERMEDIATE
    z = acc >> layer.shifts[j]
    if layer.limit:
        z = sat(z, layer.limit)
    return forms.run(layer.form, model.tables, z)


def bounds(bias: int, weights: tuple[int, ...], ranges: list[tuple[int, int]]) -> tuple[int, int]:
    """SPEC 2.2: L and U of a neuron."""
    ends = [(weight * low, weight * high) for weight, (low, high) in zip(weights, ranges, strict=True)]
    return min(0, bias) + sum(min(0, *pair) for pair in ends), max(0, bias) + sum(max(0, *pair) for pair in ends)


def recomputed(model: Model) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """SPEC 2.4, 2.6: L and U of all neurons, layer by layer, from the doorway on."""
    ranges = [doorway.code_range(entry) for entry in model.inputs]
    found = []
    for layer in model.layers:
        pairs = [bounds(b, w, ranges) for b, w in zip(layer.bias, layer.weights, strict=True)]
        found.append((tuple(low for low, _ in pairs), tuple(high for _, high in pairs)))
        if layer is not model.layers[-1]:
            ranges = output_ranges(model, layer, pairs)
    return found


def output_ranges(model: Model, layer: Layer, pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """SPEC 2.4, 2.5: what each neuron's activation yields, found by trying every code."""
    ends = [
        (sat(low >> shift, layer.limit), sat(high >> shift, layer.limit))
        for (low, high), shift in zip(pairs, layer.shifts, strict=True)
    ]
    first = min(low for low, _ in ends)
    values = [forms.run(layer.form, model.tables, z) for z in range(first, max(high for _, high in ends) + 1)]
    return [(min(part), max(part)) for part in (values[low - first : high - first + 1] for low, high in ends)]


def proved(model: Model) -> bool:
    """SPEC 2.1, 2.2, 2.3: the stored bounds hold the limits."""
    limit = 2**15 if model.precision == "acc16" else NO_INTERMEDIATE
    for layer, lows, highs in zip(model.layers, model.lows, model.highs, strict=True):
        for low, high, shift in zip(lows, highs, layer.shifts, strict=True):
            if max(-low, high) >= limit or max(abs(low >> shift), abs(high >> shift)) >= NO_Z:
                return False
    return True
