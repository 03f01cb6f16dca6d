"""Building blocks of the text emitters: an indenting writer, templates, identifiers, the banner of generated files."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from string import Template


@dataclass(frozen=True)
class Origin:
    """Where a generated file comes from.

    ``name`` is the module or prefix name (an identifier), ``banner`` one line naming model, precision, FORMAT and the
    command that makes the file again, ``model_hash`` identifies the integers.
    """

    name: str
    banner: str
    model_hash: str


class Writer:
    """Collects lines at the current indentation."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._depth = 0

    def line(self, text: str = "") -> None:
        """Append one line."""
        self._lines.append("    " * self._depth + text if text else "")

    def lines(self, *texts: str) -> None:
        """Append several lines."""
        for text in texts:
            self.line(text)

    @contextmanager
    def block(self, head: str) -> Iterator[None]:
        """Append ``head`` and indent what follows inside the with statement."""
        self.line(head)
        self._depth += 1
        yield
        self._depth -= 1

    @contextmanager
    def braces(self, head: str) -> Iterator[None]:
        """A C block in braces after ``head``, with what follows inside the with statement indented."""
        with self.block(f"{head} {{".lstrip()):
            yield
        self.line("}")

    @contextmanager
    def function(self, head: str, doc: str = "") -> Iterator[None]:
        """A top-level Python function: two empty lines, the head, what it does, and the body indented.

        A docstring would lie on the heap while a small board compiles the module, a comment does not.
        """
        self.lines("", "")
        with self.block(f"def {head}:"):
            if doc:
                self.line(f"# {doc}")
            yield

    def text(self) -> str:
        """All lines, each ended by a newline."""
        return "".join(line + "\n" for line in self._lines)


def fill_template(package: str, template: str, /, **values: object) -> str:
    """The text of a package's template, ``values`` in place of its $names."""
    text = resources.files(package).joinpath("templates", f"{template}.in").read_text(encoding="utf-8")
    return Template(text).substitute(values)


def identifier(name: str) -> str:
    """``name`` as an identifier that Python and C accept: other characters become underscores."""
    result = re.sub(r"\W", "_", name, flags=re.ASCII).strip("_").lower() or "model"
    return f"m_{result}" if result[0].isdigit() or keyword.iskeyword(result) else result


def bytes_literal(data: bytes) -> str:
    """A bytes literal in the shortest escaping that every MicroPython reads."""
    return repr(data)
