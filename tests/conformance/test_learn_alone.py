"""Training without nnrun: the reference engine's weights, biases and remainders on every target, the micro:bit too."""

from __future__ import annotations

import contextlib
import importlib
import sys

import numpy as np
import pytest
from support.covering import covering
from support.learning.alone import modules, task, taught_on
from support.learning.boards import FACTORS, LONG, count, learner
from support.small_disk import Disk, PowerCut

from nnhw.data import datasets
from nnhw.training.train import create
from nnhw_codegen.files import nnt
from nnhw_codegen.learning.trainable import trainable

CASES = list(covering(FACTORS))
IRIS = ((4, 8, 3), "relu", 1, "residual", 16, ("softmax", "auto"), (1, 5), "all")
SMALL = (
    ((4, 8, 3), "relu", 0.5, "carry", 16, ("logsig", "auto"), (1, 5), "all"),
    ((4, 8, 3), "leaky_relu", 0, "lcg", 8, ("softmax", "auto"), (3, 8), "last"),
    ((4, 8, 3), "identity", 1, "nearest", 16, ("logsig", "mse"), (1, 2), "first"),
    ((4, 8, 3), "logsig", 1, "residual", 16, ("logsig", "auto"), (1, 5), "all"),
    ((2, 1), "relu", 1, "residual", 8, ("tanh", "mse"), (1, 5), "all"),
    ((2, 3, 1), "tanh", 1, "residual", 16, ("identity", "mse"), (1, 5), "all"),
    ((2, 3, 1), "softplus", 1, "residual", 16, ("identity", "mse"), (1, 5), "all"),
)
"""What fits the heap of a micro:bit; with IRIS, every activation, derivative at zero, and scheme."""

ON = pytest.mark.parametrize("target", ["microbit", "wasm", "unix"], indirect=True)


@ON
def test_iris_is_the_reference_s_after_1000_steps(target):
    lesson = task(IRIS, 100, turns=10)
    assert taught_on(target, lesson, turns=10) == lesson.after


@pytest.mark.parametrize("target", ["microbit"], indirect=True)
@pytest.mark.parametrize("case", SMALL, ids=str)
def test_training_is_the_reference_s_on_a_micro_bit(target, case):
    turns = count(20) // 20
    lesson = task(case, 20, turns)
    assert taught_on(target, lesson, turns) == lesson.after


@pytest.mark.parametrize("target", ["wasm", "unix"] if LONG else ["unix"], indirect=True)
@pytest.mark.parametrize("case", CASES if LONG else CASES[::2], ids=str)
def test_training_is_the_reference_s(target, case):
    lesson = task(case, count(40))
    assert taught_on(target, lesson) == lesson.after


@pytest.mark.parametrize("target", ["wasm", "unix"], indirect=True)
def test_a_step_leaves_the_heap_alone(target):
    lesson = task(IRIS, 2)
    script = f"""
import m_learn, micropython
m_learn.load("m.nnt")
t = {lesson.ticks[0].tolist()}
i = 0
micropython.heap_lock()
while i < 100:
    m_learn.learn_ticks(t, i % 3)
    m_learn.predict_ticks(t)
    i += 1
micropython.heap_unlock()
print("done")
"""
    assert target.run({**modules(lesson.before), "m.nnt": lesson.before}, script, heap=64 << 20) == "done\n"


