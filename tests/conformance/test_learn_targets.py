"""nnrun.learn on MicroPython: the reference engine's weights, biases and remainders on every target."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.covering import covering
from support.learning.boards import FACTORS, HEAP, count, learner, lesson, taught_by_nnrun
from support.learning.core import steps_on_core

import nnrun
from nnhw_codegen.learning.profile import SCHEMES

PACKAGE = Path(nnrun.__file__).parent
MODULES = {f"nnrun/{path.name}": path.read_bytes() for path in PACKAGE.glob("*.py")}
CASES = list(covering(FACTORS))
IMPORTS = "from nnrun.learn_core import Core\nfrom nnrun.learn_store import read, write\n"
UNIX = pytest.mark.parametrize("target", ["unix"], indirect=True)
IRIS = ((4, 8, 3), "relu", 1, "residual", 16, ("softmax", "auto"), (1, 5), "all")


def differing(target, cases, steps, modules=MODULES):
    """The cases whose state differs from the reference's after so many steps."""
    pairs = taught_by_nnrun(target, [lesson(learner(case), steps) for case in cases], modules)
    return [case for case, (found, wanted) in zip(cases, pairs, strict=True) if found != wanted]


@UNIX
def test_native_training_is_the_reference_s_after_1000_steps(target):
    assert differing(target, CASES, 1000) == []


@pytest.mark.parametrize("target", ["wasm", "unix"], indirect=True)
def test_portable_training_is_the_reference_s(target):
    portable = {name: content for name, content in MODULES.items() if name != "nnrun/learn_kernels_viper.py"}
    assert differing(target, CASES, count(60), portable) == []


@pytest.mark.parametrize("target", ["wasm"], indirect=True)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_portable_training_is_the_reference_s_after_1000_steps(target, scheme):
    assert differing(target, [(*IRIS[:3], scheme, *IRIS[4:])], 1000) == []


@pytest.mark.parametrize(("target", "kernels"), [("wasm", ""), ("unix", "_viper")], indirect=["target"])
def test_native_code_is_used_where_it_compiles(target, kernels):
    found = target.run(MODULES, "import nnrun.learn, sys\nprint([m for m in sys.modules if 'learn_kernels' in m])")
    assert found == f"['nnrun.learn_kernels{kernels}']\n"


@pytest.mark.parametrize("target", ["wasm", "unix"], indirect=True)
def test_a_step_leaves_the_heap_alone(target):
    task = lesson(learner(IRIS), 2)
    script = f"""
{IMPORTS}
import micropython
core = Core(read("m.nnt"))
i = 0
t = {task.ticks[0].tolist()}
micropython.heap_lock()
while i < 100:
    core.enter(t)
    core.aim(i % 3)
    core.step()
    i += 1
micropython.heap_unlock()
print("done")
"""
    assert target.run({**MODULES, "m.nnt": task.before}, script, heap=HEAP.get(target.name)) == "done\n"


@UNIX
def test_10000_steps_and_their_reports_do_not_grow_the_heap(target):
    script = """
import gc, nnrun.learn
net = nnrun.learn.load("m.nnt")
rows = [((5.0, 3.0, 20000.0, 0.1), 0), ((1.0, 9.0, 50000.0, -1.0), 2)] * 50
found = [0] * 11
for i in range(11):
    net.fit(rows, 10)
    gc.collect()
    found[i] = gc.mem_alloc()
print(found[1:], max(found[2:]) <= found[1])
"""
    task = lesson(learner(IRIS), 2)
    assert target.run({**MODULES, "m.nnt": task.before}, script).endswith("True\n")


@UNIX
def test_a_file_cut_at_any_byte_of_a_save_is_loaded_as_the_old_or_the_new_model(target):
    """Files cut as a loss of power cuts them: while PATH.new is written, and while PATH is where renaming fails."""
    task = lesson(learner(((2, 1), "relu", 1, "residual", 16, ("logsig", "auto"), (1, 5), "all")), 40)
    script = """
import os
from nnrun.learn_store import read, write
old = open("old.nnt", "rb").read()
new = open("new.nnt", "rb").read()
def put(name, data):
    with open(name, "wb") as f:
        f.write(data)
good = 0
for n in range(len(new)):
    put("m.nnt", old)
    put("m.nnt.new", new[:n])
    good += bytes(read("m.nnt")) == old
    put("m.nnt.new", new)
    put("m.nnt", new[:n])
    good += bytes(read("m.nnt")) == new
    good += open("m.nnt", "rb").read() == new
put("m.nnt", old)
write("m.nnt", bytearray(new))
print(good == 3 * len(new), bytes(read("m.nnt")) == new, "m.nnt.new" in os.listdir())
"""
    content = {**MODULES, "old.nnt": task.before, "new.nnt": task.after}
    assert target.run(content, script) == "True True False\n"


@pytest.mark.parametrize("case", CASES[::3], ids=str)
def test_native_training_is_the_reference_s_on_a_32_bit_core(case):
    task = lesson(learner(case), count(6))
    assert steps_on_core(task, MODULES["nnrun/learn_kernels_viper.py"])[0] == task.after[:-4]
