"""What a build folder shall hold, as one record."""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.boards import catalog
from nnhw.boards.catalog import Board
from nnhw.exporting.learning_files import Learning
from nnhw.exporting.names import banner, module_name
from nnhw_codegen.files import nnb
from nnhw_codegen.integers.qmodel import QModel
from nnhw_codegen.network.network import Column
from nnhw_codegen.writer import Origin

AUTO = "auto"
CODE = "portable"


@dataclass(frozen=True, eq=False)
class ExportRequest:
    """A quantized model, and what to write of it.

    ``code`` "auto" is the fastest that ``board`` runs and has room for, without a board portable; ``board`` is a name, or
    None for any. ``source`` is the name of the model file, which names the module. ``rows`` (n, inputs), raw, become test
    vectors. ``columns`` are those of the network, for ``encode``; ``agreement`` says, line by line, how near the integers
    are to the floats; ``learning`` asks for files with which a board goes on training. ``command_words`` are further words
    of the command that makes the build.
    """

    model: QModel
    directory: Path
    source: str
    code: str = CODE
    board: str | None = None
    rows: NDArray[np.floating[Any]] | None = None
    columns: tuple[Column, ...] = ()
    agreement: tuple[str, ...] = ()
    learning: Learning | None = None
    command_words: tuple[str, ...] = ()

    @cached_property
    def place(self) -> Board | None:
        """The board to compile for. Raises ValueError for one that is not known."""
        return None if self.board is None else catalog.get(self.board)

    @cached_property
    def binary(self) -> bytes:
        """The .nnb file."""
        return nnb.to_bytes(self.model)

    def command(self, code: str) -> str:
        """What a user types to get the build with this code."""
        words = [
            Path(self.source).name,
            "--precision",
            self.model.precision.name,
            "--code",
            code,
            *self.command_words,
        ]
        if self.learning is not None:
            words += self.learning.command_words
        if self.board is not None:
            words += ["--board", self.board]
        return f"nnhw export {shlex.join(words)}"

    def origin(self, code: str) -> Origin:
        """What every file of the build with this code says of where it comes from."""
        model_hash = hashlib.sha256(self.binary).hexdigest()[:16]
        line = banner(Path(self.source).name, self.model.precision.name, model_hash, self.command(code))
        return Origin(module_name(self.source), line, model_hash)
