"""Training at the edges of its integers: the reference engine's state, whatever code trains, wherever it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from learning_alone import taught_on
from learning_boards import LONG, PROFILES, SCHEMES, SCRIPT, Lesson, files, states
from learning_core import steps_on_core
from learning_extremes import cases, extremes

import nnrun
from nnhw.targets import ScriptTarget
from nnhw_codegen import emit_learn_thumb, emit_learn_viper

MODULES = {f"nnrun/{path.name}": path.read_bytes() for path in Path(nnrun.__file__).parent.glob("*.py")}
VIPER = MODULES["nnrun/learn_kernels_viper.py"]
PORTABLE = {name: content for name, content in MODULES.items() if content != VIPER}
SETUP = """
from nnrun.learn_core import Core
from nnrun.learn_store import read
def generated(name):
    run = __import__(name + "_learn").run
    return lambda data: Core(data, run)
"""
SLOW = ("microbit", "pico", "rp2040-core")
STEPS = 16
SEEDS = 8 if LONG else 1
TIMEOUT = 3600 if LONG else 300
Teacher = Callable[[ScriptTarget, list[Lesson]], list[bytes]]
"""Gives the state, weights, biases, remainders and noise, that each lesson leaves."""


def nnrun_with(modules: dict[str, bytes], emit: Callable[[bytes, str], bytes] | None = None) -> Teacher:
    """nnrun's modules, with a module of each model's own where there is an emitter."""

    def states_of(target: ScriptTarget, tasks: list[Lesson]) -> list[bytes]:
        content, script = dict(modules), SCRIPT + SETUP
        for number, task in enumerate(tasks):
            name = f"m{number}"
            content |= files(name, task) | ({f"{name}_learn.py": emit(task.before, "a test")} if emit else {})
            core = f"generated('{name}')" if emit else "Core"
            script += f"teach({core}, read, '{name}', {task.ticks.shape[1]})\n"
        # The wasm build loses live objects when it collects garbage, so its heap has to be one that never fills.
        heap = 64 << 20 if target.name == "wasm" else None
        return [found for found, _ in states(target.run(content, script, heap=heap, timeout=TIMEOUT), tasks)]

    return states_of


def on_core(emit: Callable[[bytes, str], bytes]) -> Teacher:
    """Machine code alone, called from here."""
    return lambda _, tasks: [state(task, steps_on_core(task, emit(task.before, "a test"))[0]) for task in tasks]


def compact(target: ScriptTarget, tasks: list[Lesson]) -> list[bytes]:
    """Modules that need no nnrun."""
    return [state(task, taught_on(target, task)[:-4]) for task in tasks]


def state(task: Lesson, data: bytes) -> bytes:
    """What training may change, out of a file without its last checksum."""
    return data[int.from_bytes(task.after[4:8], "little") :]


ENGINES = {
    "nnrun": (nnrun_with(PORTABLE), ("unix", "wasm", "pico")),
    "nnrun-viper": (nnrun_with(MODULES), ("unix", "pico")),
    "nnrun-viper-core": (on_core(lambda _, __: VIPER), ("rp2040-core",)),
    "viper": (nnrun_with(MODULES, emit_learn_viper.source), ("pico",)),
    "viper-core": (on_core(emit_learn_viper.source), ("rp2040-core",)),
    "thumb": (nnrun_with(MODULES, emit_learn_thumb.source), ("pico",)),
    "thumb-core": (on_core(emit_learn_thumb.source), ("rp2040-core",)),
    "compact": (compact, ("unix", "wasm", "microbit", "pico")),
}
GENERATED = ("viper", "viper-core", "thumb", "thumb-core")
"""They train weights of 16 bits that keep a remainder each."""

RUNS = [
    (engine, target, bits)
    for engine, (_, targets) in ENGINES.items()
    for target in targets
    for bits in PROFILES
    if bits == 16 or engine not in GENERATED
]


@pytest.mark.parametrize(("engine", "target", "bits"), RUNS, indirect=["target"])
def test_no_weight_differs_at_the_edges_of_all_integers(engine, target, bits):
    schemes = ("residual",) if engine in GENERATED else SCHEMES
    chosen = cases(bits, schemes)
    if target.name in SLOW and not LONG:
        chosen = [next(case for case in chosen if case[3] == scheme) for scheme in schemes]
    tasks = [extremes(case, STEPS, seed, engine == "compact") for case in chosen for seed in range(SEEDS)]
    found = ENGINES[engine][0](target, tasks)
    wanted = [state(task, task.after[:-4]) for task in tasks]
    names = [(case, seed) for case in chosen for seed in range(SEEDS)]
    assert [name for name, a, b in zip(names, found, wanted, strict=True) if a != b] == []
