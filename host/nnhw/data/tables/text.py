"""Bytes -> text: compression, encoding, and files that hold no table of text at all."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

from nnhw.errors import DataError

_FOREIGN = (
    (b"\x89HDF", "an HDF5 file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"MATLAB", "a MATLAB file"),
    (b"\xd0\xcf\x11\xe0", "a file of an old spreadsheet"),
    (b"%PDF", "a PDF document"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"(\xb5/\xfd", "a zstd archive"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x80\x03", "a Python pickle, which could run any program when it is opened"),
    (b"\x80\x04", "a Python pickle, which could run any program when it is opened"),
    (b"\x80\x05", "a Python pickle, which could run any program when it is opened"),
    (b"ARROW1", "an Arrow file"),
    (b"Obj\x01", "an Avro file"),
    (b"ORC", "an ORC file"),
)
_FOREIGN_TEXT = (
    ("{", "JSON"),
    ("[", "JSON"),
    ("<", "XML or HTML"),
    ("@relation", "an ARFF file"),
)
_REMEDY = "save the table as CSV, or load it with pandas and give the DataFrame to nnhw.data.datasets.load"
_SAMPLE = 4096
_MARKS = (
    (b"\xff\xfe\x00\x00", "UTF-32", "utf-32"),
    (b"\x00\x00\xfe\xff", "UTF-32", "utf-32"),
    (b"\xef\xbb\xbf", "UTF-8 with a byte order mark", "utf-8-sig"),
    (b"\xff\xfe", "UTF-16", "utf-16"),
    (b"\xfe\xff", "UTF-16", "utf-16"),
)
_NO_TEXT = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1a\x1b"))


@dataclass(frozen=True)
class Text:
    """The text of a file, and its encoding and compression in words."""

    content: str
    encoding: str


def read(path: Path) -> Text:
    """The text of the file at ``path``. Raises DataError where it cannot be read or holds something else."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    compressed = data.startswith(b"\x1f\x8b")
    if compressed:
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path}: damaged gzip file: {error}") from None
    content, encoding = _decode(path, data)
    return Text(content.rstrip("\x1a"), encoding + (", gzip" if compressed else ""))


def _decode(path: Path, data: bytes) -> tuple[str, str]:
    for mark, kind in _FOREIGN:
        if data.startswith(mark):
            raise DataError(f"{path}: is {kind}; {_REMEDY}")
    name, codec = _encoding(path, data)
    try:
        content = data.decode(codec)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: byte {error.start} is not {name} text; save the table with UTF-8 encoding"
        ) from None
    start = content.lstrip()[:20].lower()
    for mark_text, kind in _FOREIGN_TEXT:
        if start.startswith(mark_text):
            raise DataError(f"{path}: holds {kind}; {_REMEDY}")
    if not start:
        raise DataError(f"{path}: the file is empty; expected a header line and rows of numbers")
    return content, name


def _encoding(path: Path, data: bytes) -> tuple[str, str]:
    """The encoding's name, and Python's word for it."""
    for mark, name, codec in _MARKS:
        if data.startswith(mark):
            return name, codec
    sample = data[:_SAMPLE]
    for start, codec in ((1, "utf-16-le"), (0, "utf-16-be")):
        half = sample[start::2]
        if len(half) > 1 and 2 * half.count(0) > len(half) and not sample[1 - start :: 2].count(0):
            return "UTF-16", codec
    wrong = next((place for place, byte in enumerate(sample) if byte in _NO_TEXT), data.find(b"\0"))
    if wrong >= 0:
        raise DataError(f"{path}: holds binary data (byte {wrong} is {data[wrong]}); expected a table as text")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        try:
            data.decode("cp1252")
        except UnicodeDecodeError:
            raise DataError(
                f"{path}: byte {error.start} is neither UTF-8 nor Latin-1 text; save the table with UTF-8 encoding"
            ) from None
        return "Latin-1 (Windows-1252)", "cp1252"
    return ("ASCII" if data.isascii() else "UTF-8"), "utf-8"
