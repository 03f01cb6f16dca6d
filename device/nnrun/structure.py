"""What the native kernels take on trust, looked at whenever a model is loaded: no forged file makes them leave it (SPEC 7).

Integers past 2^30 are not looked for here: they give wrong answers, not wrong places. The proof does (nnrun.check).
"""

from nnrun.reader import u16

_LIMIT = 1 << 30


def header(data):
    """What must hold before the rest of the main part is read; ValueError where it does not."""
    if data[16] not in (8, 16) or not (data[12] or data[13]) or not data[14]:
        raise ValueError("%d layers of %d inputs, weights of %d bits" % (data[14], u16(data, 12), data[16]))


def check(data, tables, layers, at):
    """The parts of a net, as nnrun.reader gives them; ValueError where one does not go with the others."""
    count = u16(data, 12)
    units = layers[-1][0][1]
    decision(data[17], units, u16(data, 18), u16(data, 20))
    doorway(data, 24, count)
    outputs(data, 24 + 28 * count, u16(data, 20))
    sizes = table_sizes(data, tables)
    number = 0
    for shape, registers in layers:
        limit = shape[3]
        begin = shape[4] - 20 - 4 * (len(registers) - shape[6])
        if shape[2] != count or not shape[1]:
            raise ValueError("layer %d: %d units of %d inputs, where %d arrive" % (number, shape[1], shape[2], count))
        if data[begin + 6] or data[begin + 7] or limit > 32767:
            raise ValueError("layer %d: a limit above 32767" % number)
        if max(shape[9 + shape[1] :]) > 30:
            raise ValueError("layer %d: a shift of %d, at most 30" % (number, max(shape[9 + shape[1] :])))
        if data[begin + 14] and not limit:
            raise ValueError("layer %d: an activation without a limit" % number)
        steps(data, begin + 14, begin + 20, sizes, (-limit, limit))
        count = shape[1]
        number += 1
    names(data, at, 1 + u16(data, 18) + 2 * u16(data, 12), len(data))


def decision(number, units, labels, values):
    """How the outputs become an answer, against their number and that of their names (6, 7.2)."""
    named = labels == (2 if number == 1 else units) or (number == 2 and not labels)
    if number > 3 or values != (units if number == 2 else 0) or not named:
        raise ValueError("decision %d does not go with %d outputs of %d names" % (number, units, labels))
    if number == 1 and units != 1:
        raise ValueError("%d outputs where one tells two classes apart" % units)
    if number == 3 and units > 30:
        raise ValueError("%d answers of yes or no, at most 30 fit an integer" % units)


def doorway(data, at, count):
    """R and k of each step (3.1), and the shifts of the rows before them."""
    for i in range(count):
        k = at + 20 * count + 8 * i
        sign = data[k + 4] >> 7 and 255
        if data[k + 3] not in (2, 3) or (data[k + 5], data[k + 6], data[k + 7]) != (sign, sign, sign):
            raise ValueError("input %d: its step is not from 2^-100 to 2^100" % i)
        k = at + 20 * i + 16
        if data[k] > 30 or data[k + 1] or data[k + 2] or data[k + 3]:
            raise ValueError("input %d: an impossible shift" % i)


def outputs(data, at, count):
    """Offset and frac of each output of a regression (7.9): both finite as reals."""
    fracs = at + 4 * count
    for j in range(count):
        if data[at + 4 * j + 3] & 127 == 127 and data[at + 4 * j + 2] > 127:
            raise ValueError("output %d: its offset is not a number" % j)
        if ((u16(data, fracs + 2 * j) + 127) & 65535) > 254:
            raise ValueError("output %d: impossible fraction bits" % j)


def table_sizes(data, places):
    """Of each table the entries and the largest value that one can have."""
    sizes = []
    for at in places:
        if data[at + 2] not in (8, 16) or not u16(data, at):
            raise ValueError("table %d: %d entries of %d bits" % (len(sizes), u16(data, at), data[at + 2]))
        sizes.append((u16(data, at), (1 << data[at + 2]) - 1))
    return sizes


def names(data, at, count, end):
    """The place behind ``count`` strings from ``at`` on (7.7); ValueError where one is no text."""
    for _ in range(count):
        following = at + 1 + data[at]
        if following > end:
            break
        text = bytes(data[at + 1 : following])
        if (text and min(text) < 32) or b"\x7f" in text:
            raise ValueError("a name has a control character")
        at = following
    else:
        return at
    raise ValueError("a name ends behind its part of the file")


def steps(data, counts, at, tables, ends):
    """An activation over register 0 between its ends: no operand is missing, no look-up leaves its table (4.1, 7.6).

    data has the numbers of steps, constants and registers and the result register at ``counts``, constants and steps
    from ``at`` on. The range of each value follows from those of its operands; None is any.
    """
    first = at + 4 * data[counts + 1]
    registers = data[counts + 2]
    if not 1 <= registers <= data[counts] + 1:
        raise ValueError("an activation of %d registers" % registers)
    constants = []
    for k in range(at, first, 4):
        word = u16(data, k) | (u16(data, k + 2) ^ 32768) - 32768 << 16
        constants.append((word, word, -1, -1) if abs(word) < _LIMIT else None)
    known = {0: (ends[0], ends[1], 0, -1)}
    number = 0
    for k in range(first, first + 4 * data[counts], 4):
        number += 1
        op, target, a, b = data[k], data[k + 1], data[k + 2], data[k + 3]
        fine = op <= 6 and target < registers
        fine = fine and (a in known if a < 128 else op != 6 and a - 128 < len(constants))
        fine = fine and (b < len(tables) if op == 6 else b in known if b < 128 else b - 128 < len(constants))
        if not fine or (op == 3 and b < 128):
            raise ValueError("an impossible activation step")
        a = known[a] if a < 128 else constants[a - 128]
        if op == 6:
            entries, most = tables[b]
            if a is None or a[0] < 0 or a[1] >= entries:
                raise ValueError("the activation looks outside its table")
            known[target] = 0, most, number, -1
            continue
        b = known[b] if b < 128 else constants[b - 128]
        if op == 3 and (b is None or not 0 < b[0] < 32):
            raise ValueError("an activation step shifts by none of 1 to 31 bits")
        known[target] = _range(op, a, b, number) if a and b else None  # pyright: ignore[reportArgumentType] - None: of any size
    if data[counts + 3] not in known:
        raise ValueError("an activation without a result")


def _range(op, a, b, number):
    """(lowest, highest, its number, that of the value that it is the negative of) for a op b."""
    low, high, one, against = a
    least, most, other, opposite = b
    minus = -1
    if op == 0:
        low += least
        high += most
    elif op == 1:
        if low == high == 0:
            minus = other
        low -= most
        high -= least
    elif op == 2:
        products = low * least, low * most, high * least, high * most
        low, high = min(products), max(products)
    elif op == 3:
        low >>= least
        high >>= least
    elif op == 4:
        low, high = min(low, least), min(high, most)
    else:
        # Of a value and its negative, the larger is not below 0.
        zero = 0 if against == other >= 0 or opposite == one >= 0 else -_LIMIT
        low, high = max(low, least, zero), max(high, most)
    return (low, high, number, minus) if max(high, -low) < _LIMIT else None
