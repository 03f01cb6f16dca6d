"""What is known of a code, target, activation or precision stands in its record: nothing else asks for its name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from nnhw.targets import TARGETS
from nnhw_codegen import emitters
from nnhw_codegen.integers import precision
from nnhw_codegen.network import activations

ROOT = Path(__file__).parents[2]
NAMES = {
    *emitters.names(),
    *activations.output_names(),
    *precision.names(),
    *(target.kind for target in TARGETS),
} - {"board"}
"""Without the one that is a plain word too."""
FOREIGN = "host/nnhw/model_files"
"""There, other libraries' names are read and written."""
ALLOWED = {
    "host/nnhw/boards/catalog.py": {"viper"},  # what a MicroPython offers, which two codes ask for
    "host/nnhw/study/tasks.py": {"softplus"},  # the names of a study's arms
    "host/nnhw/cli/target_options.py": {"pico"},  # the one target that an option of its own, --firmware, is for
    "host/nnhw/training/population.py": {
        "softmax"
    },  # a study's networks end in one of two ways, which are no records
}


def decided_by_name(tree: ast.AST) -> Iterator[str]:
    """Names that a comparison or the keys of a dictionary ask for."""
    for node in ast.walk(tree):
        asked: list[ast.AST] = []
        if isinstance(node, ast.Compare):
            asked = [node.left, *node.comparators]
        elif isinstance(node, ast.Dict):
            asked = [key for key in node.keys if key is not None]
        for part in asked:
            for leaf in part.elts if isinstance(part, ast.Tuple | ast.Set | ast.List) else [part]:
                value = leaf.value if isinstance(leaf, ast.Constant) else None
                text = value.decode("latin-1") if isinstance(value, bytes) else value
                if text in NAMES:
                    yield str(text)


def test_no_name_of_a_record_decides_anything() -> None:
    found = {}
    for folder in ("host/nnhw", "codegen/nnhw_codegen", "device/nnrun"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            place = path.relative_to(ROOT).as_posix()
            names = set(decided_by_name(ast.parse(path.read_text("utf-8")))) - ALLOWED.get(place, set())
            if names and not place.startswith(FOREIGN):
                found[place] = names
    assert found == {}


def test_a_question_for_a_name_is_found() -> None:
    for text in (
        'code == "viper"',
        'name in ("x", "relu")',
        'd = {"wasm": 1}',
        'data[1:5] == b"relu"',
        '"pico" != place',
    ):
        assert list(decided_by_name(ast.parse(text))), text
    assert not list(decided_by_name(ast.parse('output = output or "softmax"; get("tanh")')))
