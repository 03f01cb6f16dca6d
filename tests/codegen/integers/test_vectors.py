"""SPEC, its executable form and the golden vectors agree; each edge asks the product."""

import base64
import json
import re
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from support.scalar_engine import ScalarEngine
from vectors import make_vectors

from nnhw_codegen.files import nnb
from nnhw_codegen.integers import fixed, proof, reference
from nnhw_codegen.integers.expr import MEANING, evaluate
from nnhw_codegen.integers.qmodel import FORMAT, QInput
from nnhw_codegen.network import activations
from nnhw_codegen.quantization.activation_forms import integer_form
from nnhw_codegen.quantization.quantize import code_limit

ROOT = Path(__file__).parents[3]
VECTORS = ROOT / "tests/vectors"


SPEC = (ROOT / "SPEC.md").read_text("utf-8")
CLAUSES = set(re.findall(r"^- \*\*(\d+\.\d+)\*\*", SPEC, re.MULTILINE))


def lines(name):
    return [json.loads(line) for line in (VECTORS / name).read_text("utf-8").splitlines()]


def entry(fields):
    return QInput("x", 1.0, *(fields[key] for key in ("low", "span", "gain", "offset", "shift")))


def activate(fields):
    expr = integer_form(activations.get(fields["name"]), fields["frac"], fields["frac"], 32767)
    return evaluate(expr, np.array(fields["z"])).tolist()


def decide(kind, outputs):
    model = type("Model", (), {"decision": kind})
    return int(reference.board_answers(model, np.array([outputs]))[0])


def real(fields):
    model = type("Model", (), {"output_frac": np.array(fields["frac"]), "offsets": fields["offset"]})
    return reference.reals(model, np.array([fields["outputs"]]))[0].tolist()


def code(fields):
    model = type("Model", (), {"inputs": (entry(fields),)})
    return int(reference.codes(model, np.array([[fields["tick"]]]))[0, 0])


def ticks(fields):
    (value,) = struct.unpack(">f", bytes.fromhex(fields[0]))
    model = type("Model", (), {"inputs": (QInput("x", float(fields[1]), 0, 1, 1, 0, 0),)})
    try:
        return int(reference.ticks(model, np.array([[value]]))[0, 0])
    except ValueError:
        return "ValueError"


def reciprocal(step):
    found = QInput("x", float(step), 0, 1, 1, 0, 0).reciprocal
    return [found.factor, found.exponent]


def bounds(fields):
    arrays = [np.array(fields[key]) for key in ("weights", "bias", "low", "high")]
    low, high = proof.accumulator_bounds(arrays[0][None], arrays[1][None], *arrays[2:])
    return [int(low[0]), int(high[0])]


OPERATIONS = {
    "to_real": lambda v: float(fixed.to_real(v[0], v[1])),
    "to_code": lambda v: int(fixed.to_code(v[0], v[1])),
    "shift_round": lambda v: int((v[0] + fixed.rounding(v[1])) >> v[1]),
    "saturate": lambda v: int(fixed.saturate(v[0], v[1])),
    "code_limit": lambda v: code_limit(*v),
    "best_frac": lambda v: fixed.best_frac(*v),
    "bounds": bounds,
    "fits": lambda v: not proof.overflowing(v[1], np.array([0]), np.array([v[0]])).size,
    "z_fits": lambda v: not proof.z_too_wide(np.array([v[1]]), np.array([0]), np.array([v[0]])),
    "ticks": ticks,
    "reciprocal": reciprocal,
    "code": code,
    "code_range": lambda v: list(entry(v).code_range),
    "meaning": lambda v: int(MEANING[v[0]](np.int64(v[1]), np.int64(v[2]))),
    "activate": activate,
    "argmax": lambda v: decide("argmax", v),
    "threshold": lambda v: decide("threshold", v),
    "multilabel": lambda v: decide("multilabel", v),
    "reals": real,
}


@pytest.mark.parametrize("vector", lines("edges.jsonl"), ids=lambda v: f"{v['id']}-{v['clause']}-{v['op']}")
def test_an_edge_holds(vector):
    assert OPERATIONS[vector["op"]](vector["in"]) == vector["out"], vector["why"]


def test_the_reference_gives_the_stored_vectors():
    assert make_vectors.differences() == []


def test_a_second_reading_of_the_spec_gives_the_stored_vectors():
    for vector in lines("models.jsonl"):
        engine = ScalarEngine(nnb.from_bytes(base64.b64decode(vector["in"]["nnb"])))
        assert [engine.codes(row) for row in vector["in"]["ticks"]] == vector["out"]["codes"], vector["why"]
        assert [engine.logits(row) for row in vector["in"]["ticks"]] == vector["out"]["outputs"], vector["why"]


def test_every_vector_belongs_to_this_format_and_names_a_clause():
    vectors = [v for name in ("edges.jsonl", "activations.jsonl", "models.jsonl") for v in lines(name)]
    assert {v.get("format", FORMAT) for v in vectors} == {FORMAT}
    assert {v["clause"] for v in vectors} <= CLAUSES
    assert f"**FORMAT {FORMAT}.**" in SPEC


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_edge_asks_the_product(name):
    """An operation that computed its answer here would hold whatever the product does."""
    vector = next(v for v in lines("edges.jsonl") if v["op"] == name)
    files = set()
    sys.setprofile(lambda frame, event, value: files.add(frame.f_code.co_filename))
    try:
        OPERATIONS[name](vector["in"])
    finally:
        sys.setprofile(None)
    assert [path for path in files if "nnhw_codegen" in Path(path).parts], name
