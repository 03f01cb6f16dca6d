"""Reads a .nnb file and prepares its layers for the kernels (SPEC 7)."""

from array import array

FORMAT = 2


def u16(data, at):
    """Two bytes as an unsigned number."""
    return data[at] | data[at + 1] << 8


def checked(path):
    """The main part of a file whose length and checksum hold."""
    part = bytearray(24)
    with open(path, "rb") as file:
        size = found = file.readinto(part)
        if size < 24 or part[:3] != b"NNB":
            raise ValueError("not a .nnb file")
        if part[3] != FORMAT:
            raise ValueError(
                "model made for format %d, this nnrun reads %d: run 'nnhw export' again" % (part[3], FORMAT)
            )
        length = u16(part, 4) | u16(part, 6) << 16
        while found:  # the size must be known before so many bytes are asked of a small heap
            found = file.readinto(part)
            size += found
    if not 24 <= length <= size:
        raise ValueError("%d bytes of %d: copy the file again" % (size, length))
    data = bytearray(length)
    with open(path, "rb") as file:
        file.readinto(data)
    low, high = 1, 0
    for k in range(12, length):
        low = (low + data[k]) % 65521
        high = (high + low) % 65521
    if low != u16(data, 8) or high != u16(data, 10):
        raise ValueError("checksum differs: copy the file again")
    return data


def read(path):
    """The parts of a net: (file as a bytearray, places of the tables, (shape, registers) per layer, place of the texts).

    A shape holds where the weights are, units, inputs, limit, where the steps begin and end, and where in registers
    the constants, the inputs (in those of the layer before) and the outputs begin; then biases and shifts.
    Registers have one value per unit; the constants follow them.
    Raises ValueError for a file that is damaged or of another format; OSError if it cannot be read.
    """
    return parse(checked(path))


def parse(data):
    """The parts of a net, as read gives them, of the main part of a file; the weights in it change (below)."""
    at = 24 + 28 * u16(data, 12) + (6 * u16(data, 20) + 3 & ~3)
    tables = array("i")
    for _ in range(data[15]):
        tables.append(at)
        at += 4 + (u16(data, at) * data[at + 2] // 8 + 3 & ~3)
    layers = []
    source = 0
    for _ in range(data[14]):
        units = u16(data, at)
        steps = at + 20 + 4 * data[at + 15]
        bias = steps + 4 * data[at + 14]
        shift = bias + 4 * units
        weights = shift + (units + 3 & ~3)
        step = data[16] // 8
        end = weights + units * u16(data, at + 2) * step
        if end > len(data):
            raise ValueError("a layer ends behind the file")
        for k in range(weights + step - 1, end, step):
            data[k] ^= 128  # now unsigned, the weight + 128 or + 32768
        size = data[at + 16] * units
        place = data[at + 17] * units
        shape = array("i", (weights, units, u16(data, at + 2), u16(data, at + 4), steps, bias, size, source, place))
        shape.extend(array("i", data[bias:shift]))
        for k in range(shift, shift + units):
            shape.append(data[k])
        registers = array("i", bytes(4 * size))
        registers.extend(array("i", data[at + 20 : steps]))
        layers.append((shape, registers))
        source = place
        at = end + 3 & ~3
    return data, tables, layers, at
