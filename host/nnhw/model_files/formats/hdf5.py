"""HDF5 files, read in memory and within bounds: links and data that lie outside the file are not followed."""

from __future__ import annotations

import io
from math import prod
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from nnhw.model_files.chain import Refusal
from nnhw.model_files.formats.archive import MOST_BYTES

_LARGEST_ATTRIBUTE = 2**24
_HEAP = b"GCOL\x01\0\0\0"  # begins a collection of texts: signature, version, then 8 bytes of its size
_HEAP_HEADER = 16  # bytes, of the collection and of each text in it


class Hdf5:
    """The arrays and attributes of an HDF5 file. Raises Refusal for damage, and for what lies outside the file."""

    def __init__(self, content: bytes) -> None:
        _check_heaps(content)
        try:
            self._file = h5py.File(io.BytesIO(content), "r")
        except Exception as error:  # whatever the library finds in a damaged file
            raise Refusal(f"not a readable HDF5 file: {error}") from None

    def text(self, name: str, path: str = "") -> str | None:
        """A text attribute of the group at ``path``; None where there is none."""
        value = self._attribute(path, name)
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace")
        return value if isinstance(value, str) else None

    def texts(self, name: str, path: str) -> list[str]:
        """An attribute of the group at ``path`` that lists texts."""
        value = self._attribute(path, name)
        if not isinstance(value, (np.ndarray, list)):
            raise Refusal(f"HDF5 group {path!r}: has no list {name!r}; is the file complete?")
        return [item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item) for item in value]

    def _attribute(self, path: str, name: str) -> Any:
        group = self._at(path)
        try:
            if name not in group.attrs:
                return None
            found = group.attrs.get_id(name)
            if prod(found.shape) * found.dtype.itemsize > _LARGEST_ATTRIBUTE:
                raise Refusal(f"HDF5 group {path!r}: attribute {name!r} is too large; is the file damaged?")
            return group.attrs[name]
        except Refusal:
            raise
        except Exception as error:
            raise Refusal(f"HDF5 group {path!r}: attribute {name!r} cannot be read: {error}") from None

    def names(self, path: str) -> list[str]:
        """What the group at ``path`` holds."""
        try:
            return list(self._at(path))
        except Exception as error:
            raise Refusal(f"HDF5 {path!r} cannot be read: {error}") from None

    def array(self, path: str) -> NDArray[Any]:
        """The array at ``path``."""
        found = self._at(path)
        try:
            if not isinstance(found, h5py.Dataset):
                raise Refusal(f"HDF5 {path!r} is not an array; is the file complete?")
            if found.external or found.is_virtual:
                raise Refusal(f"the HDF5 array {path!r} lies in another file, which is not opened")
            if found.nbytes > MOST_BYTES:
                raise Refusal(f"HDF5 array {path!r} has {found.nbytes:,} bytes, too many for a microcontroller")
            return np.asarray(found[()])
        except Refusal:
            raise
        except Exception as error:
            raise Refusal(f"HDF5 array {path!r} cannot be read: {error}") from None

    def _at(self, path: str) -> Any:
        """The group or array at ``path``, by links within the file alone."""
        found: Any = self._file
        for part in filter(None, path.split("/")):
            try:
                link = found.get(part, getlink=True)
                if link is not None and not isinstance(link, h5py.HardLink):
                    raise Refusal(f"HDF5 {path!r} is a link to another place, which is not followed")
                found = found[part] if link is not None else None
            except Refusal:
                raise
            except Exception as error:
                raise Refusal(f"HDF5 {path!r} cannot be read: {error}") from None
            if found is None:
                raise Refusal(f"HDF5 {path!r} is missing; is the file complete?")
        return found


def _check_heaps(content: bytes) -> None:
    """Refuse a collection of texts with one that takes no room: the library would read it over and over again."""
    start = content.find(_HEAP)
    while start >= 0:
        end = min(len(content), start + int.from_bytes(content[start + 8 : start + 16], "little"))
        place = start + _HEAP_HEADER
        while place + _HEAP_HEADER <= end:
            size = int.from_bytes(content[place + 8 : place + 16], "little")
            is_free = content[place : place + 2] == bytes(2)  # then the size counts the header, too
            step = size if is_free else _HEAP_HEADER + -(-size // 8) * 8
            if step < _HEAP_HEADER:
                raise Refusal("not a readable HDF5 file: its texts do not follow each other")
            place += step
        start = content.find(_HEAP, start + _HEAP_HEADER)
