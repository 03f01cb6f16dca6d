"""What nnhw bench measures, and the code and architecture that export picks for a board."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import usable_target
from support.networks import network

from nnhw.boards import catalog, mpy_cross
from nnhw.cli import commands
from nnhw.exporting import build_folder, write_build
from nnhw.measuring import machine_code
from nnhw.model_files import model_json
from nnhw.targets.core import arm_c
from nnhw_codegen import emitters
from nnhw_codegen.integers import precision
from nnhw_codegen.quantization.quantize import quantize

MPY = pytest.mark.skipif(bool(mpy_cross.why_unavailable()), reason=f"mpy-cross: {mpy_cross.why_unavailable()}")
FORMS = [(code, form) for code in machine_code.CODES for form in emitters.get(code).forms]


@pytest.fixture
def core() -> None:
    usable_target("rp2040-core")
    for reason in (arm_c.why_unavailable(), mpy_cross.why_unavailable()):
        if reason:
            pytest.skip(reason)


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize(("code", "form"), FORMS)
@pytest.mark.parametrize("hidden", ["relu", "tanh"])
def test_the_cycles_do_not_depend_on_the_input_and_the_layers_make_the_sum(code: str, form: str, hidden: str) -> None:
    model = quantize(network((4, 8, 3), hidden), precision.get("w8a16"))
    cost = machine_code.measure(model, code, form, "-O3" if code == "c" else "", 60)
    assert (cost.spread, cost.tried, cost.macs) == (0, 60, 56)
    assert len(cost.layers) == 2
    assert min(cost.layers) > 0
    assert sum(cost.layers) == cost.codes_cycles < cost.ticks_cycles
    assert (cost.table_bytes > 0) == (hidden == "tanh")
    assert cost.code_bytes > 56


@pytest.mark.usefixtures("core")
def test_a_model_of_values_is_measured_too() -> None:
    model = quantize(network((3, 4, 2), "relu", classifies=False), precision.get("w8a8"))
    costs = machine_code.measure_all([model], inputs=5)
    assert [cost.name for cost in costs] == ["viper baked", "thumb baked", "c baked -O3", "c baked -Os"]
    assert {cost.spread for cost in costs} == {0}


@pytest.mark.usefixtures("core")
def test_bench_prints_a_row_for_every_code_and_precision(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    model_json.save(network((2, 3, 2)), path)
    text = CliRunner().invoke(commands.main, ["bench", str(path), "--code", "viper,thumb", "--inputs", "3"])
    assert text.exit_code == 0, text.output
    for name in precision.names():
        assert text.output.count(name) == 2
    assert "left out: portable and compact" in text.output
    arguments = ["bench", str(path), "--code", "thumb", "--precision", "w8a8", "--forms", "--clock", "250", "--json"]
    costs = json.loads(CliRunner().invoke(commands.main, arguments).output)
    assert [cost["form"] for cost in costs] == ["baked", "loops"]
    assert costs[0]["microseconds"] == round(costs[0]["ticks_cycles"] / 250, 2)


PICKED = {
    "rp2040": "thumb",
    "pico2": "thumb",
    "pico2-riscv": "viper",
    "esp32": "viper",
    "esp32c3": "viper",
    "esp32c6": "viper",
    "esp32s3": "viper",
    "esp8266": "compact",
    "stm32f4": "thumb",
    "stm32h7": "viper",
    "nrf52840": "thumb",
    "teensy41": "viper",
    "microbit": "compact",
    "microbit-v2": "portable",
}
ARCHITECTURE_BYTE = {"armv6m": 4, "armv7emsp": 7, "armv7emdp": 8, "xtensawin": 10, "rv32imc": 11}


@MPY
@pytest.mark.parametrize("board", catalog.BOARDS, ids=lambda board: board.name)
def test_auto_picks_the_fastest_code_of_a_board_and_compiles_for_it(board: catalog.Board, tmp_path: Path) -> None:
    build = write_build.export(network((4, 8, 3)), tmp_path / "m", "w8a8", "auto", board=board.name, source="m.json")
    assert build.manifest.code == PICKED[board.name]
    assert build.manifest.command.endswith(f"--code {PICKED[board.name]} --board {board.name}")
    compiled = tmp_path / "m/m.mpy"
    assert compiled.is_file() == (board.arch is not None)
    if board.arch is not None:
        # Thumb code is ARMv6-M's, which every Cortex-M loads.
        architecture = {"viper": ARCHITECTURE_BYTE.get(board.arch), "thumb": ARCHITECTURE_BYTE["armv6m"]}
        assert compiled.read_bytes()[2] >> 2 & 15 == architecture.get(build.manifest.code, 0)


@MPY
def test_auto_takes_less_where_the_heap_is_too_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = catalog.Board("small", "", 36_000, 0, "armv6m", 1, frozenset(("viper", "asm_thumb")))
    monkeypatch.setattr(catalog, "BOARDS", (small,))
    build = write_build.export(
        network((56, 56, 10)), tmp_path / "m", "w16a16", "auto", board="small", source="m.json"
    )
    assert build.manifest.code == "viper"
    assert build.manifest.files["m.mpy"].size <= 18_000


@MPY
def test_without_a_board_viper_is_compiled_for_every_architecture(tmp_path: Path) -> None:
    build = write_build.export(network((2, 3, 2)), tmp_path / "m", "w8a8", "viper", source="m.json")
    found = {path.name for path in (tmp_path / "m").glob("*.mpy")}
    assert found == {f"m-{arch}.mpy" for arch in catalog.ARCHITECTURES["viper"]}
    assert "copy the .mpy" in build.manifest.notes[0]
    assert write_build.export(network((2, 3, 2)), tmp_path / "p", "w8a8", "auto").manifest.code == "portable"


def test_code_that_a_board_does_not_run_is_refused_with_what_it_does(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="esp32 does not run thumb code, which needs asm_thumb; it runs portable"):
        write_build.export(network((2, 3, 2)), tmp_path / "m", "w8a8", "thumb", board="esp32")
    with pytest.raises(ValueError, match="there is no board 'rp2041': did you mean 'rp2040'"):
        catalog.get("rp2041")


@MPY
@pytest.mark.parametrize(
    ("code", "on", "where"),
    [
        ("viper", "", "rp2040-core"),
        ("thumb", "", "rp2040-core"),
        ("c", "", "c"),
        ("c", "rp2040-core", "rp2040-core"),
        ("viper", "unix", "unix"),
    ],
)
@pytest.mark.parametrize("classifies", [True, False])
def test_verify_runs_native_code_where_it_can(
    code: str, on: str, where: str, classifies: bool, tmp_path: Path
) -> None:
    usable_target(where)
    model = network((3, 4, 2), "tanh", classifies=classifies)
    write_build.export(model, tmp_path / "m", "w8a8", code, source="m.json")
    arguments = ["verify", str(tmp_path / "m"), "--rows", "5", *(("--on", on) if on else ())]
    text = CliRunner().invoke(commands.main, arguments).output
    assert f"{where}: 29/29 rows: logits identical (from values, ticks and codes)" in text


@pytest.mark.parametrize("code", ["thumb", "c"])
def test_a_wrong_integer_of_native_code_is_found(code: str, tmp_path: Path) -> None:
    usable_target("rp2040-core")
    if arm_c.why_unavailable():
        pytest.skip(f"rp2040-core: {arm_c.why_unavailable()}")
    build = write_build.export(network((3, 4, 2), "tanh"), tmp_path / "m", "w8a8", code, source="m.json")
    path = next((tmp_path / "m").glob("m.h" if code == "c" else "m.py"))
    text = path.read_text()
    right, changed = {
        "c": ("m_within(ticks[0]", "m_within(3 + ticks[0]"),
        "thumb": ("    _forward(t, y, _TICKS)\n", "    _forward(t, y, _TICKS)\n    y[0] += 1\n"),
    }[code]
    wrong = text.replace(right, changed, 1)
    assert wrong != text
    path.write_text(wrong)
    text = CliRunner().invoke(commands.main, ["verify", str(build.directory), "--on", "rp2040-core", "--rows", "5"])
    assert text.exit_code == 1
    assert "first difference: row" in text.output


@pytest.mark.parametrize("target", ["wasm", "unix"])
def test_verify_runs_the_nnb_file_under_nnrun(target: str, tmp_path: Path) -> None:
    usable_target(target)
    write_build.export(network((3, 4, 2), "tanh"), tmp_path / "m", "w8a8", "c", source="m.json")
    arguments = ["verify", str(tmp_path / "m"), "--on", target, "--rows", "9"]
    refused = CliRunner().invoke(commands.main, arguments)
    assert refused.exit_code == 2
    assert f"c code runs on c, rp2040-core, cortex-m and rv32-core; {target} runs portable" in refused.output
    assert "--runtime nnrun" in refused.output
    text = CliRunner().invoke(commands.main, [*arguments, "--runtime", "nnrun"]).output
    assert f"{target}: 33/33 rows: logits identical (from values, ticks and codes)" in text


def test_a_build_folder_keeps_its_precision(tmp_path: Path) -> None:
    usable_target("rp2040-core")
    write_build.export(network((2, 3, 2)), tmp_path / "m", "w8a8", source="m.json")
    assert build_folder.read(tmp_path / "m").model.precision.name == "w8a8"
    arguments = ["bench", str(tmp_path / "m"), "--precision", "acc16", "--code", "thumb"]
    refused = CliRunner().invoke(commands.main, arguments)
    assert refused.exit_code == 2
    assert "is w8a8; give the model.json" in refused.output


@MPY
@pytest.mark.parametrize(("target", "codes"), [("cortex-m", {"viper", "thumb", "c"}), ("rv32-core", {"viper", "c"})])
def test_estimated_cycles_are_called_so(target: str, codes: set[str], tmp_path: Path) -> None:
    usable_target(target)
    path = tmp_path / "m.json"
    model_json.save(network((2, 3, 2)), path)
    arguments = ["bench", str(path), "--on", target, "--precision", "w8a8", "--inputs", "2"]
    costs = json.loads(CliRunner().invoke(commands.main, [*arguments, "--json"]).output)
    assert {cost["code"] for cost in costs} == codes
    assert {(cost["target"], cost["cycles"]) for cost in costs} == {(target, "estimated")}
    table = CliRunner().invoke(commands.main, [*arguments, "--code", "viper"]).output
    assert "cycles estimated" in " ".join(table.split())
