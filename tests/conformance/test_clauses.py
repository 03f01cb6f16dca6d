"""Every clause of SPEC.md is held by a golden vector, by the second engine, or by a named test."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
import second_engine

TESTS = Path(__file__).parents[1]
SPEC = (TESTS.parent / "SPEC.md").read_text("utf-8")
CLAUSES = set(re.findall(r"^- \*\*(\d+\.\d+)\*\*", SPEC, re.MULTILINE))
NAMED = {
    "8.1": ("conformance/test_generated_files.py::test_a_generated_file_names_format_version_and_model",),
    "8.2": (
        "conformance/test_verify_targets.py::test_no_logit_differs_in_any_precision_code_or_entry",
        "conformance/test_golden_native.py::test_every_vector_is_exact_as_machine_code_on_a_core",
        "conformance/test_golden_native.py::test_every_vector_is_exact_as_c_under_sanitizers",
    ),
    "8.3": (
        "conformance/test_verify_targets.py::test_a_forward_pass_takes_nothing_from_the_heap",
        "codegen/viper/test_emitter.py::test_the_time_does_not_depend_on_the_input",
        "codegen/c/test_emitter.py::test_a_prediction_takes_the_same_cycles_for_every_input",
        "codegen/c/test_emitter.py::test_only_the_entry_for_raw_values_names_floats",
    ),
    "7.10": (
        "device/test_forged.py::test_what_a_header_cannot_say_is_refused_at_every_load",
        "device/test_forged.py::test_a_forged_file_is_refused_or_runs_within_its_memory",
        "device/test_forged.py::test_a_look_up_is_inside_its_table_or_refused",
    ),
    "10.7": (
        "conformance/test_learn_targets.py::test_a_file_cut_at_any_byte_of_a_save_is_loaded_as_the_old_or_the_new_model",
        "device/test_learn_store.py::test_a_cut_at_every_byte_leaves_the_old_or_the_new_model",
        "conformance/test_learn_alone.py::test_a_file_cut_at_any_byte_of_a_save_is_loaded_as_the_old_or_the_new_model",
        "host/deploying/test_pull.py::test_of_two_files_the_board_and_pull_take_the_same",
    ),
    "10.8": (
        "device/test_learn_store.py::test_a_disk_that_fills_up_between_two_cut_saves_loses_no_model",
        "conformance/test_learn_alone.py::test_a_disk_that_fills_up_between_two_cut_saves_loses_no_model",
    ),
    "10.9": (
        "device/test_forged.py::test_what_a_trainable_header_cannot_say_is_refused_at_every_load",
        "device/test_forged.py::test_a_forged_file_is_refused_or_runs_within_its_memory",
    ),
}
"""Clauses that are about more than integers, and the tests that hold them."""


def functions_of(path: Path) -> list[ast.FunctionDef]:
    """Each function in a file."""
    return [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.FunctionDef)]


def names_in(node: ast.AST) -> set[str]:
    """The names that a piece of source uses."""
    used = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return used | {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}


def vector_clauses() -> set[str]:
    """The clauses that the golden vectors name."""
    files = sorted((TESTS / "vectors").glob("*.jsonl"))
    return {json.loads(line)["clause"] for path in files for line in path.read_text("utf-8").splitlines()}


def test_every_clause_is_held_by_somebody() -> None:
    held = vector_clauses() | set(second_engine.clauses()) | set(NAMED)
    assert held == CLAUSES


@pytest.mark.parametrize("clause", NAMED)
def test_a_named_test_exists(clause: str) -> None:
    for name in NAMED[clause]:
        path, _, function = name.partition("::")
        assert function in {node.name for node in functions_of(TESTS / path)}, name


def test_what_the_second_engine_says_it_follows_is_asked_for_by_the_comparison() -> None:
    """A docstring holds no clause where nothing that is compared with the product uses the function."""
    engine = [node for path in Path(second_engine.__file__).parent.glob("*.py") for node in functions_of(path)]
    reached: set[str] = set()
    asked = names_in(ast.parse((TESTS / "conformance/test_second_engine.py").read_text("utf-8")))
    while asked - reached:
        reached |= asked
        asked = {name for node in engine if node.name in reached for name in names_in(node)}
    told = {name.partition(".")[2] for names in second_engine.clauses().values() for name in names}
    assert told - reached == set()
