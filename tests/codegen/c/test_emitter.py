"""The C header computes the integers of the reference, in constant time, and compiles without a warning."""

from __future__ import annotations

import functools
import itertools
import re
import subprocess

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import c_programs as c
from support.networks import plain_network

from nnhw.errors import TargetError
from nnhw.targets import get
from nnhw.targets.core import arm_c
from nnhw.targets.core.core import Core
from nnhw_codegen.integers import precision, proof
from nnhw_codegen.integers.qmodel import QInput, QLayer, QModel
from nnhw_codegen.network import activations
from nnhw_codegen.quantization import activation_forms
from nnhw_codegen.quantization.quantize import quantize

HERE = pytest.mark.parametrize("target", ["c"], indirect=True)
ON_CORE = pytest.mark.skipif(
    bool(arm_c.why_unavailable() or get("rp2040-core").why_unavailable()), reason="no arm-none-eabi-gcc or rp2040py"
)
FEW_EXAMPLES = settings(
    max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@st.composite
def networks(draw, widest=70, most_weights=3000):
    sizes = draw(st.lists(st.integers(1, widest), min_size=2, max_size=5).filter(
        lambda s: sum(a * b for a, b in itertools.pairwise(s)) <= most_weights))  # fmt: skip
    network = plain_network(
        sizes,
        draw(st.sampled_from(activations.names())),
        seed=draw(st.integers(0, 999)),
        spread=draw(st.sampled_from((1.5, 1e-4, 300.0))),
        zeros=draw(st.sampled_from((0.0, 0.5, 0.95))),
        classes=draw(st.booleans()),
    )
    return quantize(network, draw(st.sampled_from(precision.PRECISIONS)))


def jobs_of(models, count):
    """Each model as loops, and straight-line where that stays short, with ticks of its own."""
    jobs = []
    for seed, model in enumerate(models):
        weights = sum(layer.weights.size for layer in model.layers)
        jobs += [
            (model, form, c.random_ticks(model, count, seed)) for form in c.FORMS if form == "loops" or weights < 800
        ]
    return jobs


def batches(**limits):
    return st.lists(networks(**limits), min_size=6, max_size=6)


@HERE
@FEW_EXAMPLES
@given(models=batches())
def test_random_networks_give_the_reference_under_sanitizers(target, models):
    jobs = jobs_of(models, 40)
    c.assert_same(jobs, c.run_here(target, jobs))


@ON_CORE
@FEW_EXAMPLES
@given(models=batches(widest=20, most_weights=500), level=st.sampled_from(("-O3", "-Os", "-O0")))
def test_random_networks_give_the_reference_on_the_core(models, level):
    jobs = jobs_of(models, 12)
    c.assert_same(jobs, c.run_on_core(jobs, (level,)))


@functools.cache
def every_kind():
    """One small network for every activation and precision."""
    return [
        quantize(plain_network((3, 5, 3), name, seed), p)
        for seed, name in enumerate(activations.names())
        for p in precision.PRECISIONS
    ]


@HERE
def test_every_activation_and_precision_gives_the_reference_under_sanitizers(target):
    jobs = jobs_of(every_kind(), 60)
    c.assert_same(jobs, c.run_here(target, jobs))


@ON_CORE
def test_every_activation_and_precision_gives_the_reference_on_the_core():
    jobs = jobs_of(every_kind(), 16)
    c.assert_same(jobs, c.run_on_core(jobs))


def one_neuron(name, p):
    """The activation alone: code in, output out, for every code."""
    limit = (1 << (p.activation_bits[0] - 1)) - 1
    z_frac, output_frac = activation_forms.formats(activations.get(name), 12 if limit > 255 else 4, limit)
    expr = activation_forms.integer_form(activations.get(name), z_frac, output_frac, limit)
    one, zero, reach = np.array([[1]]), np.array([0]), np.array([limit])
    layer = QLayer(one, zero, zero, limit, expr, z_frac, zero + z_frac, zero + output_frac, -reach, reach)
    model = QModel(p, (QInput("z", 1.0, -limit, 2 * limit, 1, -limit, 0),), (layer,), outputs=("y",), offsets=(0.0,))
    proof.check(model)
    return model, "baked", np.arange(-limit - 1, limit + 2)[:, None]


@HERE
def test_every_code_of_every_activation_gives_the_reference(target):
    jobs = [one_neuron(name, precision.get(p)) for p in ("w16a16", "w8a8") for name in activations.names()]
    assert len(jobs[0][2]) == 65537
    c.assert_same(jobs, c.run_here(target, jobs))


def full_lanes(units):
    """Two 8-bit inputs whose sums reach exactly +-32767, the last that fits a lane, in every combination."""
    signs = np.resize([[1, 1], [-1, -1], [1, -1]], (units, 2))
    bias = np.resize([509, -509, 509, -509], units)
    inputs = tuple(QInput(f"x{i}", 1.0, -127, 254, 1, -127, 0) for i in range(2))
    bounds = proof.accumulator_bounds(127 * signs, bias, np.full(2, -127), np.full(2, 127))
    layer = QLayer(127 * signs, bias, np.arange(units) * 3 % 14, 0, None, 0, 0 * bias, 0 * bias, *bounds)
    return QModel(
        precision.get("acc16"), inputs, (layer,), outputs=tuple(map(str, range(units))), offsets=(0.0,) * units
    )


@HERE
def test_full_lanes_do_not_disturb_each_other(target):
    grid = np.array([(a, b) for a in (-127, -126, 0, 1, 127) for b in (-127, -1, 0, 126, 127)])
    jobs = [(full_lanes(units), form, grid) for units in (2, 5, 11) for form in c.FORMS]
    assert max(job[0].layers[0].high.max() for job in jobs) == 32767
    assert all("m_low(a0)" in c.header(model, form=form).split("m_logits")[0 if form == "loops" else 1]
               for model, form, _ in jobs)  # fmt: skip
    c.assert_same(jobs, c.run_here(target, jobs))
    if not arm_c.why_unavailable():
        c.assert_same(jobs, c.run_on_core(jobs))


@HERE
def test_a_dead_unit_that_shares_a_word_with_a_live_one_is_left_out(target):
    network = plain_network((3, 4, 4, 2), "relu")
    _, second, third = network.layers
    second.weights[:] = [[0.5, 0, 0, 0], [0, 0.5, 0, 0], [0, 0, 0.5, 0], [0, 0, 0, 0.5]]
    third.weights[:] = [[1, 0, 0, 0], [0, 0, 0, 1]]
    model = quantize(network, precision.get("acc16"))
    text = c.header(model, form="baked")
    assert "h0_0" in text
    assert "h0_1" not in text
    jobs = [(model, "baked", c.random_ticks(model, 60))]
    c.assert_same(jobs, c.run_here(target, jobs))


@ON_CORE
@pytest.mark.parametrize("form", c.FORMS)
@pytest.mark.parametrize(("activation", "p"), [("relu", "w8a8"), ("softplus", "w16a16"), ("logsig", "acc16")])
def test_a_prediction_takes_the_same_cycles_for_every_input(activation, p, form):
    model = quantize(plain_network((4, 8, 3), activation, 3), precision.get(p))
    entry = (
        '#include "m.h"\nint32_t f(const int32_t *t);\nint32_t f(const int32_t *t) { return m_predict_ticks(t); }\n'
    )
    core = Core()
    core.load_program(arm_c.compile_c({"m.h": c.header(model, form=form).encode(), "main.c": entry.encode()}))
    buffer, cycles = core.data(bytes(16)), set()
    for row in c.random_ticks(model, 1000):
        core.write(buffer, row.astype("<i4").tobytes())
        cycles.add(core.call("f", buffer).cycles)
    assert len(cycles) == 1


# Cycles from codes to the class index at -O3, a relu network without a zero weight: (straight-line, acc16).
BUDGETS = {(4, 8, 3): (400, 320), (4, 16, 16, 3): (2000, 1900), (64, 32, 10): (12800, 7700)}


@ON_CORE
@pytest.mark.parametrize("sizes", BUDGETS, ids=str)
def test_a_prediction_stays_within_its_cycle_budget(sizes):
    entry = (
        '#include "m.h"\nint32_t f(const int32_t *x);\nint32_t f(const int32_t *x) { return m_predict_codes(x); }\n'
    )
    for p, budget in zip(("w8a8", "acc16"), BUDGETS[sizes], strict=True):
        model = quantize(plain_network(sizes, "relu", 1), precision.get(p))
        core = Core()
        core.load_program(arm_c.compile_c({"m.h": c.header(model, form="baked").encode(), "main.c": entry.encode()}))
        assert core.call("f", core.data(bytes(4 * sizes[0]))).cycles <= budget


AWKWARD = ('quote " and \\', "trigraph ??/", "Größe\n2")


def awkward():
    network = plain_network((2, 3), "relu")
    names = [f"{text} */ int x; /* //" for text in AWKWARD[:2]]
    inputs = tuple(
        type(i)(name, i.mean, i.scale, i.step, i.low, i.high) for name, i in zip(names, network.inputs, strict=True)
    )
    return quantize(type(network)(network.layers, inputs, AWKWARD), precision.get("w8a8"))


@HERE
def test_names_with_any_characters_reach_the_program(target):
    main = """#include <stdio.h>
#include "m.h"
int main(void) { for (int i = 0; i < M_CLASSES; i++) printf("%s|", m_class_names[i]); return 0; }
"""
    found = target.run({"m.h": c.header(awkward()).encode(), "main.c": main.encode()}, flags=c.WARNINGS)
    assert found == "|".join((*AWKWARD, ""))


@HERE
def test_another_format_is_refused_with_what_to_do(target):
    main = b'#define NNHW_EXPECT_FORMAT 99\n#include "m.h"\nint main(void) { return 0; }\n'
    with pytest.raises(TargetError, match=r"m\.h was made for format 2.*run nnhw export again"):
        target.run({"m.h": c.header(awkward()).encode(), "main.c": main})


@HERE
def test_raw_values_become_the_ticks_of_the_reference(target):
    model = quantize(plain_network((3, 2), "relu"), precision.get("w8a16"))
    grid = np.arange(-30, 131).repeat(3).reshape(-1, 3)
    far = np.array([[1e9, -1e9, 1e30], [-1e30, np.inf, -np.inf], [-0.0, 1e-40, -1e-40]])
    values = np.vstack([grid * 0.1, far])
    main = """#include <stdio.h>
#include "m.h"
int main(void) {
    float v[3]; int32_t t[3];
    while (fread(v, sizeof v, 1, stdin) == 1)
        printf("%d ", m_ticks(v, t)), printf("%d %d %d ", t[0], t[1], t[2]);
    v[1] = 0.0f / 0.0f;
    printf("%d ", m_ticks(v, t));
    return 0;
}
"""
    stdin = values.astype(np.float32).tobytes()
    files = {"m.h": c.header(model).encode(), "main.c": main.encode()}
    *found, refused = np.array(target.run(files, stdin=stdin, flags=c.WARNINGS).split(), dtype=int)
    found = np.array(found).reshape(-1, 4)
    assert refused == 0
    assert (found[:, 0] == 1).all()
    np.testing.assert_array_equal(found[:, 1:], c.reference.ticks(model, values))


def test_only_the_entry_for_raw_values_names_floats():
    for form in c.FORMS:
        text = c.header(every_kind()[-1], form=form)
        integer_part = re.sub(r"/\*.*?\*/", "", text.partition("/* Raw values to ticks")[0])
        assert not re.search(r"float|double|\d\.\d|malloc|memcpy|[^<]string", integer_part)


@ON_CORE
@pytest.mark.parametrize("form", c.FORMS)
def test_the_header_is_cpp11_too(tmp_path, form):
    models = every_kind()
    for number, model in enumerate(models):
        (tmp_path / f"m{number}.h").write_text(c.header(model, f"m{number}", form))
    (tmp_path / "main.cpp").write_text("".join(f'#include "m{n}.h"\n' for n in range(len(models))))
    flags = ["-std=c++11", "-Wall", "-Wextra", *c.WARNINGS, "-Werror", *arm_c.MACHINE, "-fsyntax-only"]
    done = subprocess.run(
        ["arm-none-eabi-g++", *flags, "main.cpp"], check=False, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
