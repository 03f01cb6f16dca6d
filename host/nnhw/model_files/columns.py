"""The key "columns" of model.json and of a build's manifest: how a row of words and numbers becomes the inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nnhw.model_files.strict_json import Node
from nnhw_codegen.network.network import Column

COLUMN_KEYS = ("name", "categories", "fill", "flag")

_LARGEST = 1e30


def to_json(columns: Sequence[Column]) -> list[Any]:
    """The columns as JSON holds them: the name alone where the cell is the input, else an object."""
    return [column.name if column.is_plain else _entry(column) for column in columns]


def _entry(column: Column) -> dict[str, Any]:
    values = {"categories": list(column.categories), "fill": column.fill, "flag": column.flag}
    return {"name": column.name, **{key: value for key, value in values.items() if value not in ([], None, False)}}


def from_json(node: Node, inputs: Sequence[str]) -> tuple[Column, ...]:
    """The columns in ``node``, which become ``inputs`` by name. Raises Fault."""
    columns = tuple(_column(item) for item in node.items())
    names = [name for column in columns for name in column.input_names]
    for place, (found, expected) in enumerate(zip(names, inputs, strict=False)):
        if found != expected:
            raise node.fault(f"makes {found!r} of input {place + 1}, which is called {expected!r}")
    if len(names) != len(inputs):
        raise node.fault(f"makes {len(names)} inputs, but the model has {len(inputs)}")
    return columns


def _column(node: Node) -> Column:
    if isinstance(node.value, str):
        return Column(node.text())
    node.expect_keys(COLUMN_KEYS, required=("name",))
    categories = node["categories"].names() if "categories" in node else ()
    fill: float | str | None = None
    if "fill" in node:
        fill = node["fill"].one_of(categories) if categories else node["fill"].number(_LARGEST)
    flag = False
    if "flag" in node:
        if not isinstance(node["flag"].value, bool):
            raise node["flag"].fault(f"expected true or false, found {node['flag'].shown()}")
        flag = node["flag"].value
        if flag and not categories and fill is None:
            raise node.fault('a number with a "flag" needs a "fill", which stands for a missing value')
    return Column(node["name"].text(), categories, fill, flag)
