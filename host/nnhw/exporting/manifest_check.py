"""What a manifest.json may say: as strict as model.json, since a build folder comes from others too."""

from __future__ import annotations

import re
import shlex
from typing import Any

from nnhw.boards import catalog
from nnhw.exporting.replace_files import PLAIN
from nnhw.model_files.strict_json import Node, read_json
from nnhw_codegen import emitters
from nnhw_codegen.integers import precision
from nnhw_codegen.integers.qmodel import FORMAT

KIND = "nnhw-build"
_TEXTS = ("nnhw", "source", "command", "model")
_KEYS = (*("kind", "format", "name", "precision", "code", "board", "modules", "native", "notes", "files"), *_TEXTS)
_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MOST_BYTES = 1 << 40


def parse(content: bytes) -> dict[str, Any] | None:
    """The manifest in ``content``; None where it is of another program. Raises Fault with the path of what is wrong."""
    root = Node(read_json(content))
    if not isinstance(root.value, dict) or root.value.get("kind") != KIND:
        return None
    if "format" not in root or root["format"].integer(0) != FORMAT:
        raise root.fault(f"made for format {root.value.get('format')}, this nnhw reads {FORMAT}")
    root.expect_keys((*_KEYS, "columns"), required=_KEYS)
    for key in _TEXTS:
        root[key].text()
    _matching(root["name"], _NAME, "a name in small letters, digits and underscores")
    root["precision"].one_of(precision.names())
    root["code"].one_of([emitter.name for emitter in emitters.EMITTERS])
    if root["board"].value is not None:
        root["board"].one_of(catalog.names())
    words = shlex.join(_split(root["command"]))
    if not words.startswith("nnhw ") or words != root["command"].value:
        raise root["command"].fault("expected an nnhw command whose words are quoted for the shell")
    for note in root["notes"].items():
        note.text()
    files = root["files"]
    for name in files.mapping():
        if not PLAIN.fullmatch(name):
            raise files.fault(f"{name!r} is no plain file name")
        files[name].expect_keys(("bytes", "sha256"), required=("bytes", "sha256"))
        files[name]["bytes"].integer(0, _MOST_BYTES)
        _matching(files[name]["sha256"], _DIGEST, "64 hexadecimal digits")
    for module in (*root["modules"].items(), *root["native"].items()):
        module.one_of(list(files.value))
    result: dict[str, Any] = root.value
    return result


def _matching(node: Node, pattern: re.Pattern[str], what: str) -> None:
    if not pattern.fullmatch(node.text()):
        raise node.fault(f"expected {what}, found {node.shown()}")


def _split(node: Node) -> list[str]:
    try:
        return shlex.split(node.text())
    except ValueError as error:
        raise node.fault(f"no command: {error}") from None
