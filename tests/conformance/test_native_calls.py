"""The native .mpy of Thumb code on an emulated Pico: the reference's integers, whatever holds them, and no crash."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import numpy as np
import pytest
from conformance.networks import ORIGIN, network, quantized
from conftest import usable_target

from nnhw.exporting import vectors
from nnhw.exporting.compile import compile_native
from nnhw.running.exported import Exported
from nnhw.running.verify import verify_module
from nnhw_codegen import emitters
from nnhw_codegen.integers import precision, program, reference
from nnhw_codegen.network import activations
from nnhw_codegen.quantization.quantize import quantize
from nnhw_codegen.thumb.native import entries as thumb_native

IRIS = (4, 8, 3)
RELU, TANH = activations.get("relu"), activations.get("tanh")


@pytest.fixture
def pico():
    return usable_target("pico")


def native(model):
    emitter = emitters.get("thumb")
    return {"m.mpy": compile_native(emitter.native(program.build(model), ORIGIN), "m")}


def regression():
    net = network((3, 5, 2), TANH)
    return quantize(replace(net, classes=(), outputs=("left", "right")), precision.get("w8a16"))


MODELS = {
    **{name: lambda name=name: quantized(IRIS, TANH, name) for name in precision.names()},
    "one input, two classes": lambda: quantized((1, 2, 1), RELU, "acc16"),
    "wide": lambda: quantized((300, 4, 3), RELU, "w8a8"),
    "values": regression,
}


@pytest.mark.usefixtures("pico")
@pytest.mark.parametrize("name", MODELS)
def test_every_entry_gives_the_reference_s_integers(name):
    model = MODELS[name]()
    module = Exported("m", {**native(model), "m.py": b"raise ImportError"}, model.sizes, bool(model.classes), "thumb")
    outcome = verify_module(model, module, "pico", 20)
    assert outcome.passed, str(outcome)


FORMS = """\
from array import array
import json, m
rows, ticks = json.load(open("rows.json"))
n = len(rows[0])
print([m.predict(r) for r in rows])
print([m.predict(tuple(r)) for r in rows])
print([m.predict(array("f", r)) for r in rows])
print([m.predict(array("f", r)[:]) for r in rows])
print([m.predict_ticks(array("i", t)) for t in ticks])
print([m.predict_ticks(t) for t in ticks])
out = bytearray(len(rows))
m.predict_many(array("f", [v for r in rows for v in r]), out)
print(list(out))
many = [v for t in ticks for v in t]
for code in "ihHB":
    out = array("B", bytes(len(rows)))
    m.predict_many_ticks(array(code, many), out)
    print(list(out))
for many in (bytes(many), bytearray(many), many, memoryview(array("h", many))):
    out = bytearray(len(rows))
    m.predict_many_ticks(many, out)
    print(list(out))
"""


@pytest.mark.parametrize("sizes", [IRIS, (5, 4, 3), (64, 8, 4), (300, 4, 3)])
def test_rows_may_lie_in_any_container(pico, sizes):
    model = quantized(sizes, RELU, "acc16")
    ticks = np.clip(vectors.random_ticks(model, 6), 0, 255)
    rows = vectors.values_of(model, ticks)
    want = str(reference.decide(model, reference.logits(model, reference.codes(model, ticks))).tolist())
    files = {**native(model), "rows.json": json.dumps([rows.tolist(), ticks.tolist()]).encode()}
    found = pico.run(files, FORMS, timeout=300.0).splitlines()
    assert len(found) == 15
    assert set(found) == {want}


GRAMMAR = """\
from array import array
from machine import mem32
import m, p
state = {seed}
def pick(choices):
    global state
    state = (state * 1103515245 + 12345) & 0x3FFFFFFF
    return choices[(state >> 12) % len(choices)]
class T(tuple): pass
class L(list): pass
class O:
    def __len__(self): return n
    def __getitem__(self, i): return 1.0
n = {inputs}
typed = [mem32[id(x)] for x in (array("f"), array("i"), (1,), [1], 1.5)]
def forged():
    words = array("I", [pick(typed), 105 | pick((0, 1)) << 8, n, 0x20000000, pick(typed), n] * 6)
    return pick((memoryview(words), memoryview(bytes(words))[4:], words, bytes(words)))
ITEMS = (1.5, 0.25, 5.0, 3, 0, -7, 1 << 29, 1 << 30, -(1 << 30), (1 << 31) - 1, 1 << 31, 1 << 64, -(1 << 64), 16777217,
    33554435, -0.0, 1e-40, 1e30, float("inf"), -float("inf"), 9.97, 5.1)
ODD = (None, "5", b"5", float("nan"), (), [1.0], True, 1j, O(), len, array("f", [1]))
def item():
    return pick(ODD) if pick(range(60)) == 0 else pick(ITEMS)
