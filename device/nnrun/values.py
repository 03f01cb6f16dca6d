"""Raw values to ticks, in integers of each value's float32 (SPEC 3.1). Nothing here lands on the heap."""

from array import array
from struct import pack_into

_FARTHEST = (1 << 28) - 1
_bits = bytearray(4)


def reciprocals(data, at, count):
    """Of each step the upper and the lower 13 bits of R, and where the exponent of a value must end (k + 129).

    data holds R and k of count inputs at ``at`` (7.3); k is from -75 to 125.
    """
    steps = array("H")
    for k in range(at, at + 8 * count, 8):
        steps.append(data[k + 1] >> 5 | data[k + 2] << 3 | data[k + 3] << 11)
        steps.append((data[k + 1] & 31) << 8 | data[k])
        steps.append(129 + (data[k + 4] ^ 128) - 128)
    return steps


def ticks(values, steps, out, at):
    """Put the ticks of values into out, from ``at`` on; steps are reciprocals. ValueError for one that is no number."""
    count = len(steps) // 3
    if len(values) != count:
        raise ValueError("expected %d values, found %d" % (count, len(values)))
    b = _bits
    k = 0
    for i in range(count):
        v = values[i]
        try:
            pack_into("<f", b, 0, v)
        except OverflowError:  # CPython refuses what MicroPython packs as infinity
            b[:] = b"\0\0\x80\x7f" if v > 0 else b"\0\0\x80\xff"
        negative = b[3] >> 7
        shift = steps[k + 2] - (b[3] << 1 & 254 | b[2] >> 7)
        if shift < 0:
            if not (v < 0 or v > 0):
                raise ValueError("value %d is not a number" % i)
            size = _FARTHEST
        elif shift > 30:
            size = 0
        else:
            high = (b[2] | 128) << 4 | b[1] >> 4
            low = (b[1] & 15) << 8 | b[0]
            g = steps[k]
            r = steps[k + 1]
            size = high * r + (low * g << 1) + (low * r - negative >> 12) >> 8
            size = min(((high * g << 5) + size >> shift) + 1 >> 1, _FARTHEST)
        out[at + i] = -size if negative else size
        k += 3
