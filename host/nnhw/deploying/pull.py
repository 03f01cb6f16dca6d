"""A model that a board trained, from the board: the one that the board itself would load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nnhw.boards.link import Link
from nnhw_codegen.files import nnt
from nnhw_codegen.files.fields import FileError
from nnhw_codegen.learning.trainable import Trainable

SUFFIX = ".nnt"
SECOND = ".new"
"""Behind the name, of the file that a board saves first (SPEC 10.7)."""


@dataclass(frozen=True)
class Pulled:
    """``name`` is the file that ``model`` comes from; ``note`` tells why, where another one was asked for."""

    port: str
    name: str
    model: Trainable
    note: str


def pull(port: str, name: str | None = None) -> Pulled:
    """The model in the file ``name`` of the board at ``port``, by default the only .nnt file there.

    The board's own rule chooses (SPEC 10.7): the file itself where it is whole, else the second one, which a save that was
    cut off leaves. The board restarts. Raises FileError where there is no such file or none is whole, TargetError where
    the line breaks.
    """
    with Link(port) as link:
        names = link.names()
        name = name or _only(names, link.name)
        contents = link.read(name), link.read(name + SECOND)
        link.restart()
    if contents == (None, None):
        raise FileError(f"{link.name}: there is no {name} on the board; {_listed(names)}")
    first, second = (_model(content) for content in contents)
    if isinstance(first, Trainable):
        return Pulled(link.port, name, first, "")
    if isinstance(second, Trainable):
        return Pulled(link.port, name + SECOND, second, f"{name}: {first}")
    raise FileError(f"{link.name}: {name}: {first}")


def _only(names: Sequence[str], where: str) -> str:
    found = sorted({n.removesuffix(SECOND) for n in names if n.removesuffix(SECOND).endswith(SUFFIX)})
    if len(found) == 1:
        return found[0]
    if found:
        raise FileError(f"{where}: {len(found)} models on the board, name one of them: {', '.join(found)}")
    raise FileError(f"{where}: no {SUFFIX} file on the board; {_listed(names)}")


def _listed(names: Sequence[str]) -> str:
    return f"its files are {', '.join(sorted(names))}" if names else "it has no files"


def _model(content: bytes | None) -> Trainable | FileError:
    if content is None:
        return FileError("no such file")
    try:
        return nnt.from_bytes(content)
    except FileError as error:
        return error
