"""Forged .nnb and .nnt files, drawn by seed: fields of real ones with other values, and checksums that agree."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Iterator
from functools import cache

from nnhw_codegen.files import nnb, nnt

_EDGES = (
    0,
    1,
    2,
    3,
    7,
    8,
    9,
    15,
    16,
    17,
    30,
    31,
    32,
    33,
    63,
    64,
    126,
    127,
    128,
    129,
    254,
    255,
    256,
    257,
    32766,
    32767,
)
_EDGES += (32768, 65535, (1 << 24) - 1, 1 << 29, (1 << 30) - 1, 1 << 30, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)
_NUMBERS = {"B": 1, "b": 1, "H": 2, "h": 2, "I": 4, "i": 4, "x": 1, "s": 1}


def forged(original: bytes, draw: random.Random) -> bytes:
    """``original`` with some fields changed, or a piece cut out, put in or doubled."""
    data = bytearray(original)
    length = struct.unpack_from("<I", data, 4)[0]
    places = fields(original)
    kind = draw.random()
    if kind < 0.75:
        for at, size in draw.sample(places, min(len(places), draw.choice((1, 1, 1, 2, 2, 3, 5, 9)))):
            _change(data, at, size, draw)
    elif kind < 0.85:
        for _ in range(draw.choice((1, 2, 4, 16))):
            _change(data, draw.randrange(12, len(data)), 1, draw)
    else:
        at, count = draw.randrange(12, length), draw.choice((1, 2, 4, 4, 4, 8, 20, 36))
        piece = data[at : at + count]
        if kind < 0.9:
            del data[at : at + count]
            length = max(length - count, 16)
        else:
            data[at:at] = piece if kind < 0.95 else draw.randbytes(len(piece))
            length += len(piece)
        struct.pack_into(
            "<I", data, 4, length if draw.random() < 0.8 else draw.choice((*_EDGES, length - 1, length + 1))
        )
    return sealed(data)


def sealed(data: bytearray) -> bytes:
    """The file with the sizes and checksums that its parts ask for."""
    length = struct.unpack_from("<I", data, 4)[0]
    if data[:3] == nnt.MAGIC and len(data) > 16:
        struct.pack_into("<I", data, 12, len(data))
        if 16 <= length <= len(data) - 4:
            struct.pack_into("<I", data, len(data) - 4, zlib.adler32(data[length:-4]))
    struct.pack_into("<I", data, 8, zlib.adler32(data[12 : max(length, 12)]))
    return bytes(data)


def _change(data: bytearray, at: int, size: int, draw: random.Random) -> None:
    old = int.from_bytes(data[at : at + size], "little")
    new = draw.choice((draw.choice(_EDGES), draw.choice(_EDGES), old + draw.choice((-1, 1, 4)), draw.getrandbits(32)))
    data[at : at + size] = (new % (1 << 8 * size)).to_bytes(size, "little")


@cache
def fields(data: bytes) -> list[tuple[int, int]]:
    """(place, bytes) of the numbers of a whole file; of weights, biases and letters only some."""
    return list(_nnb_fields(data) if data[:3] == nnb.MAGIC else _nnt_fields(data))


def _record(at: int, layout: struct.Struct) -> Iterator[tuple[int, int]]:
    number = ""
    for letter in layout.format.removeprefix("<"):
        if letter.isdigit():
            number += letter
            continue
        for _ in range(int(number or 1)):
            yield at, _NUMBERS[letter]
            at += _NUMBERS[letter]
        number = ""


def _words(at: int, count: int) -> Iterator[tuple[int, int]]:
    yield from ((at + 4 * k, 4) for k in range(count))


def _tables(data: bytes, at: int, count: int) -> tuple[int, list[tuple[int, int]]]:
    places = []
    for _ in range(count):
        entries, bits = struct.unpack_from("<HB", data, at)
        places += [(at, 2), (at + 2, 1), (at + 4, bits // 8)]
        at += 4 + (entries * bits // 8 + 3 & ~3)
    return at, places


def _nnb_fields(data: bytes) -> Iterator[tuple[int, int]]:
    _, _, length, _, inputs, layers, tables, bits, _, _, values, _ = nnb.HEADER.unpack_from(data)
    yield from (place for place in _record(0, nnb.HEADER) if place[0] >= 12)
    yield from _words(24, 7 * inputs)
    at = 24 + 28 * inputs
    yield from ((k, 2) for k in range(at, at + 6 * values, 2))
    at, places = _tables(data, at + (6 * values + 3 & ~3), tables)
    yield from places
    for _ in range(layers):
        units, fan_in, *_, steps, constants, _, _ = nnb.LAYER.unpack_from(data, at)
        yield from _record(at, nnb.LAYER)
        at += nnb.LAYER.size
        yield from _words(at, constants)
        at += 4 * constants
        yield from ((k, 1) for k in range(at, at + 4 * steps))
        at += 4 * steps
        yield from _words(at, min(units, 4))
        at += 4 * units
        yield from ((at + j, 1) for j in range(min(units, 4)))
        at += units + 3 & ~3
        yield at, bits // 8
        at += units * fan_in * bits // 8 + 3 & ~3
    yield from ((k, 1) for k in range(at, length, 3))
    yield from _words(length, min(4, (len(data) - length) // 4))


def _nnt_fields(data: bytes) -> Iterator[tuple[int, int]]:
    _, _, length, _, _, inputs, layers, tables, _, _, _, outputs, *_ = nnt.HEADER.unpack_from(data)
    yield from (place for place in _record(0, nnt.HEADER) if place[0] >= 16)
    yield from _words(40, 7 * inputs)
    at = 40 + 28 * inputs
    yield from ((k, 2) for k in range(at, at + 6 * outputs, 2))
    at, places = _tables(data, at + (6 * outputs + 3 & ~3), tables)
    yield from places
    for _ in range(layers):
        counts = nnt.LAYER.unpack_from(data, at)[-8:]
        yield from _record(at, nnt.LAYER)
        at += nnt.LAYER.size
        for steps, constants in (counts[:2], counts[4:6]):
            yield from _words(at, constants)
            at += 4 * constants
            yield from ((k, 1) for k in range(at, at + 4 * steps))
            at += 4 * steps
    yield from ((k, 1) for k in range(at, length, 3))
    yield from ((length + k, 1) for k in range(4))
    yield from ((k, 4) for k in range(length + 4, min(len(data) - 4, length + 44), 4))
