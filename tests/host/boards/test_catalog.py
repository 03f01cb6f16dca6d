"""What the catalog says of a board is what the board has."""

from __future__ import annotations

from conftest import usable_target

from nnhw.boards import catalog

FILL = """
n = 0
try:
    while True:
        with open("f%d" % n, "wb") as f:
            f.write(bytes(100))
        n += 1
except OSError:
    print(n)
"""


def test_a_micro_bit_stores_what_its_record_says():
    # A file of 100 bytes takes one block of the file system, whose blocks hold 126.
    blocks = int(usable_target("microbit").run({}, FILL))
    assert blocks * 100 <= catalog.get("microbit").storage <= blocks * 126