@pytest.mark.parametrize("target", ["unix"], indirect=True)
def test_a_file_cut_at_any_byte_of_a_save_is_loaded_as_the_old_or_the_new_model(target):
    lesson = task(((2, 1), "relu", 1, "residual", 16, ("logsig", "auto"), (1, 5), "all"), 40)
    script = """
import m_learn_save
from m_learn import load, save
from m_learn_state import S
def get(name):
    with open(name, "rb") as f:
        return f.read()
def put(name, data):
    with open(name, "wb") as f:
        f.write(data)
old, new = get("old.nnt"), get("new.nnt")
def loaded():
    load("m.nnt")
    return b"".join(bytes(a) for a in S)
def state(data):
    return data[-sum(len(bytes(a)) for a in S) - 4 : -4]
good = 0
for n in range(len(new)):
    put("m.nnt", old)
    put("m.nnt.new", new[:n])
    good += loaded() == state(old)
    put("m.nnt.new", new)
    put("m.nnt", new[:n])
    good += loaded() == state(new)
    good += get("m.nnt") == new
put("m.nnt", old)
load("m.nnt")
put("m.nnt.new", new)
load("m.nnt.new")
save("m.nnt")
print(good == 3 * len(new), get("m.nnt") == new, get("m.nnt.new") == new)
"""
    content = {**modules(lesson.before), "old.nnt": lesson.before, "new.nnt": lesson.after}
    assert target.run(content, script) == "True True True\n"


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Import the modules of a model as m_learn, with its file loaded."""

    def load(model):
        for name, content in modules(nnt.to_bytes(model)).items():
            (tmp_path / name).write_bytes(content)
        nnt.save(model, tmp_path / "m.nnt")
        net = importlib.import_module("m_learn")
        net.load(str(tmp_path / "m.nnt"))
        return net

    monkeypatch.syspath_prepend(str(tmp_path))
    yield load
    for name in [name for name in sys.modules if name.startswith("m_learn")]:
        del sys.modules[name]


def iris():
    dataset = datasets.load("iris")
    return trainable(create(datasets.inputs_from(dataset), (8,), classes=dataset.classes)), dataset


def test_raw_values_are_learned_and_answered_as_on_the_host(load, tmp_path):
    model, dataset = iris()
    net = load(model)
    learner = model.learner
    codes, targets = model.input_codes(dataset.rows), model.target_codes(dataset.targets)
    for epoch in range(10):
        if epoch == 5:
            net.rate(3, 7)
            learner.set_rate(3, 7)
        for n, (row, target) in enumerate(zip(dataset.rows.tolist(), dataset.targets.tolist(), strict=True)):
            net.learn(row, target)
            learner.step(codes[n][:, None], targets[n][:, None])
    net.save(str(tmp_path / "m.nnt"))
    assert (tmp_path / "m.nnt").read_bytes() == nnt.to_bytes(model)
    found = [net.predict(row) for row in dataset.rows.tolist()]
    assert found == model.predict(dataset.rows).tolist()
    assert net.label(dataset.rows[0].tolist()) == net.CLASSES[found[0]]
    assert np.mean(np.array(found) == dataset.targets) > 0.9


def test_values_are_answered_as_on_the_host(load):
    model = learner(((2, 3, 1), "tanh", 1, "residual", 16, ("identity", "mse"), (1, 5), "all"))
    net = load(model)
    rows = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    assert [net.predict(row) for row in rows.tolist()] == model.predict(rows)[:, 0].tolist()


def test_a_disk_that_fills_up_between_two_cut_saves_loses_no_model(load, tmp_path, monkeypatch):
    """A log takes what a cut save gave free; so loading cannot finish that save, and the next one fails or is cut."""
    net = load(learner(((2, 1), "relu", 1, "residual", 16, ("logsig", "auto"), (1, 5), "all")))
    whole = (tmp_path / "m.nnt").read_bytes()
    size = len(whole)

    def save_twice(disk):
        for module in ("m_learn_save", "m_learn_load"):
            monkeypatch.setattr(sys.modules[module], "open", disk.open, raising=False)
        events, disk.left = disk.left, 10**6
        net.load("m.nnt")
        disk.left = events
        for _ in range(2):
            with contextlib.suppress(PowerCut, OSError):
                net.save("m.nnt")
        return disk.files

    for spare in (0, 100, size):
        for first in (*range(0, 2 * size + 4, 61), *range(size, size + 4)):
            cut = Disk({"m.nnt": whole, "m.nnt.new": whole}, "none", first)
            files = save_twice(cut)
            files["log"] = bytes(2 * size + spare - sum(map(len, files.values())))
            for second in (*range(0, 2 * size + 4, 61), *range(4), *range(size, size + 4)):
                left = save_twice(Disk(files, "none", second, 2 * size + spare))
                assert whole in (left["m.nnt"], left["m.nnt.new"]), (spare, first, second)


def test_the_file_of_another_model_is_refused(load, tmp_path):
    net = load(iris()[0])
    nnt.save(learner(((4, 8, 3), "relu", 1, "residual", 16, ("softmax", "auto"), (1, 5), "all")), tmp_path / "o.nnt")
    with pytest.raises(ValueError, match=r"o\.nnt: another model"):
        net.load(str(tmp_path / "o.nnt"))
    damaged = bytearray((tmp_path / "m.nnt").read_bytes())
    damaged[300] ^= 1
    (tmp_path / "m.nnt").write_bytes(damaged)
    with pytest.raises(ValueError, match=r"m\.nnt: damaged, copy it again"):
        net.load(str(tmp_path / "m.nnt"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net: net.predict((1, 2, 3)), "expected 4 values, found 3"),
        (lambda net: net.learn((1, 2, 3, 4), 3), "class 3 of 3"),
        (lambda net: net.learn((1, 2, 3, 4), -1), "class -1 of 3"),
        (lambda net: net.rate(2, 5), "expected 1 or 3, and 0 to 20"),
        (lambda net: net.rate(1, 21), "expected 1 or 3, and 0 to 20"),
    ],
)
def test_bad_arguments_are_named(load, call, message):
    with pytest.raises(ValueError, match=message):
        call(load(iris()[0]))
