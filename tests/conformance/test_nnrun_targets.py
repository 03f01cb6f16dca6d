"""nnrun on MicroPython: the reference's integers on every target, through viper where there is one."""

from __future__ import annotations

from array import array
from pathlib import Path

import pytest
from support.random_models import expected, quantized, tick_rows

import nnrun
from nnhw.boards.mpy_cross import compile_mpy, why_unavailable
from nnhw.exporting.board_package import flatten
from nnhw.targets.core.mpy_functions import ViperModule
from nnhw_codegen.files import nnb
from nnhw_codegen.integers import precision
from nnhw_codegen.network import activations

# The wasm build loses live objects when it collects garbage, so its heap has to be one that never fills.
HEAP = 64 << 20
SIZES = [(4, 8, 3), (4, 16, 16, 3), (13, 16, 3), (2, 4, 1), (64, 32, 10)]
PACKAGE = Path(nnrun.__file__).parent
MODULES = {f"nnrun/{path.name}": path.read_bytes() for path in PACKAGE.glob("*.py")}
EMULATORS = pytest.mark.parametrize("target", ["wasm", "unix"], indirect=True)
WASM = pytest.mark.parametrize("target", ["wasm"], indirect=True)
MICROBIT = pytest.mark.parametrize("target", ["microbit"], indirect=True)


def vectors(model, rows):
    """Golden vectors as JSON lines."""
    lines = zip(rows.tolist(), expected(model, rows).tolist(), strict=True)
    return b"".join(b'{"ticks": %a, "logits": %a}\n' % line for line in lines)


@EMULATORS
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_every_logit_is_the_reference_s(target, sizes):
    files = dict(MODULES)
    names = []
    count = 96 if sizes[0] < 64 else 16
    for activation in activations.names():
        for precision_name in precision.names():
            model = quantized(sizes, activation, precision_name)
            names.append(f"{activation}_{precision_name}")
            files[f"{names[-1]}.nnb"] = nnb.to_bytes(model)
            files[f"{names[-1]}.jsonl"] = vectors(model, tick_rows(sizes[0], count))
    script = f"import nnrun\nfrom nnrun import selftest\nfor n in {names}:\n"
    script += "    selftest.run(nnrun.load(n + '.nnb'), n + '.jsonl')\n"
    assert target.run(files, script, heap=HEAP) == f"{count + 4}/{count + 4} logits identical\n" * len(names)


@EMULATORS
@pytest.mark.parametrize("precision_name", precision.names())
def test_the_proof_holds_on_the_board(target, precision_name):
    files = {**MODULES, "m.nnb": nnb.to_bytes(quantized((4, 8, 3), "softplus", precision_name))}
    files["bad.nnb"] = files["m.nnb"][:-1] + bytes([files["m.nnb"][-1] ^ 1])
    script = """
import nnrun
print(nnrun.load("m.nnb", check=True).precision)
try:
    nnrun.load("bad.nnb", check=True)
except ValueError as error:
    print(error)
"""
    lines = target.run(files, script, heap=HEAP).splitlines()
    assert lines[0] == precision_name
    assert lines[1].startswith("bad.nnb: layer 1: neuron 2: stored bound")


@EMULATORS
def test_a_damaged_file_is_a_value_error(target):
    whole = nnb.to_bytes(quantized((2, 4, 1), "softplus", "w8a8"))
    script = """
import nnrun
data = open("m.nnb", "rb").read()
length = data[4] | data[5] << 8
refused = 0
def attempt(damaged):
    with open("d.nnb", "wb") as f:
        f.write(damaged)
    try:
        nnrun.load("d.nnb")
    except ValueError:
        return 1
    return 0
for n in range(length):
    refused += attempt(data[:n])
    refused += attempt(data[:n] + bytes([data[n] ^ 0x81]) + data[n + 1:])
print(refused == 2 * length, attempt(data))
"""
    assert target.run({**MODULES, "m.nnb": whole}, script) == "True 0\n"


