"""The same integers on every target, for networks, activations and precisions, over random rows and extremes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conformance.networks import emitted, limit, network, one_unit, quantized
from conftest import usable_target

from nnhw.errors import TargetError
from nnhw.exporting import write_build
from nnhw.model_files import model_json
from nnhw.running.exported import Exported
from nnhw.running.verify import allocates, verify, verify_module
from nnhw_codegen.integers import precision, reference
from nnhw_codegen.micropython.emitter import BAKED_WEIGHTS
from nnhw_codegen.network import activations
from nnhw_codegen.network.activations import Activation, Curve
from nnhw_codegen.quantization.activation_forms import formats, integer_form

SIZES = ((4, 8, 3), (4, 16, 16, 3), (13, 16, 3), (2, 4, 1))
HIDDEN = ("logsig", "softplus", "relu", "leaky_relu", "tanh")
FAST = ("wasm", "unix")

GUDERMANN = Activation(
    "gudermann",
    value=lambda z: np.asarray(2.0 * np.arctan(np.tanh(z / 2.0))),
    derivative=lambda z, at_zero: np.asarray(1.0 / np.cosh(np.minimum(np.abs(z), 700.0))),
    curve=Curve(lambda u: np.asarray(2.0 * np.arctan(np.tanh(u / 2.0))), "point"),
)
HUMP = Activation(
    "hump",
    value=lambda z: np.asarray(np.where(z > 0, z, z / 4) + np.exp(-np.abs(z)) / 2),
    derivative=lambda z, at_zero: np.where(z > 0, 1 - np.exp(-np.abs(z)) / 2, 0.25 + np.exp(-np.abs(z)) / 2),
    ramp=Fraction(1, 4),
    curve=Curve(lambda u: np.asarray(np.exp(-u) / 2), "even"),
)


def shape(sizes: tuple[int, ...]) -> str:
    return "-".join(map(str, sizes))


@pytest.mark.parametrize("target", FAST)
@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("sizes", SIZES, ids=shape)
def test_no_logit_differs_over_ten_thousand_rows_and_the_extremes(
    sizes: tuple[int, ...], hidden: str, target: str
) -> None:
    usable_target(target)
    for name in ("w16a16", "w8a16"):
        model = quantized(sizes, activations.get(hidden), name)
        outcome = verify_module(model, emitted(model), target, 10_000, entries=("ticks",))
        assert (outcome.rows, outcome.difference) == (10_024, None), name


@pytest.mark.parametrize("target", FAST)
@pytest.mark.parametrize("hidden", HIDDEN)
def test_no_logit_differs_in_any_precision_code_or_entry(hidden: str, target: str) -> None:
    usable_target(target)
    for name in precision.names():
        for code in ("portable", "compact"):
            model = quantized((4, 8, 3), activations.get(hidden), name)
            assert verify_module(model, emitted(model, code), target, 200).difference is None, (name, code)


@pytest.mark.parametrize("hidden", HIDDEN)
def test_no_logit_differs_on_the_microbit(hidden: str) -> None:
    usable_target("microbit")
    for name in ("w16a16", "w8a16"):
        model = quantized((4, 8, 3), activations.get(hidden), name)
        outcome = verify_module(model, emitted(model, "compact"), "microbit", 150)
        assert (outcome.rows, outcome.difference) == (174, None), name


def test_a_large_network_in_loops_agrees() -> None:
    usable_target("unix")
    sizes = (24, 24, 5)
    assert BAKED_WEIGHTS < 24 * 24
    model = quantized(sizes, activations.get("softplus"), "w8a16")
    assert verify_module(model, emitted(model), "unix", 500).passed


SWEEP = """
from m import logits_from_codes
x = [0]
y = [0]
h = 0
for z in range(-32768, 32768):
    x[0] = z
    logits_from_codes(x, y)
    h = (h * 31 + y[0]) & 0x3fffff
    if z & 0xfff == 0xfff:
        print(h)
"""


def sweep(logits: list[int]) -> list[int]:
    """What SWEEP prints: a hash of everything so far after every 4096 codes."""
    h, hashes = 0, []
    for n, y in enumerate(logits, 1):
        h = (h * 31 + y) & 0x3FFFFF
        if n % 4096 == 0:
            hashes.append(h)
    return hashes


@pytest.mark.parametrize(
    "hidden", [activations.get(name) for name in HIDDEN] + [GUDERMANN, HUMP], ids=lambda a: a.name
)
def test_every_int16_code_goes_through_an_activation_alike(hidden: Activation, script_target) -> None:
    for name in ("w16a16",) if script_target.name == "microbit" else ("w16a16", "w8a8"):
        largest = limit(name)
        z_frac, output_frac = formats(hidden, largest.bit_length() - 3, largest)
        model = one_unit(integer_form(hidden, z_frac, output_frac, largest), name)
        codes = np.arange(-32768, 32768)[:, None]
        logits = reference.logits(model, codes)[:, 0]
        assert len(np.unique(logits)) > 60
        output = script_target.run(emitted(model).files, SWEEP, timeout=300)
        assert [int(line) for line in output.split()] == sweep(logits.tolist()), name


@pytest.mark.parametrize("made_up", [GUDERMANN, HUMP], ids=lambda a: a.name)
def test_a_made_up_activation_runs_everywhere_from_one_record(
    made_up: Activation, script_target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activations, "RECORDS", (*activations.RECORDS, made_up))
    model_json.save(network((4, 8, 3), activations.get(made_up.name)), tmp_path / "new.json")
    loaded = model_json.load(tmp_path / "new.json")
    build = write_build.export(loaded, tmp_path / "build", "w8a8", "compact", source="new.json")
    assert verify(build, script_target.name, 150).passed


@pytest.mark.parametrize("code", ["portable", "compact"])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_a_forward_pass_takes_nothing_from_the_heap(hidden: str, code: str) -> None:
    usable_target("wasm")
    for name in precision.names():
        model = quantized((4, 8, 3), activations.get(hidden), name)
        assert allocates(model, emitted(model, code)) == 0, name


def test_an_allocation_is_noticed() -> None:
    usable_target("wasm")
    model = quantized((2, 4, 1), activations.get("relu"), "w8a8")
    module = emitted(model)
    greedy = module.files["m.py"].replace(b"    x0 = x[0]\n", b"    x0 = [x[0]][0]\n")
    assert greedy != module.files["m.py"]
    with pytest.raises(TargetError, match="MemoryError"):
        allocates(model, Exported("m", {"m.py": greedy}, model.sizes, True))


@pytest.mark.parametrize("target", FAST)
def test_a_wrong_integer_is_found_and_named(target: str) -> None:
    usable_target(target)
    model = quantized((2, 4, 1), activations.get("tanh"), "w16a16")
    module = emitted(model)
    wrong = module.files["m.py"].replace(b"y[0] = r0", b"y[0] = r0 + (r0 % 97 == 5)")
    assert wrong != module.files["m.py"]
    outcome = verify_module(model, Exported("m", {"m.py": wrong}, model.sizes, True), target, 2000)
    assert outcome.difference is not None
    (expected,), (found,) = outcome.difference.expected[0], outcome.difference.found[0]
    assert found == expected + 1
    assert expected % 97 == 5
