"""A whole emulated Pico under real MicroPython: the reference's integers, and what whole calls cost there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from conformance.networks import emitted, network, quantized
from conftest import usable_target
from support.learning.boards import learner, lesson, taught_by_nnrun

from nnhw.cli import commands
from nnhw.errors import TargetError
from nnhw.exporting.board_package import nnrun
from nnhw.measuring import whole_calls
from nnhw.model_files import model_json
from nnhw.running.exported import Exported
from nnhw.running.verify import verify_module
from nnhw_codegen.files import nnb
from nnhw_codegen.integers import precision
from nnhw_codegen.network import activations
from nnhw_codegen.thumb import learn as thumb_learn
from nnhw_codegen.viper import learn as viper_learn

IRIS = (4, 8, 3)


@pytest.fixture
def pico():
    return usable_target("pico")


@pytest.mark.usefixtures("pico")
@pytest.mark.parametrize("code", whole_calls.CODES)
def test_every_code_gives_the_reference_s_integers_in_every_precision(code):
    hidden = activations.get("tanh" if code in ("viper", "thumb") else "relu")  # bytecode takes its time
    for name in precision.names():
        model = quantized(IRIS, hidden, name)
        outcome = verify_module(model, emitted(model, code), "pico", 0, entries=("ticks",))
        assert outcome.passed, str(outcome)


@pytest.mark.usefixtures("pico")
def test_nnrun_gives_the_reference_s_integers():
    model = quantized(IRIS, activations.get("tanh"), "w8a16")
    module = Exported("m", {**nnrun(), "m.nnb": nnb.to_bytes(model)}, model.sizes, True, "nnrun")
    outcome = verify_module(model, module, "pico", 0, entries=("ticks",))
    assert outcome.passed, str(outcome)


@pytest.mark.parametrize("emitter", [None, viper_learn, thumb_learn])
def test_training_is_the_reference_s(pico, emitter):
    task = lesson(learner((IRIS, "relu", 1, "residual", 16, ("softmax", "auto"), (1, 5), "all")), 24)
    ((found, wanted),) = taught_by_nnrun(pico, [task], nnrun(), emitter and emitter.source)
    assert found == wanted


def test_a_call_of_thumb_code_stays_within_its_budget(pico):
    model = quantized(IRIS, activations.get("relu"), "acc16")
    source, native = (whole_calls.measure(model, "thumb", pico, 3, native=native) for native in (False, True))
    # 768 of them look at the argument, which machine code would else read whatever it is.
    assert source.ticks_cycles <= 1_650
    assert source.values_cycles <= 3_000
    assert native.ticks_cycles <= 620
    assert native.values_cycles <= 1_150
    assert native.ticks_cycles < native.values_cycles


def test_a_call_of_viper_code_stays_within_its_budget(pico):
    assert (
        whole_calls.measure(quantized(IRIS, activations.get("relu"), "w8a8"), "viper", pico, 3).values_cycles <= 6_000
    )


def test_files_outlive_a_run_and_variables_do_not(pico):
    with pico.session({"module.py": b"x = 5\n", "data/text.txt": b"here"}) as session:
        script = "import os, module\nwith open('new.txt', 'w') as f:\n    n = f.write('kept')\n"
        found = session.run(script + "print(module.x, sorted(os.listdir()))")
        assert found == "5 ['data', 'module.mpy', 'new.txt']\n"
        assert session.run("print(open('new.txt').read(), open('data/text.txt').read())") == "kept here\n"
        with pytest.raises(TargetError, match=r"(?s)Traceback.*NameError: name 'module' isn't defined") as caught:
            session.run("print(1)\nmodule.x")
        assert caught.value.output == "1\n"
        with pytest.raises(TargetError, match="no answer within 2 s"):
            session.run("while True: pass", timeout=2.0)
        assert session.run("print(2)") == "2\n"
    with pytest.raises(TargetError, match="session is closed"):
        session.run("print(3)")


def test_bench_counts_whole_calls_with_the_firmware_given(pico, tmp_path: Path, monkeypatch):
    path = tmp_path / "m.json"
    model_json.save(network((2, 3, 2), activations.get("relu")), path)
    firmware = str(pico.firmware())
    monkeypatch.setenv("NNHW_PICO_UF2", str(tmp_path / "none.uf2"))
    options = ["bench", str(path), "--on", "pico", "--firmware", firmware, "--code", "thumb", "--inputs", "2"]
    result = CliRunner().invoke(commands.main, [*options, "--precision", "acc16", "--json"])
    cost, native = json.loads(result.output)
    assert (cost["code"], cost["precision"], cost["macs"], cost["tried"]) == ("thumb", "acc16", 12, 2)
    assert (cost["native"], native["native"]) == (False, True)
    assert native["values_cycles"] < cost["values_cycles"]
    assert cost["ticks_microseconds"] == round(cost["ticks_cycles"] / 125, 2)
    table = CliRunner().invoke(commands.main, [*options, "--precision", "acc16"])
    assert f"{cost['ticks_cycles']:,}" in table.output
