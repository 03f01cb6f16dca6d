"""ZIP files of other programs, read in memory and within bounds: nothing is written, nothing outside is opened."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import PureWindowsPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.model_files.chain import Refusal
from nnhw.model_files.strict_json import Node, read_json

MOST_BYTES = 2**28
"""Files and their unpacked members may be this large together: far more than any network for a microcontroller."""

_ZIP_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OSError,
    ValueError,
    KeyError,
)


class Archive:
    """The members of a ZIP file. Raises Refusal for damage, for paths that leave the archive, and beyond MOST_BYTES."""

    def __init__(self, content: bytes) -> None:
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
            members = self._zip.infolist()
        except _ZIP_FAULTS as error:
            raise Refusal(f"not a readable ZIP file: {error}") from None
        self.names = tuple(member.filename for member in members)
        self._left = MOST_BYTES
        for name in self.names:
            path = PureWindowsPath(name)  # it takes both kinds of slashes, and drives
            if path.anchor or ".." in path.parts:
                raise Refusal(f"member {name!r} leaves the archive; such a file is not read")

    def read(self, name: str) -> bytes:
        """The bytes of a member."""
        if name not in self.names:
            raise Refusal(f"has no member {name!r}; is the file complete?")
        try:
            with self._zip.open(name) as member:
                content = member.read(self._left + 1)
        except _ZIP_FAULTS as error:
            raise Refusal(f"member {name!r} cannot be read: {error}") from None
        self._left -= len(content)
        if self._left < 0:
            raise Refusal(
                f"member {name!r} unpacks to more than {MOST_BYTES >> 20} MB, too much for a microcontroller"
            )
        return content

    def json(self, name: str) -> Node:
        """A JSON member; its faults name it."""
        return Node(read_json(self.read(name)), name)

    def array(self, name: str) -> NDArray[Any]:
        """The array of an .npy member; no objects are made."""
        try:
            return np.asarray(np.lib.format.read_array(io.BytesIO(self.read(name)), allow_pickle=False))
        except (ValueError, EOFError, TypeError, SyntaxError, OverflowError, MemoryError, RecursionError) as error:
            raise Refusal(f"member {name!r} is not an array of numbers: {error}") from None
