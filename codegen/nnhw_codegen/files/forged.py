"""What a board looks at when it loads a model, looked at by the host as well (SPEC 7.10, 10.9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nnrun.learn_structure
import nnrun.reader
import nnrun.structure
from nnhw_codegen.files.fields import FileError


def check_nnb(data: bytes) -> None:
    """Raises FileError where parts of the main part of a .nnb file do not go with each other."""

    def look() -> None:
        main = bytearray(data)
        nnrun.structure.header(main)  # type: ignore[no-untyped-call]
        nnrun.structure.check(*nnrun.reader.parse(main))  # type: ignore[no-untyped-call]

    _refuse(look)


def check_nnt(data: bytes) -> None:
    """Raises FileError where parts of a .nnt file do not go with each other."""
    _refuse(lambda: nnrun.learn_structure.check(bytearray(data)))  # type: ignore[no-untyped-call]


def _refuse(check: Callable[[], Any]) -> None:
    try:
        check()
    except IndexError:
        raise FileError("a part ends behind the file: export the model again") from None
    except ValueError as error:
        raise FileError(f"{error}: export the model again") from None
