"""What export adds for a model that learns on the board: the .nnt file, an example, and a self-test of training."""

from __future__ import annotations

import contextlib
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.exporting.fill_template import fill
from nnhw.exporting.learning_options import LearningOptions
from nnhw.model_files.model_json import ModelFileError
from nnhw_codegen.emitters import Emitter
from nnhw_codegen.errors import InputError
from nnhw_codegen.files import nnt
from nnhw_codegen.integers.fixed import IntArray
from nnhw_codegen.learning import board_program
from nnhw_codegen.learning.profile import MAX_RATE_SHIFT, MULTIPLIERS, Profile
from nnhw_codegen.learning.trainable import Trainable, default_profile, trainable
from nnhw_codegen.network.names import visible
from nnhw_codegen.network.network import Network
from nnhw_codegen.writer import Origin

STEPS = 64


def rate(wanted: float) -> tuple[int, int]:
    """(multiplier, shift) of the board's learning rate nearest to ``wanted``. Raises ValueError where none is near."""
    able = [(m, k) for m in MULTIPLIERS for k in range(MAX_RATE_SHIFT + 1)]
    if not 2.0 ** -(MAX_RATE_SHIFT + 1) < wanted <= 4.0:
        raise InputError(f"the learning rate is {wanted:g}; expected 2^-{MAX_RATE_SHIFT} to 3")
    return min(able, key=lambda pair: abs(math.log(pair[0] * 2.0 ** -pair[1] / wanted)))


def profile(network: Network, options: LearningOptions) -> Profile:
    """The default profile of a network, as ``options`` change it. Raises InputError for a rate out of reach."""
    start = default_profile(network)
    multiplier, shift = rate(options.rate)
    if options.bits == 8:
        start = replace(start, weight_bits=8, weight_frac=5, seen_bits=8)
    return replace(
        start,
        rate_multiplier=multiplier,
        rate_shift=shift,
        scheme=options.rounding,
        trained=options.layers,
        relu_at_zero=float(network.training.get("relu_at_zero", 1.0)),
    )


@dataclass(frozen=True, eq=False)
class Learning:
    """A float network that a board goes on training, and how; ``command_words`` are the options that ask for it."""

    network: Network
    profile: Profile
    command_words: Sequence[str] = ()


def files(wanted: Learning, origin: Origin, emitter: Emitter) -> dict[str, bytes]:
    """The files of a trainable model: for nnrun with the faster step that ``emitter`` makes, or alone.

    Raises ValueError where the board cannot train the network.
    """
    network, name, banner = wanted.network, origin.name, origin.banner
    model = trainable(network, wanted.profile)
    before = nnt.to_bytes(model)
    lesson = _lesson(model)
    values = tuple(float(f"{entry.mean:.4g}") for entry in network.inputs)
    wide = network.decision in ("values", "multilabel") and len(network.layers[-1].bias) > 1
    each = network.decision == "multilabel"
    zero = 0 if network.classes else 0.0
    texts = {
        "banner": banner,
        "name": name,
        "inputs": len(network.inputs),
        "names": ", ".join(visible(entry.name) for entry in network.inputs),
        "target": "1 for yes and 0 for no, of each class"
        if each
        else ("the number of the class" if network.classes else "what the outputs should be"),
        "answer": (zero,) * len(network.layers[-1].bias) if wide else zero,
        "checksum": lesson.checksum,
    }
    if emitter.learn_alone is not None:
        modules, rows = emitter.learn_alone(before, name, banner), lesson.wanted
        *parts, _ = (file.removesuffix(".py") for file in modules)
        loader = parts.index(f"{name}_learn_load") + 1
        kind = "int" if network.classes else "float"
        wanted_text = f"[{kind}(v) for v in row[{len(network.inputs)}:]]" if wide else f"{kind}(row[-1])"
        ticks = tuple(round(value / entry.step) for value, entry in zip(values, network.inputs, strict=True))
        texts |= {
            "loading": _tuple_lines(parts[:loader]),
            "parts": _tuple_lines(parts[loader:]),
            "values": ticks,
            "wanted": wanted_text,
        }
        script = "learn_alone"
    else:
        modules, rows, script = {}, lesson.targets, "learn"
        with contextlib.suppress(board_program.UnsuitableError):
            modules[f"{name}_learn.py"] = emitter.learn(before, banner)
        texts |= {"values": values, "call": "label" if network.classes else "predict"}
    table = zip(lesson.ticks.tolist(), rows.tolist(), strict=True)
    return {
        f"{name}.nnt": before,
        **modules,
        "learn_vectors.txt": "".join(" ".join(map(str, [*t, *row])) + "\n" for t, row in table).encode(),
        "learn_selftest.py": fill(f"{script}_selftest.py", **texts),
        "learn_example.py": fill(f"{script}_example.py", **texts),
    }


def _tuple_lines(names: Sequence[str]) -> str:
    return "(\n" + "".join(f'    "{name}",\n' for name in names) + ")"


@dataclass(frozen=True)
class _Lesson:
    """Random ticks (n, inputs), the targets as codes and as a user tells them (n, units or 1), and what they lead to.

    ``checksum`` are the halves of that of the state.
    """

    ticks: IntArray
    targets: NDArray[np.integer[Any]]
    wanted: NDArray[Any]
    checksum: tuple[int, int]


def _lesson(model: Trainable) -> _Lesson:
    generator = np.random.default_rng(0)
    low = np.array([entry.low for entry in model.doorway])
    span = np.array([entry.span for entry in model.doorway])
    ticks = generator.integers(low, low + span + 1, (STEPS, len(low)))
    units = model.learner.plan.layers[-1].units
    if model.classes:
        shape = (STEPS, units) if model.multilabel else (STEPS,)
        wanted = generator.integers(0, 2 if model.multilabel else len(model.classes), shape)
        targets = model.target_codes(wanted)
    else:
        targets = generator.integers(-8192, 8193, (STEPS, units)).astype(np.int32)
        wanted = np.ldexp(targets, -np.array(model.output_fracs)) + np.array(model.offsets)
    codes = model.codes(ticks)
    for x, row in zip(codes, targets, strict=True):
        model.learner.step(x[:, None], row[:, None])
    checksum = struct.unpack("<2H", nnt.to_bytes(model)[-4:])
    return _Lesson(ticks, targets, wanted.reshape(STEPS, -1), checksum)


def pulled(model: Trainable, earlier: Network | None) -> Network:
    """The float network of a model from a board; training record and calibration rows are those of ``earlier``.

    Raises ModelFileError where ``earlier`` is another network.
    """
    network = model.to_network()
    if earlier is not None:
        shapes = [[layer.weights.shape for layer in n.layers] for n in (network, earlier)]
        names = [([entry.name for entry in n.inputs], n.classes, n.outputs, n.decision) for n in (network, earlier)]
        if shapes[0] != shapes[1] or names[0] != names[1]:
            raise ModelFileError("holds another network; choose another file with -o")
        network.training = {**earlier.training, "pulled": True}
        network.calibration = earlier.calibration
        network.columns = earlier.columns
    return network
