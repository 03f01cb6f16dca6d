"""What training takes on trust, looked at whenever a .nnt file is loaded: no forged one makes it leave its memory (SPEC 10).

A host derives every shift again (10.6); here they are only known to be possible.
"""

from array import array

from nnrun.reader import u16
from nnrun.structure import decision, doorway, names, outputs, steps, table_sizes

_MOST = 32767


def check(data):
    """A file whose checksums hold; ValueError where a part does not go with the others."""
    fixed = u16(data, 4) | u16(data, 6) << 16
    inputs, layers = u16(data, 16), data[18]
    _header(data, inputs)
    doorway(data, 40, inputs)
    at = 40 + 28 * inputs
    outputs(data, at, u16(data, 24))
    at += 6 * u16(data, 24) + 3 & ~3
    tables = []
    for _ in range(data[19]):
        tables.append(at)
        at += 4 + (u16(data, at) * data[at + 2] // 8 + 3 & ~3)
    sizes = table_sizes(data, tables)
    shapes = []
    learns = 0
    count = inputs
    for number in range(layers):
        try:
            last = number + 1 == layers
            _layer(data, at, count, last)
            softmax = last and data[34]
            if softmax and not data[at + 26]:
                raise ValueError("a softmax without exponentials")
            value = at + 36
            slope = value + 4 * (data[at + 26] + data[at + 27])
            steps(data, at + 26, value, sizes, (0 if softmax else -_MOST, _MOST))
            steps(data, at + 30, slope, sizes, (-_MOST, _MOST))
        except ValueError as error:
            raise ValueError("layer %d: %s" % (number, error)) from error
        learns |= data[at + 25]
        count = u16(data, at)
        shapes.append((count, u16(data, at + 2)))
        at = slope + 4 * (data[at + 30] + data[at + 31])
    if not learns:
        raise ValueError("no layer learns")
    decision(data[21], count, u16(data, 22), u16(data, 24))
    at = names(data, at, u16(data, 22) + 2 * inputs + layers, fixed)
    if (at + 3 & ~3) + 32 * inputs + 8 * layers != fixed:
        raise ValueError("%d bytes before the weights, %d told" % ((at + 3 & ~3) + 32 * inputs + 8 * layers, fixed))
    _state(data, fixed + 4, shapes, data[20] >> 3)


def _header(data, inputs):
    if data[20] not in (8, 16) or not inputs or not data[18]:
        raise ValueError("%d layers of %d inputs, weights of %d bits" % (data[18], inputs, data[20]))
    for place, most in ((26, 15), (27, 15), (28, 15), (30, 3), (31, 2), (32, 2), (33, 2), (34, 1)):
        if data[place] > most:
            raise ValueError("byte %d of the header is %d, at most %d" % (place, data[place], most))


def _layer(data, at, count, last):
    units, fan_in = u16(data, at), u16(data, at + 2)
    if fan_in != count or not units:
        raise ValueError("%d units of %d inputs, where %d arrive" % (units, fan_in, count))
    limit, *constants = array("i", data[at + 4 : at + 16])
    if limit != (0 if last else _MOST) or max(constants) >= 1 << 30 or min(constants) < 0:
        raise ValueError("an impossible limit or constant")
    if max(data[at + 17 : at + 23]) > 30 or data[at + 24] > 24 or data[at + 25] > 1:
        raise ValueError("an impossible shift")


def _state(data, at, shapes, size):
    """Sizes from ``at`` on, and biases, up to the checksum of the weights."""
    for units, fan_in in shapes:
        at += units * fan_in * size + 3 & ~3
        if at + 4 * units > len(data):
            break
        biases = array("i", data[at : at + 4 * units])
        if max(max(biases), -min(biases)) >= 1 << 29:
            raise ValueError("a bias reaches 2^29")
        at += 4 * units + (2 * units * fan_in + 3 & ~3 if data[30] == 0 else 4 if data[30] == 1 else 0)
    if at != len(data) - 4:
        raise ValueError("weights of %d bytes, %d told" % (at, len(data) - 4))
