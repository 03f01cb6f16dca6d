"""Every error that users are told has one root, with its exit code."""

import importlib
import inspect
import pkgutil

import pytest

import nnhw
import nnhw_codegen
from nnhw.cli.commands import main
from nnhw.errors import InputError, NnhwError, TargetError
from nnhw_codegen import registry

# Each is caught and told as one of the others by the module that it is raised for.
WITHIN = {"nnhw.boards.line.LineError", "nnhw_codegen.thumb.instructions.AssemblyError"}


def error_classes() -> dict[str, type]:
    """All exception classes called Error in the two packages, by their full name."""
    found = {}
    for package in (nnhw, nnhw_codegen):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if module.name.endswith("__main__"):
                continue
            for name, value in vars(importlib.import_module(module.name)).items():
                ours = inspect.isclass(value) and value.__module__ == module.name
                if ours and issubclass(value, Exception) and name.endswith("Error"):
                    found[f"{module.name}.{name}"] = value
    return found


def test_errors_for_users_share_a_root():
    classes = error_classes()
    told = {name: kind for name, kind in classes.items() if not name.startswith("nnhw.cli.") and name not in WITHIN}
    assert len(told) > 10
    assert {name for name, kind in told.items() if not issubclass(kind, NnhwError)} == set()
    assert {name for name, kind in told.items() if kind.exit_code != 2} == {"nnhw.errors.TargetError"}


class MadeUpError(NnhwError):
    """From a module that is not part of nnhw."""

    exit_code = 1


@pytest.mark.parametrize(
    ("error", "code"),
    [(InputError("no"), 2), (TargetError("no"), 1), (MadeUpError("no"), 1)],
    ids=["input", "target", "made up"],
)
def test_a_command_ends_in_one_line_and_the_errors_own_code(error, code, monkeypatch, capsys):
    command = main.get_command(None, "schema")

    def fail() -> None:
        raise error

    monkeypatch.setattr(command, "callback", fail)
    with pytest.raises(SystemExit) as ended:
        main(["schema"])
    assert ended.value.code == code
    assert capsys.readouterr().err == "nnhw: no\n"


def test_a_fault_of_the_program_keeps_its_traceback(monkeypatch):
    def fail() -> None:
        raise ValueError("a fault")

    monkeypatch.setattr(main.get_command(None, "schema"), "callback", fail)
    with pytest.raises(ValueError, match="a fault"):
        main(["schema"])


def test_an_unknown_name_gets_the_nearest_one_and_all():
    class Named:
        def __init__(self, name: str) -> None:
            self.name = name

    records = [Named("relu"), Named("tanh")]
    assert registry.find(records, "tanh", "activation") is records[1]
    with pytest.raises(
        InputError, match=r"^there is no activation 'rleu': did you mean 'relu'\? The activations are: "
    ):
        registry.find(records, "rleu", "activation")
