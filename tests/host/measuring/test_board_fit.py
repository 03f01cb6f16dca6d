"""What nnhw fit tells, held against the emulators that it speaks of."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import usable_target
from support.networks import plain_network as network
from support.random_models import quantized

from nnhw.boards import catalog, mpy_cross
from nnhw.cli import commands
from nnhw.errors import TargetError
from nnhw.exporting import write_build
from nnhw.measuring import board_fit
from nnhw.measuring.heap import heap_with, loadable, runs
from nnhw.model_files import model_json
from nnhw_codegen import emitters
from nnhw_codegen.integers import precision, program
from nnhw_codegen.network.network import Input
from nnhw_codegen.quantization.quantize import quantize
from nnhw_codegen.writer import Origin

SIZES = (16, 12, 4)


@pytest.fixture(autouse=True)
def wasm():
    return usable_target("wasm")


def files(model, code: str, form: str) -> dict[str, bytes]:
    source = emitters.get(code).emit(program.build(model), Origin("model", "a model", "0" * 16))["model.py"]
    return {"model.mpy": mpy_cross.compile_mpy(source, "model.py")} if form == "mpy" else {"model.py": source}


@pytest.mark.parametrize("code", ["portable", "compact"])
@pytest.mark.parametrize("form", ["mpy", "py"])
def test_the_heap_to_import_is_what_is_needed_within_a_tenth(code: str, form: str) -> None:
    model = quantized(SIZES, "relu", "w8a8")
    (told,) = (f for f in board_fit.fit([model], [catalog.get("rp2040")], [code]) if f.kind == form)
    assert told.heap_measured
    assert told.to_run >= told.to_import
    module = files(model, code, form)
    assert runs(module, "import model", heap_with(told.to_import * 11 // 10))
    assert not runs(module, "import model", heap_with(told.to_import * 9 // 10))


def test_a_model_that_does_not_fit_has_too_little_memory_and_one_that_fits_runs(wasm) -> None:
    board = replace(catalog.get("esp32"), heap=11_000)
    heap = heap_with(board.heap)
    large, small = quantized((64, 120, 6), "relu", "w8a8"), quantized((4, 8, 3), "relu", "w8a8")
    told, _ = board_fit.fit([large], [board], ["compact"])
    assert told.verdict == "no"
    with pytest.raises(TargetError, match="MemoryError"):
        # Uncollected, as the collector of this port may free what is in use and end in another error.
        wasm.run(files(large, "compact", "mpy"), "import gc\ngc.disable()\nimport model", heap)
    _, told = board_fit.fit([small], [board], ["compact"])
    assert told.verdict != "no"
    wasm.run(files(small, "compact", "py"), "import model\nmodel.predict((1, 2, 3, 4))", heap)


def test_source_of_machine_code_that_a_board_cannot_compile_has_too_little_memory(wasm) -> None:
    """This emulator knows no machine code: it compiles the same text as bytecode."""
    model, board = quantized((4, 8, 3), "relu", "w8a8"), replace(catalog.get("esp32"), heap=11_000)
    told = {f.kind: f.verdict for f in board_fit.fit([model], [board], ["viper"])}
    assert told == {"mpy": "fits", "py": "no"}
    source = emitters.get("viper").emit(program.build(model), Origin("model", "a model", "0" * 16))["model.py"]
    for form, verdict in told.items():
        module, itself = loadable("model", source, as_mpy=form == "mpy")
        assert not itself
        assert runs(module, "import gc\ngc.disable()\nimport model", heap_with(board.heap)) == (verdict == "fits")


def test_a_microbit_imports_what_fits_it() -> None:
    microbit = usable_target("microbit")
    model = quantized((4, 8, 3), "relu", "w8a8")
    (told,) = board_fit.fit([model], [catalog.get("microbit")], ["compact"])
    assert told.verdict != "no"
    assert microbit.run(files(model, "compact", "py"), "import model\nprint(model.OUTPUT_FRAC)")


def test_native_code_has_measured_time_on_the_core_and_estimated_heap() -> None:
    found = board_fit.fit(
        [quantized((4, 8, 3), "relu", "w8a8")], [catalog.get("rp2040"), catalog.get("esp32")], ["viper"]
    )
    assert {(f.board, f.time_measured, f.heap_measured) for f in found} == {
        ("rp2040", True, False),
        ("esp32", False, False),
    }
    by_form = {f.kind: f.to_import for f in found}
    assert by_form["mpy"] < by_form["py"]


def test_codes_that_a_board_does_not_run_are_left_out() -> None:
    found = board_fit.fit([quantized((4, 8, 3), "relu", "w8a8")], [catalog.get("esp32")])
    assert {f.code for f in found} == {"portable", "compact", "viper"}
    assert board_fit.advice([], catalog.get("esp32")) == (
        "does not run this code; it runs portable, compact, viper: see --code all"
    )


def test_the_command_tells_what_to_do_and_fails_where_nothing_fits(tmp_path: Path) -> None:
    usable_target("microbit")

    def told(sizes: tuple[int, ...], code: int) -> dict[str, object]:
        folder = tmp_path / str(sizes[0])
        write_build.export(network(sizes, "relu"), folder, "w8a8", "compact", source="m.json")
        done = CliRunner().invoke(commands.main, ["fit", str(folder), "--board", "microbit,rp2040", "--json"])
        assert done.exit_code == code, done.output
        return json.loads(done.output)

    small, large = told((4, 8, 3), 0), told((64, 64, 10), 1)
    assert small["advice"]["rp2040"] == "every kind of file fits, fastest: --code compact --precision w8a8 as .mpy"
    assert large["advice"]["microbit"].startswith("does not fit: ")
    assert {f["code"] for f in small["forms"]} == {"compact"}


def test_several_boards_stand_beside_one_another(tmp_path: Path) -> None:
    usable_target("microbit")
    path = tmp_path / "m.json"
    model_json.save(network((4, 8, 3), "relu"), path)
    done = CliRunner().invoke(
        commands.main, ["fit", str(path), "--board", "esp32,microbit", "--precision", "w8a8", "--code", "thumb"]
    )
    assert done.exit_code == 1, "nothing fits the ESP32"
    (row,) = (line for line in done.output.splitlines() if "thumb .py" in line)
    assert row.split()[:3] == ["w8a8", "thumb", ".py"]
    assert "microbit: the verdict was found by trying" in done.output
    assert "esp32     does not run this code" in done.output


def test_an_unknown_board_is_named() -> None:
    done = CliRunner().invoke(commands.main, ["fit", "x.json", "--board", "rp2041"])
    assert done.exit_code == 2
    assert "did you mean 'rp2040'?" in done.output


@pytest.mark.parametrize(("name", "weight_bytes"), [("w8a8", 1), ("w8a16", 1), ("acc16", 1), ("w16a16", 2)])
def test_a_table_module_as_mpy_takes_little_more_heap_than_its_weights(name: str, weight_bytes: int) -> None:
    """All that must be free after boot is counted: also the buffers, the names and the import itself.

    2 KB hold all but two things that have no place in the forward pass: 416 bytes are the integers of floats (SPEC 3.1
    takes twelve lines of bytecode where a division of floats takes one), and 256 the names of ten classes.
    """
    plain = network((64, 32, 10), "relu")
    # No two inputs alike, as those that training infers: nearly each then has a doorway of its own.
    inputs = [Input(f"x{i}", 5, 0.5 + i / 16, 1, 0, 4 + i % 17) for i in range(64)]
    model = quantize(replace(plain, inputs=tuple(inputs)), precision.get(name))
    assert len({(i.span, i.gain) for i in model.inputs}) > 12
    (told,) = (f for f in board_fit.fit([model], [catalog.get("rp2040")], ["compact"]) if f.kind == "mpy")
    assert told.to_import <= 1.15 * (64 * 32 + 32 * 10) * weight_bytes + 2048 + 672
