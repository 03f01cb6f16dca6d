"""Random networks of every kind, as models and as lessons, for the comparison with the second engine."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from support.covering import covering

from nnhw_codegen.integers import precision
from nnhw_codegen.learning.profile import SCHEMES, T8, T16, TRAINED
from nnhw_codegen.learning.trainable import Trainable, trainable
from nnhw_codegen.network import activations
from nnhw_codegen.network.network import Input, Layer, Network
from nnhw_codegen.quantization.quantize import QuantizeReport, quantize_report

MODELS, ROWS = 200, 100
LESSONS, STEPS = 100, 40
HIDDEN = (*activations.names(), "mixed")
ENDS = (
    "classes",
    "yes or no",
    "questions",
    "linear values",
    "logsig values",
    "tanh values",
    "softplus values",
    "leaky_relu values",
)
SHAPES = ((4,), (3, 8), (5, 6, 4), (2, 3, 3, 3), (13, 16))
MODEL_FACTORS = (precision.names(), HIDDEN, ENDS, SHAPES)
LESSON_ENDS = (
    ("classes", "softmax", "auto"),
    ("classes", "logsig", "auto"),
    ("classes", "logsig", "mse"),
    ("classes", "tanh", "auto"),
    ("yes or no", "logsig", "cross_entropy"),
    ("yes or no", "logsig", "mse"),
    ("questions", "logsig", "auto"),
    ("questions", "logsig", "mse"),
    ("values", "identity", "auto"),
    ("values", "tanh", "auto"),
    ("values", "logsig", "auto"),
    ("values", "softplus", "mse"),
)
LESSON_FACTORS = (
    ((16, T16), (8, T8)),
    SCHEMES,
    LESSON_ENDS,
    HIDDEN,
    (0, 0.5, 1),
    ((1, 5), (3, 8), (1, 2), (3, 13), (1, 14)),
    TRAINED,
    SHAPES,
    ("plain", "extreme"),
)


@dataclass(frozen=True)
class Lesson:
    """A network, the model made of it, raw rows (steps, inputs) and targets of its steps, and the rate from halfway on."""

    network: Network
    model: Trainable
    rows: np.ndarray
    targets: np.ndarray
    later_rate: tuple[int, int]


def cases(factors: tuple[Any, ...], count: int) -> list[tuple[Any, ...]]:
    """So many cases, in which every pair of choices occurs: a covering set, then its choices shifted against each other."""
    found = list(covering(factors))[:count]
    assert len(found) < count, "the pairs need more cases"
    generator = np.random.default_rng(count)
    while len(found) < count:
        found.append(tuple(options[generator.integers(len(options))] for options in factors))
    return found


def inputs(count: int, generator: np.random.Generator) -> tuple[Input, ...]:
    """Inputs of many resolutions, ranges and signs."""
    made = []
    for n in range(count):
        step = float(generator.choice([0.1, 1.0, 0.01, 0.5, 0.001, 2.0**-8]))
        span = int(10 ** generator.uniform(0.3, 5))
        low = int(generator.integers(-span, span))
        mean = (low + span * generator.uniform(0.2, 0.8)) * step
        made.append(
            Input(f"x{n}", mean, span * step * generator.uniform(0.1, 1), step, low * step, (low + span) * step)
        )
    return tuple(made)


def network(shape: tuple[int, ...], hidden: str, end: str, last: str, seed: int) -> Network:
    """Weights and biases at random; ``end`` says what the outputs are, ``last`` their activation."""
    generator = np.random.default_rng([seed, *shape])
    sizes = (*shape, 1 if end == "yes or no" else int(generator.integers(2, 6)) if end == "classes" else len(shape))
    layers = []
    for fan_in, units in pairwise(sizes):
        name = str(generator.choice(activations.names())) if hidden == "mixed" else hidden
        slope = float(generator.choice([0.01, 0.1, 0.125, 0.3])) if name == "leaky_relu" else None
        scale = generator.uniform(0.3, 3) / np.sqrt(fan_in)
        weights = generator.normal(0, scale, (units, fan_in))
        layers.append(Layer(weights, generator.normal(0, 0.5, units), activations.get(name, slope)))
    layers[-1].activation = activations.get(last)
    values = end.endswith("values")
    classes = () if values else tuple(f"class {n}" for n in range(max(2, sizes[-1])))
    outputs = tuple(f"y{n}" for n in range(sizes[-1])) if values else ()
    if last == "identity":
        spread = 10 ** generator.uniform(-3, 3, sizes[-1])
        layers[-1].weights *= spread[:, None]
        layers[-1].bias = (layers[-1].bias + generator.choice([0, 100], sizes[-1])) * spread
    return Network(layers, inputs(sizes[0], generator), classes, outputs, multilabel=end == "questions")


def model(case: tuple[Any, ...], seed: int) -> tuple[Network, QuantizeReport]:
    """The network of a case of MODEL_FACTORS, and its integers."""
    name, hidden, end, shape = case
    last = {"classes": "softmax", "yes or no": "logsig", "questions": "logsig", "linear values": "identity"}.get(
        end, end.removesuffix(" values")
    )
    float_network = network(shape, hidden, end, last, seed)
    return float_network, quantize_report(float_network, precision.get(name))


def value_rows(entries: tuple[Input, ...], count: int, seed: int) -> np.ndarray:
    """Raw rows (count, inputs): both ends, far beyond them, then random ones, a tenth of the range beyond it as well."""
    generator = np.random.default_rng(seed)
    low, high, mean = (np.array([getattr(entry, key) for entry in entries]) for key in ("low", "high", "mean"))
    margin = (high - low) / 10
    random = generator.uniform(low - margin, high + margin, (count - 5, len(low)))
    rows = np.vstack([low, high, mean, low - 100 * margin, high + 100 * margin, random])
    # Values reach every engine as float32 (SPEC 3.2).
    return rows.astype(np.float32).astype(np.float64)


def float32_patterns(count: int, step: float) -> np.ndarray:
    """Bits of float32 numbers (n,): zeros, subnormals, infinities, halves of steps, the grid, and any exponent."""
    generator = np.random.default_rng(count)
    grid = np.arange(-count, count) * 0.5 * step
    large = generator.uniform(-(2.0**29), 2.0**29, count) * step
    some = generator.integers(0, 2**32, count, dtype=np.uint32)
    some = some[(some >> 23 & 255) != 255]
    special = np.array([0, 1 << 31, 1, 0x807FFFFF, 0x00800000, 0x7F7FFFFF, 0x7F800000, 0xFF800000], dtype=np.uint32)
    return np.concatenate([np.concatenate([grid, large]).astype(np.float32).view(np.uint32), some, special])


def lesson(case: tuple[Any, ...], seed: int, steps: int = STEPS) -> Lesson:
    """The model and the rows of a case of LESSON_FACTORS."""
    (_, profile), scheme, (end, last, loss), hidden, at_zero, (multiplier, shift), trained, shape, kind = case
    float_network = network(shape, hidden, end, last, seed)
    profile = replace(
        profile,
        scheme=scheme,
        loss=loss,
        relu_at_zero=at_zero,
        rate_multiplier=multiplier,
        rate_shift=shift,
        trained=trained,
    )
    made = trainable(float_network, profile)
    generator = np.random.default_rng(seed)
    if kind == "extreme":
        for weights, biases, layer in zip(
            made.learner.weights, made.learner.biases, made.learner.plan.layers, strict=True
        ):
            weights[...] = generator.choice([-1, 1], weights.shape) * (
                layer.weight_limit - generator.integers(0, 2, weights.shape)
            )
            biases[...] = generator.choice([-1, 1], biases.shape) * (
                (1 << 29) - 1 - generator.integers(0, 2, biases.shape)
            )
    units = len(float_network.layers[-1].bias)
    if end == "questions":
        targets = generator.integers(0, 2, (steps, units))
    elif float_network.classes:
        targets = generator.integers(0, max(2, units), steps)
    else:
        targets = generator.normal(0, 1000.0 if kind == "extreme" else 1.0, (steps, units))
    return Lesson(
        float_network,
        made,
        value_rows(float_network.inputs, steps, seed),
        targets,
        (4 - multiplier, shift + (3 if shift < 13 else -4)),
    )
