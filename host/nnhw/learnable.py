"""What export adds for a model that learns on the board: the .nnt file, an example, and a self-test of training."""

from __future__ import annotations

import contextlib
import math
import struct
from dataclasses import replace
from importlib import resources
from string import Template

import numpy as np

from nnhw.model_file import ModelFileError
from nnhw.network import Network
from nnhw_codegen import learn_step, nnt
from nnhw_codegen.emitters import Emitter
from nnhw_codegen.learning_profile import MAX_RATE_SHIFT, MULTIPLIERS, Profile
from nnhw_codegen.trainable import Trainable, default_profile, trainable

STEPS = 64


def rate(wanted: float) -> tuple[int, int]:
    """(multiplier, shift) of the board's learning rate nearest to ``wanted``. Raises ValueError where none is near."""
    able = [(m, k) for m in MULTIPLIERS for k in range(MAX_RATE_SHIFT + 1)]
    if not 2.0 ** -(MAX_RATE_SHIFT + 1) < wanted <= 4.0:
        raise ValueError(f"the learning rate is {wanted:g}; expected 2^-{MAX_RATE_SHIFT} to 3")
    return min(able, key=lambda pair: abs(math.log(pair[0] * 2.0 ** -pair[1] / wanted)))


def profile(network: Network, learning_rate: float, bits: int, layers: str, scheme: str) -> Profile:
    """The default profile with these changes. Raises ValueError."""
    start = default_profile(network)
    multiplier, shift = rate(learning_rate)
    if bits == 8:
        start = replace(start, weight_bits=8, weight_frac=5, seen_bits=8)
    return replace(
        start,
        rate_multiplier=multiplier,
        rate_shift=shift,
        scheme=scheme,  # type: ignore[arg-type]
        trained=layers,  # type: ignore[arg-type]
        relu_at_zero=float(network.training.get("relu_at_zero", 1.0)),
    )


def files(network: Network, wanted: Profile, name: str, banner: str, emitter: Emitter) -> dict[str, bytes]:
    """The files of a trainable model called ``name``, with the faster step that ``emitter`` makes.

    Raises ValueError where the board cannot train the network.
    """
    model = trainable(network, wanted)
    before = nnt.to_bytes(model)
    rows, state = _lesson(model)
    values = tuple(float(f"{entry.mean:.4g}") for entry in network.inputs)
    fast = {}
    with contextlib.suppress(learn_step.UnsuitableError):
        fast[f"{name}_learn.py"] = emitter.learn(before, banner)
    wide = len(network.outputs) > 1 and not network.classes
    return {
        f"{name}.nnt": before,
        **fast,
        "learn_vectors.txt": rows,
        "learn_selftest.py": _fill(
            "learn_selftest.py", banner=banner, name=name, inputs=len(network.inputs), checksum=state
        ),
        "learn_example.py": _fill(
            "learn_example.py",
            banner=banner,
            name=name,
            names=", ".join(entry.name for entry in network.inputs),
            target="the number of the class" if network.classes else "what the outputs should be",
            values=values,
            answer=0 if network.classes else ((0.0,) * len(network.outputs) if wide else 0.0),
            call="label" if network.classes else "predict",
        ),
    }


def _lesson(model: Trainable) -> tuple[bytes, tuple[int, int]]:
    """Random ticks and targets, a row per line, and the halves of the checksum of the state that they lead to."""
    generator = np.random.default_rng(0)
    low = np.array([entry.low for entry in model.doorway])
    span = np.array([entry.span for entry in model.doorway])
    ticks = generator.integers(low, low + span + 1, (STEPS, len(low)))
    units = model.learner.plan.layers[-1].units
    if model.classes:
        targets = model.target_codes(generator.integers(0, len(model.classes), STEPS))
    else:
        targets = generator.integers(-8192, 8193, (STEPS, units)).astype(np.int32)
    codes = model.codes(ticks)
    for x, wanted in zip(codes, targets, strict=True):
        model.learner.step(x[:, None], wanted[:, None])
    checksum = struct.unpack("<2H", nnt.to_bytes(model)[-4:])
    rows = np.concatenate([ticks, targets], axis=1).tolist()
    return "".join(" ".join(map(str, row)) + "\n" for row in rows).encode(), checksum


def pulled(model: Trainable, earlier: Network | None) -> Network:
    """The float network of a model from a board; training record and calibration rows are those of ``earlier``.

    Raises ModelFileError where ``earlier`` is another network.
    """
    network = model.to_network()
    if earlier is not None:
        shapes = [[layer.weights.shape for layer in n.layers] for n in (network, earlier)]
        names = [([entry.name for entry in n.inputs], n.classes, n.outputs) for n in (network, earlier)]
        if shapes[0] != shapes[1] or names[0] != names[1]:
            raise ModelFileError("holds another network; choose another file with -o")
        network.training = {**earlier.training, "pulled": True}
        network.calibration = earlier.calibration
    return network


def _fill(template: str, **values: object) -> bytes:
    text = resources.files("nnhw").joinpath("data", f"{template}.in").read_text(encoding="utf-8")
    return Template(text).substitute(values).encode()
