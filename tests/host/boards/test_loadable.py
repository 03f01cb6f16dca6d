"""Which of a module's files a board gets: exactly one, the native .mpy where its MicroPython loads that."""

from __future__ import annotations

import pytest

from nnhw.boards import mpy_cross
from nnhw.boards.firmware import Firmware
from nnhw.boards.loadable import loadable
from nnhw.errors import TargetError

SOURCE = b"x = 1\n"
NATIVE = b"M\x06\x13\x1f machine code"
ARMV6M, ARMV7EMSP, X64 = 4, 7, 2
FILES = {"m.py": SOURCE, "m.mpy": NATIVE, "selftest.py": b"import m\n", "vectors.jsonl": b"{}\n"}


def firmware(architecture: int, sub_version: int = 3, version: int = 6) -> Firmware:
    mpy = version | sub_version << 8 | architecture << 10
    return Firmware("micropython", (1, 25, 0), mpy, "a board", 200_000, 1_000_000, True, True, True)


@pytest.fixture(autouse=True)
def _compiler():
    if mpy_cross.why_unavailable():
        pytest.skip(f"mpy-cross: {mpy_cross.why_unavailable()}")


@pytest.mark.parametrize("architecture", [ARMV6M, ARMV7EMSP])
def test_a_board_that_loads_the_native_mpy_gets_it(architecture):
    chosen, notes = loadable(FILES, firmware(architecture))
    assert chosen["m.mpy"] == NATIVE
    assert sorted(chosen) == ["m.mpy", "selftest.mpy", "vectors.jsonl"]
    assert not notes


@pytest.mark.parametrize("board", [firmware(X64), firmware(ARMV6M, sub_version=2)])
def test_any_other_board_gets_the_module_alone(board):
    chosen, _ = loadable(FILES, board)
    assert chosen["m.mpy"] == mpy_cross.compile_mpy(SOURCE, "m.py")
    assert "m.py" not in chosen


def test_the_source_goes_alone_where_it_is_asked_for_or_no_mpy_is_loaded():
    for form, board in (("py", firmware(ARMV6M)), ("auto", firmware(ARMV6M, version=5))):
        chosen, _ = loadable(FILES, board, form)
        assert chosen["m.py"] == SOURCE
        assert "m.mpy" not in chosen


def test_an_mpy_that_is_asked_for_and_cannot_be_loaded_is_refused():
    with pytest.raises(TargetError, match=r"m\.py cannot be loaded as \.mpy"):
        loadable(FILES, firmware(ARMV6M, version=5), "mpy")
