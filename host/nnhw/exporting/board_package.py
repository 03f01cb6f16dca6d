"""A Python package made ready for a board whose file system has no directories and whose heap is a few kilobytes."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import PurePosixPath


def nnrun() -> dict[str, bytes]:
    """The modules of the board package that run a model, {``nnrun/core.py``: content}."""
    folder = resources.files("nnrun")
    return {f"nnrun/{file.name}": file.read_bytes() for file in folder.iterdir() if file.name.endswith(".py")}


def flatten(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The modules of packages side by side: ``nnrun/core.py`` becomes ``nnrun_core.py``, ``__init__.py`` ``nnrun.py``.

    Their absolute imports of one another follow, and docstrings and comment lines go, as they cost heap while a module
    is compiled. Files that are not in a folder stay as they are. Raises SyntaxError for a module that is not Python.
    """
    folders = {PurePosixPath(name).parts[0] for name in files if "/" in name}
    flat = {}
    for name, content in files.items():
        path = PurePosixPath(name)
        if len(path.parts) == 1:
            flat[name] = content
        else:
            folder = path.parts[0]
            place = f"{folder}.py" if path.name == "__init__.py" else f"{folder}_{path.name}"
            text = content.decode()
            flat[place] = _renamed(_bare(text), folders).encode() if path.suffix == ".py" else content
    return flat


def _renamed(text: str, folders: set[str]) -> str:
    for folder in folders:
        text = re.sub(rf"(?m)^( *from {folder})\.(\w+ import )", r"\1_\2", text)
    return text


def _bare(text: str) -> str:
    lines = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            string = node.body[0]
            alone = len(node.body) == 1 and not isinstance(node, ast.Module)
            for number in range(string.lineno - 1, string.end_lineno or string.lineno):
                lines[number] = ""
            if alone:
                lines[string.lineno - 1] = " " * string.col_offset + "pass"
    return "\n".join(line for line in lines if line.strip() and not line.lstrip().startswith("#")) + "\n"
