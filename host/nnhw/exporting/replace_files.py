"""Files of a folder replaced by others, all or none; the folder itself stays, and so does what lies in it besides."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from nnhw_codegen.whole_file import sync_folder

_NEW, _OLD = ".nnhw-new", ".nnhw-old"
_COMING = ".coming"
"""In the folder of files to go: the names of those to come, as long as these do not count."""

PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""A file name that stays in its folder, and is none of these."""

FOLDERS = frozenset((_NEW, _OLD))
"""Hidden folders for the files to come and those to go: left only by what killed the program in between."""


def replace(directory: Path, files: Mapping[str, bytes], leaving: Iterable[str]) -> None:
    """Put ``files`` into ``directory``, where no other files have their names than those of ``leaving``, which go.

    Raises OSError, and leaves the folder as it was, where something cannot be written.
    """
    new, old = directory / _NEW, directory / _OLD
    try:
        new.mkdir()
        for name, content in files.items():
            _put(new / name, content)
        old.mkdir()
        _put(old / _COMING, "\n".join(files).encode())
        for name in leaving:
            (directory / name).rename(old / name)
        for name in files:
            (new / name).rename(directory / name)
        sync_folder(directory)
        (old / _COMING).unlink()  # from here on the new files count
        shutil.rmtree(old)
    except BaseException:
        recover(directory)
        raise
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _put(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def was_cut(directory: Path) -> bool:
    """Whether the program was killed while it replaced files in ``directory``."""
    return (directory / _OLD / _COMING).is_file()


def recover(directory: Path) -> None:
    """Undo a replacement that was cut off: the earlier files come back."""
    new, old = directory / _NEW, directory / _OLD
    if was_cut(directory):
        for name in (old / _COMING).read_text("utf-8").splitlines():
            # What is still to come has not taken its place.
            if PLAIN.fullmatch(name) and not (new / name).exists():
                (directory / name).unlink(missing_ok=True)
        for path in list(old.iterdir()):
            if path.name != _COMING and not (directory / path.name).exists():
                path.rename(directory / path.name)
    shutil.rmtree(old, ignore_errors=True)
    shutil.rmtree(new, ignore_errors=True)
