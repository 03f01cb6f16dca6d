"""Writes, or with --check recomputes, the golden vectors of training: models before and after some steps."""

from __future__ import annotations

import argparse
import base64
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from support.networks import ACTIVATIONS, network, of_several_scales

from nnhw_codegen.files import nnt
from nnhw_codegen.integers.qmodel import FORMAT
from nnhw_codegen.learning.profile import SCHEMES, T8, T16, Profile
from nnhw_codegen.learning.trainable import Trainable, trainable
from nnhw_codegen.network import activations

HERE = Path(__file__).parent
FILE = HERE / "training.jsonl"
STEPS = 50

CASES: tuple[tuple[str, tuple[int, ...], str, str, Profile], ...] = (
    *(("9.7", (4, 8, 3), hidden, "softmax", T16) for hidden in ACTIVATIONS),
    *(("9.7", (4, 8, 3), "leaky_relu", "softmax", replace(T16, relu_at_zero=c)) for c in (0, 0.5)),
    *(("9.8", (4, 8, 3), "relu", "logsig", replace(T16, scheme=scheme)) for scheme in SCHEMES[1:]),
    *(("9.8", (4, 8, 3), "relu", "softmax", replace(T8, scheme=scheme)) for scheme in SCHEMES),
    ("9.8", (4, 8, 3), "relu", "softmax", replace(T16, rate_multiplier=3, rate_shift=13)),
    ("9.6", (4, 8, 3), "relu", "logsig", replace(T16, loss="mse")),
    ("9.6", (4, 1), "relu", "logsig", T16),
    ("9.9", (4, 8, 3), "tanh", "softmax", replace(T16, trained="first")),
    ("9.9", (4, 8, 3), "tanh", "softmax", replace(T16, trained="last")),
    ("9.10", (2, 1), "relu", "identity", T16),
    ("9.10", (4, 6, 4), "tanh", "identity", T16),
    ("9.10", (4, 6, 4), "relu", "identity", T8),
    ("9.6", (4, 6, 5), "relu", "multilabel", T16),
    ("9.5", (4, 4, 4, 4, 3), "softplus", "softmax", T16),
    ("9.5", (13, 16, 3), "relu", "softmax", T16),
)


def vectors() -> Iterator[dict[str, Any]]:
    """Every case: the model, ticks and target codes of each step, the model afterwards and its last outputs."""
    for clause, sizes, hidden, output, profile in CASES:
        start = network(sizes, hidden, classifies=output != "identity", multilabel=output == "multilabel")
        if output in ("identity", "logsig", "softmax"):
            start.layers[-1].activation = activations.get(output)
        if output == "identity" and sizes[-1] > 1:
            start = of_several_scales(start)
        model = trainable(start, profile)
        generator = np.random.default_rng(len(sizes))
        low = np.array([entry.low - 3 for entry in model.doorway])
        high = np.array([entry.low + entry.span + 3 for entry in model.doorway])
        ticks = generator.integers(low, high + 1, (STEPS, sizes[0]))
        if output == "identity":
            targets = generator.integers(-(1 << 15), 1 << 15, (STEPS, sizes[-1]))
        elif output in ("logsig", "multilabel"):
            targets = generator.integers(0, 2, (STEPS, sizes[-1])) << profile.delta_frac
        else:
            targets = np.eye(sizes[-1], dtype=np.int64)[generator.integers(0, sizes[-1], STEPS)] << profile.delta_frac
        given = {
            "nnt": base64.b64encode(nnt.to_bytes(model)).decode(),
            "ticks": ticks.tolist(),
            "targets": targets.tolist(),
        }
        name = f"{'-'.join(map(str, sizes))} {hidden} {output}, {profile.weight_bits} bits, {profile.scheme}"
        yield {"clause": clause, "op": "train", "in": given, "out": expected(model, ticks, targets), "why": name}


def expected(model: Trainable, ticks: Any, targets: Any) -> dict[str, Any]:
    """What the engine makes of ``model`` and of the last row, after a step on each row."""
    learner, codes = model.learner, model.codes(np.asarray(ticks))
    for x, wanted in zip(codes, np.asarray(targets, dtype=np.int32), strict=True):
        learner.step(x[:, None], wanted[:, None])
    return {
        "nnt": base64.b64encode(nnt.to_bytes(model)).decode(),
        "outputs": learner.outputs(codes[-1:])[0, :, 0].tolist(),
    }


def written() -> str:
    """The file's text."""
    return "".join(json.dumps({"id": n, "format": FORMAT, **v}) + "\n" for n, v in enumerate(vectors(), start=1))


def differences() -> list[int]:
    """The numbers of the stored vectors that the engine no longer agrees with, from the stored models."""
    found = []
    for line in FILE.read_text("utf-8").splitlines():
        vector = json.loads(line)
        model = nnt.from_bytes(base64.b64decode(vector["in"]["nnt"]))
        if expected(model, vector["in"]["ticks"], vector["in"]["targets"]) != vector["out"]:
            found.append(vector["id"])
    return found


def main() -> None:
    """Write the file, or check it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 on any difference")
    if parser.parse_args().check:
        found = differences()
        print("\n".join(f"training.jsonl, line {n}" for n in found) or "golden vectors: identical")
        sys.exit(bool(found))
    FILE.write_text(written(), "utf-8")


if __name__ == "__main__":
    main()
