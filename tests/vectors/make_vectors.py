"""Writes, or with --check recomputes, the golden vectors that the reference defines."""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from support.networks import ACTIVATIONS, SIZES, network, of_several_scales, tick_rows

from nnhw_codegen.files import nnb
from nnhw_codegen.integers import precision, reference
from nnhw_codegen.integers.expr import evaluate
from nnhw_codegen.integers.qmodel import FORMAT, QModel
from nnhw_codegen.network import activations
from nnhw_codegen.quantization.activation_forms import formats, integer_form
from nnhw_codegen.quantization.quantize import quantize

HERE = Path(__file__).parent
LIMITS = (32767, 255, 127, 31)


def activation_vectors() -> Iterator[dict[str, Any]]:
    """The integer form of every activation, over all codes of each width."""
    for name in ACTIVATIONS:
        for limit in LIMITS:
            record = activations.get(name)
            bits = limit.bit_length()
            z_frac, output_frac = formats(record, bits - 3, limit)
            expr = integer_form(record, z_frac, output_frac, limit)
            z = np.arange(-limit, limit + 1)
            codes = z if expr is None else evaluate(expr, z)
            picks = [-limit, -limit // 3, -1, 0, 1, limit // 3, limit]
            yield {
                "clause": "4.2" if record.curve is None else "4.4" if limit > 255 else "4.5",
                "op": "activation",
                "in": {"name": name, "limit": limit, "z_frac": z_frac, "output_frac": output_frac},
                "out": {
                    "sha256": hashlib.sha256(codes.astype("<i4").tobytes()).hexdigest(),
                    "z": picks,
                    "codes": [int(codes[p + limit]) for p in picks],
                },
                "why": f"{name} over all codes up to {limit} in magnitude",
            }


def model_vectors() -> Iterator[dict[str, Any]]:
    """Whole models of every precision, shape and activation."""
    for name in precision.names():
        for hidden in ACTIVATIONS:
            for sizes in SIZES:
                model = quantize(network(sizes, hidden), precision.get(name))
                yield from _model_vector(model, f"{'-'.join(map(str, sizes))} {hidden} {name}")
        model = quantize(network((3, 5, 2), "tanh", classifies=False), precision.get(name))
        yield from _model_vector(model, f"regression {name}")
        for output in ("identity", "relu"):
            start = of_several_scales(network((3, 5, 4), "tanh", classifies=False))
            start.layers[-1].activation = activations.get(output)
            model = quantize(start, precision.get(name))
            yield from _model_vector(model, f"outputs of several scales behind {output}, {name}")
        for units in (5, 30):
            model = quantize(network((4, 6, units), "relu", multilabel=True), precision.get(name))
            yield from _model_vector(model, f"{units} answers of yes or no, {name}")


def _model_vector(model: QModel, why: str) -> Iterator[dict[str, Any]]:
    data = nnb.to_bytes(model)
    ticks = tick_rows(model, 8)
    yield {
        "clause": {"argmax": "6.1", "threshold": "6.2", "values": "6.3", "multilabel": "6.4"}[model.decision],
        "op": "model",
        "in": {"nnb": base64.b64encode(data).decode(), "ticks": ticks.tolist()},
        "out": expected(model, ticks),
        "why": why,
    }


def expected(model: QModel, ticks: Any) -> dict[str, Any]:
    """What the reference says of ``ticks`` (n, inputs)."""
    codes = reference.codes(model, np.asarray(ticks))
    outputs = reference.logits(model, codes)
    return {
        "codes": codes.tolist(),
        "outputs": outputs.tolist(),
        "answers": reference.board_answers(model, outputs).tolist(),
    }


def numbered(vectors: Iterator[dict[str, Any]]) -> str:
    """The vectors as lines, each with its number and FORMAT."""
    return "".join(json.dumps({"id": n, "format": FORMAT, **v}) + "\n" for n, v in enumerate(vectors, start=1))


def recomputed_models(text: str) -> Iterator[dict[str, Any]]:
    """The stored models with what the reference says of them now."""
    for line in text.splitlines():
        vector = json.loads(line)
        model = nnb.from_bytes(base64.b64decode(vector["in"]["nnb"]))
        fields = {key: vector[key] for key in ("clause", "op", "in", "why")}
        yield {**fields, "out": expected(model, vector["in"]["ticks"])}


def differences() -> list[str]:
    """The files and lines that the reference no longer agrees with."""
    found = []
    activations_file, models_file = HERE / "activations.jsonl", HERE / "models.jsonl"
    for path, now in (
        (activations_file, activation_vectors()),
        (models_file, recomputed_models(models_file.read_text("utf-8"))),
    ):
        stored = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        fresh = [json.loads(line) for line in numbered(now).splitlines()]
        for number in range(max(len(stored), len(fresh))):
            if stored[number : number + 1] != fresh[number : number + 1]:
                found.append(f"{path.name}, line {number + 1}")
    return found


def main() -> None:
    """Write the files, or check them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 on any difference")
    if parser.parse_args().check:
        found = differences()
        print("\n".join(found) or "golden vectors: identical")
        sys.exit(bool(found))
    (HERE / "activations.jsonl").write_text(numbered(activation_vectors()), "utf-8")
    (HERE / "models.jsonl").write_text(numbered(model_vectors()), "utf-8")


if __name__ == "__main__":
    main()
