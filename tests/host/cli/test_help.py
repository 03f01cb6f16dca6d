"""Help: it imports nothing heavy, and what it lists without importing it is what there is."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support.commands import nnhw

from nnhw.cli import choices
from nnhw.cli.commands import COMMANDS
from nnhw.running import exported, verify
from nnhw.tuning import choose_precision
from nnhw_codegen import emitters
from nnhw_codegen.network import activations

_MODULES = """\
import sys
from nnhw.cli.commands import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(*sys.modules, sep="\\n")
"""


def modules_after(*arguments: str) -> set[str]:
    """The modules that a fresh Python holds when ``nnhw ARGUMENTS`` has ended."""
    command = [sys.executable, "-c", _MODULES, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "Usage:" in done.stdout
    return set(done.stdout.split("\n"))


def test_help_imports_no_command() -> None:
    loaded = modules_after("--help")
    assert not {"numpy", "rich"} & loaded
    own = {name for name in loaded if name.startswith("nnhw")}
    assert own == {
        *("nnhw", "nnhw.cli", "nnhw.cli.commands", "nnhw.cli.signals", "nnhw.errors"),
        *("nnhw_codegen", "nnhw_codegen.errors"),
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_imports_no_numpy(name: str) -> None:
    assert not {"numpy", "rich", "wasmtime", "mpremote"} & modules_after(name, "--help")


def test_names_in_help_are_those_of_the_records() -> None:
    assert dict(choices.CODES) == {emitter.name: emitter.summary for emitter in emitters.EMITTERS}
    assert activations.names() == choices.ACTIVATIONS
    places = {code: tuple(t.kind for t in exported.runs_on(code)) for code in (*emitters.names(), exported.NNRUN)}
    assert dict(choices.PLACES) == places


def test_numbers_in_help_are_those_of_the_code() -> None:
    told = " ".join(nnhw("export", "--help").split())
    floors = choose_precision.LEAST_AGREEMENT, choose_precision.LEAST_AGREEMENT_OF_VALUES
    assert "{:g}; {:g} for values".format(*(100 * floor for floor in floors)) in told
    told = " ".join(nnhw("verify", "--help").split())
    assert f"by default {verify.ROWS:,}, {verify.ROWS_SLOW} on targets that take long" in told


def test_a_name_is_looked_up_among_the_records(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = emitters.Emitter("mine", "my code", "as a test wants it", emitters.get("portable").emit)
    kind = choices.code_names("auto")
    with pytest.raises(Exception, match="'mine' is not one of"):
        kind.convert("mine", None, None)
    monkeypatch.setattr(emitters, "EMITTERS", (*emitters.EMITTERS, mine))
    assert kind.convert("mine", None, None) == "mine"
