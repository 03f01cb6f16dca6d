"""Values of several scales and answers of yes or no: the same integers and answers in every code, and learned on boards."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from conformance.networks import ORIGIN
from conftest import usable_target
from support.cases.outputs import explained, several_scales, yes_or_no

import nnrun
from nnhw.exporting.board_package import nnrun as runtime
from nnhw.running import exported as driver
from nnhw.running.exported import Exported
from nnhw.running.verify import verify_module
from nnhw_codegen import emitters
from nnhw_codegen.files import nnb, nnt
from nnhw_codegen.integers import precision, program, reference
from nnhw_codegen.integers.qmodel import QModel
from nnhw_codegen.learning.trainable import trainable
from nnhw_codegen.network.network import Network
from nnhw_codegen.quantization.quantize import quantize

# The wasm build loses live objects when it collects garbage, so its heap has to be one that never fills.
HEAP = 64 << 20
CODES = (*emitters.names(), "nnrun")
# As text, Thumb code with its script takes more memory than a micro:bit has; test_emit_thumb runs it there.
CASES = [
    (code, target.name)
    for code in CODES
    for target in driver.runs_on(code)
    if not target.opt_in and (code, target.name) != ("thumb", "microbit")
]
PACKAGE = Path(nnrun.__file__).parent
MODULES = {f"nnrun/{path.name}": path.read_bytes() for path in PACKAGE.glob("*.py")}
EMULATORS = pytest.mark.parametrize("target", ["wasm", "unix"], indirect=True)


def models(name: str) -> list[QModel]:
    """The networks of both kinds in one precision."""
    networks: list[Network] = [several_scales()[1], yes_or_no()[1]]
    return [quantize(network, precision.get(name), network.calibration) for network in networks]


def exported(model: QModel, code: str) -> Exported:
    files = (
        {**runtime(), "m.nnb": nnb.to_bytes(model)}
        if code == "nnrun"
        else emitters.get(code).emit(program.build(model), ORIGIN)
    )
    return Exported("m", files, model.sizes, bool(model.classes), code)


@pytest.mark.parametrize(("code", "target"), CASES)
def test_every_code_gives_the_integers_and_answers_of_the_reference(code: str, target: str) -> None:
    usable_target(target)
    for name in ("w8a16",) if target == "microbit" else ("w16a16", "acc16"):
        for model in models(name):
            assert verify_module(model, exported(model, code), target, 20).difference is None, (name, model.decision)


@EMULATORS
@pytest.mark.parametrize("code", ["portable", "compact", "nnrun"])
def test_values_and_names_come_as_the_reference_s(code: str, target) -> None:
    values, questions = models("w8a16")
    for model, data in ((values, several_scales()[0]), (questions, yes_or_no()[0])):
        rows = data.rows[:20]
        start = "import nnrun\nm = nnrun.load('m.nnb')" if code == "nnrun" else "import m"
        call = "predict" if model is values else "label"
        script = f"{start}\nfor row in {rows.tolist()}:\n    print(m.{call}(row))"
        printed = target.run(exported(model, code).files, script, heap=HEAP)
        found = [ast.literal_eval(line) for line in printed.splitlines()]
        wanted = reference.predict(model, rows)
        if model is values:
            assert np.allclose(found, wanted, rtol=1e-14, atol=0)
        else:
            assert found == [tuple(np.array(model.classes)[row == 1].tolist()) for row in wanted]
            assert len(set(found)) > 3


@EMULATORS
@pytest.mark.parametrize("code", ["portable", "compact", "nnrun"])
def test_answers_of_yes_or_no_take_nothing_from_the_heap(code: str, target) -> None:
    _, model = models("w8a8")
    ticks = reference.ticks(model, yes_or_no()[0].rows[:1])[0].tolist()
    start = "import nnrun\nm = nnrun.load('m.nnb')" if code == "nnrun" else "import m"
    script = f"""
{start}
import micropython
t = {ticks}
def run():
    i = 0
    micropython.heap_lock()
    while i < 100:
        m.predict_ticks(t)
        i += 1
    micropython.heap_unlock()
run()
print(m.predict_ticks(t))
"""
    bits = reference.board_answers(model, reference.logits(model, reference.codes(model, np.array([ticks]))))
    assert target.run(exported(model, code).files, script, heap=HEAP) == f"{bits[0]}\n"


def taught(target, data, network: Network, steps: int) -> tuple[np.ndarray, Network]:
    """What a board predicts of all rows after so many steps from ``network``, and the network that it saves."""
    rows = list(zip(data.rows.tolist(), data.targets.tolist(), strict=True))
    script = f"""
import nnrun.learn
net = nnrun.learn.load("m.nnt")
net.rate(1, 8)
for values, wanted in {rows[:steps]}:
    net.learn(values, wanted)
print([net.predict(values) for values in {data.rows.tolist()}])
net.save("m.nnt")
print(open("m.nnt", "rb").read())
"""
    printed = target.run({**MODULES, "m.nnt": nnt.to_bytes(trainable(network))}, script, heap=HEAP, timeout=300)
    found, saved = (ast.literal_eval(line) for line in printed.splitlines())
    return np.array(found), nnt.from_bytes(saved).to_network()


@EMULATORS
def test_every_output_explains_as_much_as_in_floats_after_100_steps_on_the_board(target) -> None:
    data, network = several_scales()
    floats = explained(data.targets, network.predict(data.rows))
    for steps in (0, 100):
        found, saved = taught(target, data, network, steps)
        saved.calibration = network.calibration
        assert explained(data.targets, found).min() > floats.min() - 0.01
        assert np.abs(explained(data.targets, found) - floats).max() < 0.01
        for name in ("w16a16", "w8a16"):
            model = quantize(saved, precision.get(name), network.calibration)
            assert np.abs(explained(data.targets, reference.predict(model, data.rows)) - floats).max() < 0.01, name


@EMULATORS
def test_questions_are_learned_on_the_board(target) -> None:
    data, network = yes_or_no()
    data = data.take(np.arange(200))
    start = Network(network.layers, network.inputs, network.classes, multilabel=True)
    last = start.layers[-1]
    start.layers = [*start.layers[:-1], type(last)(last.weights * 0.2, last.bias * 0, last.activation)]
    model = trainable(start)
    for x, wanted in zip(model.input_codes(data.rows), model.target_codes(data.targets), strict=True):
        model.learner.step(x[:, None], wanted[:, None])
    script = f"""
import nnrun.learn
net = nnrun.learn.load("m.nnt")
for values, wanted in {list(zip(data.rows.tolist(), data.targets.tolist(), strict=True))}:
    net.learn(values, wanted)
net.report()
print(net.label((0.9, 0.8)))
print([net.predict(values) for values in {data.rows.tolist()}])
"""
    files = {**MODULES, "m.nnt": nnt.to_bytes(trainable(start))}
    report, label, printed = target.run(files, script, heap=HEAP, timeout=300).splitlines()
    assert report.startswith("loss: ")
    assert label == "('right', 'up')"
    found = np.array(ast.literal_eval(printed))[:, None] >> np.arange(3) & 1
    assert np.array_equal(found, model.predict(data.rows))
    assert (found == data.targets).mean() > 0.9