@EMULATORS
@pytest.mark.parametrize("precision_name", precision.names())
def test_the_forward_pass_leaves_the_heap_alone(target, precision_name):
    model = quantized((4, 8, 3), "softplus", precision_name)
    rows = tick_rows(4, 2)
    script = """
import nnrun, micropython
net = nnrun.load("m.nnb")
t = ROWS
x = [[0] * 4 for _ in t]
y = [[0] * 3 for _ in t]
a = [0] * len(t)
i = 0
micropython.heap_lock()
while i < len(t):
    net.codes(t[i], x[i])
    net.logits_from_codes(x[i], y[i])
    net.logits(t[i], y[i])
    a[i] = net.predict_ticks(t[i])
    i += 1
micropython.heap_unlock()
print(y)
""".replace("ROWS", repr(rows.tolist()))
    wanted = f"{expected(model, rows).tolist()}\n"
    assert target.run({**MODULES, "m.nnb": nnb.to_bytes(model)}, script) == wanted


@pytest.mark.parametrize(("target", "module"), [("wasm", "kernels"), ("unix", "kernels_viper")], indirect=["target"])
def test_viper_is_used_where_it_compiles(target, module):
    script = "import nnrun.core, sys\nprint([m for m in sys.modules if 'kernels' in m])"
    found = target.run(MODULES, script)
    assert f"'nnrun.{module}'" in found
    assert found.count("kernels") == 1


MICROBIT_SCRIPT = """
import gc
gc.collect()
import nnrun_kernels
gc.collect()
import nnrun_core
gc.collect()
import nnrun_reader
gc.collect()
net = nnrun_core.Core(*nnrun_reader.read("m.nnb")[:3])
y = [0] * 3
for t in ROWS:
    net.logits(t, y)
    print(y, net.predict_ticks(t))
gc.collect()
print(gc.mem_free() > 1500)
"""


@MICROBIT
@pytest.mark.parametrize("activation", activations.names())
def test_iris_fits_the_microbit(target, activation):
    model = quantized((4, 8, 3), activation, "w8a16")
    rows = tick_rows(4, 4)
    logits = expected(model, rows).tolist()
    files = {name: MODULES[name] for name in ("nnrun/kernels.py", "nnrun/core.py", "nnrun/reader.py")}
    files = {**flatten(files), "m.nnb": nnb.to_bytes(model)}
    wanted = "".join(f"{y} {y.index(max(y))}\n" for y in logits) + "True\n"
    assert target.run(files, MICROBIT_SCRIPT.replace("ROWS", repr(rows.tolist()))) == wanted


def run_on_core(net, module, core, ticks):
    """The net's forward pass by the viper functions on the bare core: (logits, cycles of the kernels)."""

    def place(values):
        return core.data(bytes(values), align=16)

    data, tables, t, x = place(net.data), place(net._tables), place(array("i", ticks)), place(net._x)
    cycles = module.call("doorway", place(net._door), t, x, len(ticks)).cycles
    for plan, registers in net._layers:
        at, r = place(plan), place(registers)
        cycles += module.call("dense", data, x, 0, at, r).cycles
        cycles += module.call("activate", data, at, tables, r).cycles
        x = r
    found = array("i", core.read(x + 4 * plan[8], 4 * plan[1]))
    return found.tolist(), cycles


@pytest.mark.parametrize("target", ["rp2040-core"], indirect=True)
@pytest.mark.parametrize("precision_name", precision.names())
@pytest.mark.parametrize("sizes", [(4, 8, 3), (5, 3, 2)], ids=str)
def test_the_native_kernels_give_the_reference_s_integers_on_a_32_bit_core(target, sizes, precision_name, tmp_path):
    if why_unavailable():
        pytest.skip(why_unavailable())
    compiled = compile_mpy(MODULES["nnrun/kernels_viper.py"], "kernels_viper.py", "armv6m")
    for activation in activations.names():
        model = quantized(sizes, activation, precision_name)
        path = tmp_path / f"{activation}.nnb"
        path.write_bytes(nnb.to_bytes(model))
        net = nnrun.load(str(path))
        rows = tick_rows(sizes[0], 1)[:2]
        for row, logits in zip(rows.tolist(), expected(model, rows).tolist(), strict=True):
            core = target.core()
            assert run_on_core(net, ViperModule(core, compiled), core, row)[0] == logits
