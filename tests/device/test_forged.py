"""Forged model files, their checksums right: refused, or run within their own memory (SPEC 7.10, 10.9)."""

from __future__ import annotations

import struct

import pytest
from conftest import usable_target
from fuzz import binaries
from fuzz.forge import fields, sealed

import nnrun
import nnrun.learn
from nnhw_codegen.files import nnb, nnt
from nnhw_codegen.files.fields import FileError
from nnrun import reader

SOFTPLUS = binaries.originals("nnb")[0]
TRAINABLE = binaries.originals("nnt")[0]
"""Four inputs, eight softplus, three classes."""


def changed(data: bytes, at: int, layout: str, value: float) -> bytes:
    """``data`` with one number changed."""
    forged = bytearray(data)
    struct.pack_into(layout, forged, at, value)
    return sealed(forged)


def refused(data: bytes, tmp_path, match: str | None) -> None:
    """By host and by nnrun without the proof, in one line that names the file."""
    path = tmp_path / "forged.bin"
    path.write_bytes(data)
    host, board = (nnb.load, nnrun.load) if data[:3] == b"NNB" else (nnt.load, nnrun.learn.load)
    for load, place, error in ((host, path, FileError), (board, str(path), ValueError)):
        with pytest.raises(error, match=match) as caught:
            load(place)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)


HEADER = [
    *((16, "<B", bits, f"weights of {bits} bits") for bits in (0, 9, 10, 11, 12, 13, 14, 15, 17, 32)),
    (12, "<H", 0, "of 0 inputs"),
    (12, "<H", 5, None),
    (14, "<B", 0, "0 layers"),
    (14, "<B", 3, None),
    (15, "<B", 2, None),
    (17, "<B", 1, "decision 1 does not go with 3 outputs"),
    (17, "<B", 4, "decision 4 does not go with 3 outputs"),
    (18, "<H", 2, "does not go with 3 outputs of 2 names"),
    (24 + 16, "<i", 31, "input 0: an impossible shift"),
    (24 + 80, "<I", 0, "input 0: its step"),
    (24 + 80, "<I", 1 << 26, "input 0: its step"),
]


@pytest.mark.parametrize(("at", "layout", "value", "match"), HEADER)
def test_what_a_header_cannot_say_is_refused_at_every_load(at, layout, value, match, tmp_path):
    refused(changed(SOFTPLUS, at, layout, value), tmp_path, match)


TRAINABLE_HEADER = [
    *((20, "<B", bits, f"weights of {bits} bits") for bits in (0, 9, 12, 15, 32)),
    (16, "<H", 0, "of 0 inputs"),
    (18, "<B", 0, "0 layers"),
    (18, "<B", 3, None),
    (19, "<B", 9, None),
    (21, "<B", 1, "decision 1 does not go with 3 outputs"),
    (30, "<B", 4, "byte 30 of the header is 4, at most 3"),
    (34, "<B", 2, "byte 34 of the header is 2, at most 1"),
    (40 + 16, "<i", 31, "input 0: an impossible shift"),
    (40 + 80, "<I", 0, "input 0: its step"),
]


@pytest.mark.parametrize(("at", "layout", "value", "match"), TRAINABLE_HEADER)
def test_what_a_trainable_header_cannot_say_is_refused_at_every_load(at, layout, value, match, tmp_path):
    refused(changed(TRAINABLE, at, layout, value), tmp_path, match)


def test_a_bias_that_training_could_not_reach_is_refused(tmp_path):
    length = struct.unpack_from("<I", TRAINABLE, 4)[0]
    refused(changed(TRAINABLE, length + 4 + 2 * 32, "<i", 1 << 29), tmp_path, "a bias reaches 2\\^29")


def test_a_look_up_is_inside_its_table_or_refused(tmp_path):
    """Steps that make a larger index, or one below 0, than the table holds."""
    length = struct.unpack_from("<I", SOFTPLUS, 4)[0]
    _, tables, layers, _ = reader.parse(bytearray(SOFTPLUS[:length]))
    entries = struct.unpack_from("<H", SOFTPLUS, tables[0])[0]
    first, last = layers[0][0][4:6]
    looks = [k for k in range(first, last, 4) if SOFTPLUS[k] == 6]
    assert looks
    assert entries > 2
    for look in looks:
        refused(changed(SOFTPLUS, look + 2, "<B", 0), tmp_path, "outside its table")  # z itself, which may be below 0


@pytest.mark.parametrize("frac", [46, 100, 127])
def test_weights_too_fine_to_train_are_refused_by_the_host(frac, tmp_path):
    """Fw of the first layer, behind the doorway and the tables (10.3)."""
    at = next(at for at, size in fields(TRAINABLE) if size == 1 and at > 40 + 28 * 4 and is_layer(at - 16))
    path = tmp_path / "m.nnt"
    path.write_bytes(changed(TRAINABLE, at, "<b", frac))
    with pytest.raises(FileError, match="fraction bits leave no room"):
        nnt.load(path)


def is_layer(at: int) -> bool:
    """Whether the record of the first layer starts there: units and fan-in."""
    return struct.unpack_from("<HH", TRAINABLE, at) == (8, 4)


@pytest.mark.parametrize("letter", ["\n", "\x1b", "\x00", "\x7f"])
@pytest.mark.parametrize("data", [SOFTPLUS, TRAINABLE], ids=["nnb", "nnt"])
def test_a_name_that_would_control_a_terminal_is_refused(data, letter, tmp_path):
    refused(
        sealed(bytearray(data.replace(b"class 1", b"class" + letter.encode() + b"1"))), tmp_path, "control character"
    )


@pytest.mark.parametrize("kind", ["nnb", "nnt"])
@pytest.mark.parametrize("loader", binaries.LOADERS)
def test_a_forged_file_is_refused_or_runs_within_its_memory(loader, kind):
    if loader in ("unix", "wasm"):
        usable_target(loader)
    result = binaries.fuzz(loader, kind, seed=0, count=200)
    assert result.faults == []
    assert min(result.ends["refused"], sum(result.ends.values()) - result.ends["refused"]) > 5
