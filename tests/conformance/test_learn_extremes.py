"""Training at the edges of its integers: the reference engine's state, whatever code trains, wherever it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.learning.alone import modules, taught_on
from support.learning.boards import LONG, PROFILES, Emit, Lesson, generated_cases, taught_by_nnrun
from support.learning.core import steps_on_core
from support.learning.extremes import CASES, STEEP_CASES, extremes, shared_halves

import nnrun
from nnhw.targets import ScriptTarget
from nnhw_codegen.learning.profile import SCHEMES
from nnhw_codegen.thumb import learn as thumb_learn
from nnhw_codegen.viper import learn as viper_learn

MODULES = {f"nnrun/{path.name}": path.read_bytes() for path in Path(nnrun.__file__).parent.glob("*.py")}
VIPER = MODULES["nnrun/learn_kernels_viper.py"]
PORTABLE = {name: content for name, content in MODULES.items() if content != VIPER}
QEMU = ("qemu-m4", "qemu-rv32")
CORES = ("rp2040-core", "cortex-m", "rv32-core", "xtensa-core")
SLOW = ("microbit", "pico", *QEMU)
SEEDS = 4 if LONG else 1
MICROBIT_BYTES = 8_400
"""Of a model and its modules: what a micro:bit has room for."""
PORTION = 16
"""Lessons at once: a Pico has room for no more with code of its own for each."""
Teacher = Callable[[ScriptTarget, list[Lesson]], list[bytes]]
"""Gives the state, weights, biases, remainders and noise, that each lesson leaves."""


def nnrun_with(modules: dict[str, bytes], emit: Emit | None = None) -> Teacher:
    """nnrun's modules, with a module of each model's own where there is an emitter."""
    return lambda target, tasks: [found for found, _ in taught_by_nnrun(target, tasks, modules, emit)]


def on_core(emit: Emit) -> Teacher:
    """Machine code alone, called from here."""
    return lambda target, tasks: [
        state(task, steps_on_core(task, emit(task.before, "a test"), target.name)[0]) for task in tasks
    ]


def compact(target: ScriptTarget, tasks: list[Lesson]) -> list[bytes]:
    """Modules that need no nnrun."""
    return [state(task, taught_on(target, task)[:-4]) for task in tasks]


def state(task: Lesson, data: bytes) -> bytes:
    """What training may change, out of a file without its last checksum."""
    return data[int.from_bytes(task.after[4:8], "little") :]


ENGINES = {
    "nnrun": (nnrun_with(PORTABLE), ("unix", "wasm", "pico", *QEMU)),
    "nnrun-viper": (nnrun_with(MODULES), ("unix", "pico", "qemu-rv32")),
    "nnrun-viper-core": (on_core(lambda _, __: VIPER), CORES),
    "viper": (nnrun_with(MODULES, viper_learn.source), ("pico", *QEMU)),
    "viper-core": (on_core(viper_learn.source), CORES),
    "thumb": (nnrun_with(MODULES, thumb_learn.source), ("pico", "qemu-m4")),
    "thumb-core": (on_core(thumb_learn.source), ("rp2040-core", "cortex-m")),
    "compact": (compact, ("unix", "wasm", "microbit", "pico", *QEMU)),
}
GENERATED = ("viper", "viper-core", "thumb", "thumb-core")

RUNS = [
    (engine, target, bits)
    for engine, (_, targets) in ENGINES.items()
    for target in targets
    for bits in PROFILES
    if bits == 16 or engine not in GENERATED
]


@pytest.mark.parametrize(("engine", "target", "bits"), RUNS, indirect=["target"])
def test_no_integer_differs_at_the_edges(engine, target, bits):
    schemes = ("residual",) if engine in GENERATED else SCHEMES
    named, brief = engine == "compact", target.name in SLOW and not LONG
    known = CASES if named else CASES + STEEP_CASES
    chosen = generated_cases(known) if engine in GENERATED else [case for case in known if case[4] == bits]
    if target.name == "microbit":
        chosen += [(*HALVES[:3], scheme, bits, *HALVES[5:]) for scheme in schemes]  # few others are small enough
    lessons = {
        (case, seed): extremes(case, 8 if brief else 16, seed, named) for case in chosen for seed in range(SEEDS)
    }
    if target.name == "microbit":
        lessons = {name: task for name, task in lessons.items() if size(task) <= MICROBIT_BYTES}
    assert {case[3] for case, _ in lessons} == set(schemes)
    if brief:
        first = {case[3]: (case, seed) for case, seed in reversed(lessons)}
        lessons = {name: lessons[name] for name in first.values()}
    tasks = list(lessons.values())
    found = [
        after
        for first in range(0, len(tasks), PORTION)
        for after in ENGINES[engine][0](target, tasks[first : first + PORTION])
    ]
    wanted = [state(task, task.after[:-4]) for task in tasks]
    assert [name for name, a, b in zip(lessons, found, wanted, strict=True) if a != b] == []


HALVES = ((1, 3), "relu", 1, "residual", 16, ("softmax", "auto"), (1, 5), "all")


@pytest.mark.parametrize(("engine", "target", "bits"), [run for run in RUNS if run[2] == 16], indirect=["target"])
def test_a_probability_with_no_remainder_is_divided_exactly(engine, target, bits):
    lessons = shared_halves(HALVES, 1 if target.name in SLOW else 4)
    found = ENGINES[engine][0](target, lessons)
    assert found == [state(task, task.after[:-4]) for task in lessons]


def size(task: Lesson) -> int:
    """Bytes of a model and of the modules that train it without nnrun."""
    return len(task.before) + sum(map(len, modules(task.before).values()))
