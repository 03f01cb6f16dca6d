"""Every golden model gives its stored integers in every code: on bare cores, here and under MicroPython."""

from __future__ import annotations

import base64
import json
from array import array
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import usable_target
from support import c_programs

from nnhw.boards import mpy_cross
from nnhw.targets import TARGETS, CoreTarget
from nnhw.targets.core import arm_c
from nnhw.targets.core.module_on_core import ModuleOnCore
from nnhw_codegen import emitters
from nnhw_codegen.files import nnb
from nnhw_codegen.integers import precision, program
from nnhw_codegen.integers.fixed import IntArray
from nnhw_codegen.integers.qmodel import QModel
from nnhw_codegen.writer import Origin

PRECISIONS = precision.names()
CORES = [target for target in TARGETS if isinstance(target, CoreTarget)]


class Vector(NamedTuple):
    """A stored model with its ticks and what they must give."""

    model: QModel
    ticks: IntArray
    codes: list[list[int]]
    outputs: list[list[int]]
    answers: list[Any]


def read_vectors() -> dict[str, list[Vector]]:
    """All vectors by precision."""
    found: dict[str, list[Vector]] = {name: [] for name in PRECISIONS}
    text = (Path(__file__).parents[1] / "vectors/models.jsonl").read_text("utf-8")
    for line in map(json.loads, text.splitlines()):
        model = nnb.from_bytes(base64.b64decode(line["in"]["nnb"]))
        out = line["out"]
        answers = [v if not isinstance(v, list) else v[0] if len(v) == 1 else tuple(v) for v in out["answers"]]
        vector = Vector(model, np.array(line["in"]["ticks"]), out["codes"], out["outputs"], answers)
        found[model.precision.name].append(vector)
    return found


VECTORS = read_vectors()


def source(vector: Vector, code: str) -> bytes:
    (content,) = emitters.get(code).emit(program.build(vector.model), Origin("m", "a test", "0")).values()
    return content


def test_every_precision_has_the_same_number_of_vectors() -> None:
    assert {name: len(vectors) for name, vectors in VECTORS.items()} == dict.fromkeys(PRECISIONS, 29)


@pytest.mark.parametrize(
    ("target", "code"),
    [(target.name, code) for code in ("viper", "thumb") for target in CORES if code in target.codes],
    indirect=["target"],
)
@pytest.mark.parametrize("name", PRECISIONS)
def test_every_vector_is_exact_as_machine_code_on_a_core(name: str, target: Any, code: str) -> None:
    if mpy_cross.why_unavailable():
        pytest.skip(f"mpy-cross: {mpy_cross.why_unavailable()}")
    for vector in VECTORS[name]:
        m = ModuleOnCore(source(vector, code), core=target.core()).module
        t, x, y = (array("i", bytes(4 * n)) for n in (vector.ticks.shape[1],) * 2 + (vector.model.sizes[-1],))
        rows = zip(vector.ticks.tolist(), vector.codes, vector.outputs, vector.answers, strict=True)
        for ticks, codes, outputs, answer in rows:
            t[:], x[:] = array("i", ticks), array("i", codes)
            assert m.predict_ticks(t) == answer
            y[:] = array("i", bytes(4 * len(y)))
            m.logits_from_codes(x, y)
            assert y.tolist() == outputs


SCRIPT = """
import json, sys
from array import array
for number, (rows, codes, outputs) in enumerate(json.loads(open("rows.json").read())):
    m = __import__("m%d" % number)
    y = array("i", [0] * outputs)
    for ticks, code in zip(rows, codes):
        m.logits_from_codes(array("i", code), y)
        found = [list(y)]
        m.logits_from_ticks(array("i", ticks), y)
        print(json.dumps(found + [list(y), m.predict_ticks(array("i", ticks))]))
    del m, sys.modules["m%d" % number]
"""


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("unix", "viper"),
        *(("qemu-m4", code) for code in ("portable", "compact", "viper", "thumb")),
        *(("qemu-rv32", code) for code in ("portable", "compact", "viper")),
    ],
    indirect=["target"],
)
@pytest.mark.parametrize("name", PRECISIONS)
def test_every_vector_is_exact_under_micropython(name: str, target: Any, code: str) -> None:
    vectors = VECTORS[name]
    files = {f"m{n}.py": source(vector, code) for n, vector in enumerate(vectors)}
    files["rows.json"] = json.dumps([[v.ticks.tolist(), v.codes, v.model.sizes[-1]] for v in vectors]).encode()
    found = [json.loads(line) for line in target.run(files, SCRIPT, timeout=300).splitlines()]
    stored = [row for vector in vectors for row in zip(vector.outputs, vector.answers, strict=True)]
    assert [row[:2] for row in found] == [[outputs, outputs] for outputs, _ in stored]
    digits = 1e-15 if target.name == "unix" else 1e-6  # values are floats of the board
    for (*_, answer), (_, wanted) in zip(found, stored, strict=True):
        assert answer == pytest.approx(list(wanted) if isinstance(wanted, tuple) else wanted, rel=digits, abs=0)


def assert_stored(vectors: list[Vector], rows: list[IntArray]) -> None:
    """Rows of codes, outputs and the class, for values 1, are those of the vectors."""
    for vector, found in zip(vectors, rows, strict=True):
        values = vector.model.decision == "values"
        answers = np.ones(len(found), np.int64) if values else np.array(vector.answers)
        np.testing.assert_array_equal(found, np.column_stack([vector.codes, vector.outputs, answers]))


@pytest.mark.parametrize("target", ["c"], indirect=True)
@pytest.mark.parametrize("name", PRECISIONS)
def test_every_vector_is_exact_as_c_under_sanitizers(name: str, target: Any) -> None:
    jobs = [(vector.model, "auto", vector.ticks) for vector in VECTORS[name]]
    assert_stored(VECTORS[name], c_programs.run_here(target, jobs))


@pytest.mark.parametrize("toolchain", arm_c.TOOLCHAINS, ids=lambda toolchain: toolchain.target)
@pytest.mark.parametrize("name", PRECISIONS)
def test_every_vector_is_exact_as_c_on_a_core(name: str, toolchain: arm_c.Toolchain) -> None:
    usable_target(toolchain.target)
    if arm_c.why_unavailable(toolchain):
        pytest.skip(f"{toolchain.target}: {arm_c.why_unavailable(toolchain)}")
    jobs = [(vector.model, "auto", vector.ticks) for vector in VECTORS[name]]
    assert_stored(VECTORS[name], c_programs.run_on_core(jobs, ("-O1",), toolchain))
