"""Emitted headers in one C program, compared with the integer reference on this machine or on the bare core."""

from __future__ import annotations

import numpy as np

from nnhw.targets.core import arm_c
from nnhw.targets.core.core import Core
from nnhw_codegen.c import emitter
from nnhw_codegen.integers import program, reference
from nnhw_codegen.writer import Origin

WARNINGS = ("-Wconversion", "-Wsign-conversion", "-Wshadow", "-pedantic")
FORMS = ("baked", "loops")

# Row layout of `run`: codes, outputs, answer (the class; for values 1 where the outputs from ticks are the same).
RUN = """
void {m}_run(const int32_t *ticks, int32_t *row, int32_t count);
void {m}_run(const int32_t *ticks, int32_t *row, int32_t count) {{
    for (; count > 0; count--, ticks += {M}_INPUTS, row += {M}_INPUTS + {M}_OUTPUTS + 1) {{
        int32_t *y = row + {M}_INPUTS;
        {m}_codes(ticks, row);
        {m}_logits(row, y);
        {answer}
    }}
}}
"""
ANSWER_CLASS = "y[{M}_OUTPUTS] = {m}_predict_ticks(ticks);"
ANSWER_VALUES = """int32_t same = 1, again[{M}_OUTPUTS], j;
        {m}_predict_ticks(ticks, again);
        for (j = 0; j < {M}_OUTPUTS; j++) same &= again[j] == y[j];
        y[{M}_OUTPUTS] = same;"""

PRINT = """
static void {m}_print(void) {{
    int32_t ticks[{M}_INPUTS], row[{M}_INPUTS + {M}_OUTPUTS + 1], count, i;
    if (scanf("%" SCNd32, &count) != 1) return;
    for (; count > 0; count--) {{
        for (i = 0; i < {M}_INPUTS; i++) if (scanf("%" SCNd32, &ticks[i]) != 1) return;
        {m}_run(ticks, row, 1);
        for (i = 0; i < {M}_INPUTS + {M}_OUTPUTS + 1; i++) printf("%" PRId32 " ", row[i]);
    }}
    puts("");
}}
"""


def random_ticks(model, count, seed=0):
    """Ticks inside and around the range of the inputs, with rows of only extreme ones."""
    rng = np.random.default_rng(seed)
    low, high = model.tick_range
    margin = (high - low) // 4 + 2
    rows = rng.integers(low - margin, high + margin + 1, size=(count, len(low)))
    ends = rng.random((count // 4, len(low))) < 0.5
    rows[: count // 4] = np.where(ends, low, high)
    rows[0], rows[1] = -(1 << 31), (1 << 31) - 1
    return rows


def expected(model, ticks):
    """What `run` has to write, one row for each row of ticks."""
    codes = reference.codes(model, ticks)
    outputs = reference.logits(model, codes)
    answer = np.ones(len(ticks)) if model.decision == "values" else reference.board_answers(model, outputs)
    return np.column_stack([codes, outputs, answer]).astype(np.int64)


def header(model, name="m", form="auto"):
    """The emitted header's text."""
    return emitter.source(program.build(model), Origin(name, "a test", "0"), form)


def _sources(jobs):
    """``jobs``: (model, form, ticks) each. One C file that includes every header and has their `run` functions."""
    files, parts = {}, []
    for number, (model, form, _) in enumerate(jobs):
        name = f"m{number}"
        files[f"{name}.h"] = header(model, name, form).encode()
        answer = ANSWER_VALUES if model.decision == "values" else ANSWER_CLASS
        names = {"m": name, "M": name.upper()}
        parts += [f'#include "{name}.h"\n', RUN.format(answer=answer.format(**names), **names)]
    return files, "".join(parts)


def run_here(target, jobs):
    """Rows of every job, computed by this machine's compiler under its sanitizers."""
    files, text = _sources(jobs)
    names = [{"m": f"m{n}", "M": f"M{n}"} for n in range(len(jobs))]
    prints = "".join(PRINT.format(**n) for n in names)
    calls = "".join(f"{n['m']}_print();" for n in names)
    main = f"#include <inttypes.h>\n#include <stdio.h>\n{text}{prints}int main(void) {{ {calls} return 0; }}\n"
    stdin = " ".join(f"{len(t)} " + " ".join(map(str, t.ravel().tolist())) for _, _, t in jobs)
    # -O0: optimizing code with sanitizers takes the compiler ten times as long.
    output = target.run(files | {"main.c": main.encode()}, stdin=stdin.encode(), flags=("-O0", *WARNINGS))
    return [np.array(line.split(), dtype=np.int64).reshape(len(t), -1)
            for line, (_, _, t) in zip(output.splitlines(), jobs, strict=True)]  # fmt: skip


def run_on_core(jobs, flags=("-O3",)):
    """Rows of every job, computed by Cortex-M0+ code."""
    files, text = _sources(jobs)
    core = Core()
    core.load_program(arm_c.compile_c(files | {"main.c": text.encode()}, (*flags, *WARNINGS)))
    rows = []
    for number, (model, _, ticks) in enumerate(jobs):
        width = model.sizes[0] + model.sizes[-1] + 1
        given, taken = core.data(ticks.astype("<i4").tobytes()), core.data(bytes(4 * width * len(ticks)))
        core.call(f"m{number}_run", given, taken, len(ticks))
        rows.append(np.frombuffer(core.read(taken, 4 * width * len(ticks)), "<i4").reshape(len(ticks), -1))
    return rows


def assert_same(jobs, rows):
    """Every row of every job is the reference's."""
    for (model, form, ticks), found in zip(jobs, rows, strict=True):
        wrong = np.flatnonzero((found != expected(model, ticks)).any(axis=1))
        assert not wrong.size, (model.precision.name, model.sizes, form, ticks[wrong[0]], found[wrong[0]])