def items():
    return [item() for _ in range(n if pick(range(5)) else pick((0, n - 1, n + 1, 2 * n)))]
def typed_array(found):
    code = pick("bBhHiIlLqQfd")
    try:
        return array(code, found)
    except Exception:
        return array(code, [1, 2, 3, 4, 5, 6][:pick(range(7))])
def argument():
    found = items()
    return pick((tuple, list, tuple, list, tuple, T, L, typed_array, typed_array, typed_array, lambda x: (v for v in x),
        lambda x: dict(enumerate(x)), lambda x: memoryview(typed_array(x)), lambda x: bytearray([1, 2, 3, 4, 5][:len(x)]),
        lambda x: range(len(x)), lambda x: forged(), lambda x: pick(ODD + ITEMS),
        lambda x: array("f", [4.9, 3.1, 1.5, 0.1])))(found)
def again(make):
    global state
    before = state
    first = make()
    state = before
    return first, make()
def run(call, *given):
    try:
        return call(*given)
    except Exception as error:
        assert not isinstance(error, (MemoryError, RuntimeError)), (error, given)
        return None
def many(one, rows, out):
    assert len(rows) == n * len(out)
    for i in range(len(out)):
        out[i] = one(rows[n * i:n * i + n])
    return list(out)
def native_many(call, rows, out):
    call(rows, out)
    return list(out)
def outs():
    size = pick((1, 1, 1, 2, 0))
    return pick((bytearray(size), array("B", bytes(size)), array("i", bytes(4 * size)), [0] * size, bytes(size), None,
        (0,) * size, memoryview(bytearray(size))))
right = refused = 0
for case in range({cases}):
    for call, other in ((m.predict, p.predict), (m.predict_ticks, p.predict_ticks)):
        a, b = again(argument)
        found, wanted = run(call, a), run(other, b)
        assert found is None or found == wanted, (case, call, found, wanted, a)
        right += found is not None
        refused += found is None
    for call, other in ((m.predict_many, p.predict), (m.predict_many_ticks, p.predict_ticks)):
        (a, x), (b, y) = again(lambda: (argument(), outs()))
        found, wanted = run(native_many, call, a, x), run(many, other, b, y)
        assert found is None or found == wanted, (case, call, found, wanted, a, x)
        right += found is not None
        refused += found is None
    for call in (m.logits_from_ticks, m.logits_from_codes, m.ticks_from_values):
        run(call, argument(), pick((argument, lambda: array("i", bytes(12)), lambda: array("i", bytes(16))))())
    for call in (m.predict, m.predict_ticks, m.predict_many, m.predict_many_ticks, m.logits_from_ticks, m.ticks_from_values):
        assert run(call, *[argument() for _ in range(pick((0, 3, 4)))]) is None
    try:
        m.predict(values=1)
        assert False
    except TypeError:
        pass
print(right, refused)
"""


def test_odd_arguments_are_answered_rightly_or_refused(pico):
    model = quantized(IRIS, RELU, "acc16")
    portable = emitters.get("portable").emit(program.build(model), replace(ORIGIN, name="p"))
    cases = 10_000 if os.environ.get("NNHW_LONG") else 8
    output = pico.run({**native(model), **portable}, GRAMMAR.format(seed=20, inputs=4, cases=cases), timeout=3600.0)
    right, refused = map(int, output.split())
    assert right + refused == 4 * cases
    assert min(right, refused) > cases / 4


INTERRUPTED = """\
import json, m, machine, time
from array import array
rows, ticks, wanted = json.load(open("rows.json"))
values = [tuple(r) for r in rows]
ticks = [array("i", t) for t in ticks]
count = bad = 0
def tick(timer):
    global count, bad
    at = count % len(ticks)
    bad += m.predict_ticks(ticks[at]) != wanted[at]
    bad += m.predict(values[at]) != wanted[at]
    count += 1
timer = machine.Timer(freq=500, mode=machine.Timer.PERIODIC, callback=tick)
turns = 0
while count < 20:
    at = turns % len(ticks)
    assert m.predict(values[at]) == wanted[at]
    assert m.predict_ticks(ticks[at]) == wanted[at]
    turns += 1
timer.deinit()
print(count, bad, turns)
"""


def test_a_timer_may_predict_while_the_program_does(pico):
    model = quantized(IRIS, RELU, "acc16")
    ticks = vectors.random_ticks(model, 16)
    rows = vectors.values_of(model, ticks)
    wanted = reference.decide(model, reference.logits(model, reference.codes(model, ticks)))
    files = {**native(model), "rows.json": json.dumps([rows.tolist(), ticks.tolist(), wanted.tolist()]).encode()}
    count, bad, _ = pico.run(files, INTERRUPTED, timeout=300.0).split()
    assert int(count) >= 20
    assert bad == "0"
    assert thumb_native.functions(program.build(model)).work_words == 0
