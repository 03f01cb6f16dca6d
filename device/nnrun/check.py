"""The proof that no intermediate of a loaded net leaves its range, for any input at all (SPEC 2).

nnrun.structure has looked at the rest. Integers pass 2^30 only in a model that is refused.
"""

from array import array

from nnrun.kernels import activate

_LIMIT = 1 << 30
_BLOCK = 256  # pre-activations that run through the steps together


def check(net, path):
    """Recompute every bound and compare it with those stored in the file; ValueError where one does not hold."""
    low, high = _doorway(net)
    with open(path, "rb") as file:
        file.seek(len(net.data))
        for number, (shape, registers) in enumerate(net._layers):
            stored = file.read(8 * shape[1])
            if len(stored) != 8 * shape[1]:
                raise ValueError("the bounds of layer %d are missing: copy the file again" % number)
            try:
                low, high = _layer(net, shape, registers, low, high, array("i", stored))
            except ValueError as error:
                raise ValueError("layer %d: %s" % (number, error)) from error


def _doorway(net):
    door = net._door
    low, high = [], []
    for k in range(0, len(door), 5):
        first, span, gain, offset, shift = door[k : k + 5]
        if span < 0 or gain < 0:
            raise ValueError("input %d: negative gain or negative span" % (k // 5))
        product = span * gain
        if (
            max(abs(first), abs(first + span)) + span >= _LIMIT
            or max(product, abs(offset), product + offset) >= _LIMIT
        ):
            raise ValueError("input %d: an intermediate of the doorway can reach 2^30" % (k // 5))
        low.append(offset >> shift)
        high.append(product + offset >> shift)
    return low, high


def _layer(net, shape, registers, low, high, stored):
    units, limit = shape[1], shape[3]
    instructions = _Instructions(net, shape, registers)
    out_low, out_high = [], []
    for j in range(units):
        shift = shape[9 + units + j]
        bottom, top = _bounds(net.data, shape, j, low, high)
        if bottom != stored[j] or top != stored[units + j]:
            raise ValueError(
                "neuron %d: stored bound %d..%d, recomputed %d..%d; export the model again"
                % (j, stored[j], stored[units + j], bottom, top)
            )
        bottom >>= shift
        top >>= shift
        if max(top, -bottom) >= _LIMIT >> 1:
            raise ValueError("neuron %d: a pre-activation can reach 2^29" % j)
        if limit:
            bottom, top = max(min(bottom, limit), -limit), max(min(top, limit), -limit)
        bottom, top = instructions.range(bottom, top)
        out_low.append(bottom)
        out_high.append(top)
    return out_low, out_high


def _bounds(data, shape, unit, low, high):
    """Bounds of every partial sum in any order: the bias and only the terms that push outward."""
    wide = data[16] == 16
    k = shape[0] + unit * shape[2] * (2 if wide else 1)
    top = max(shape[9 + unit], 0)
    bottom = min(shape[9 + unit], 0)
    for i in range(shape[2]):
        if wide:
            weight = (data[k] | data[k + 1] << 8) - 32768
            k += 2
        else:
            weight = data[k] - 128
            k += 1
        a, b = weight * low[i], weight * high[i]
        top += max(a, b, 0)
        bottom += min(a, b, 0)
        if max(top, -bottom) >= _LIMIT:
            raise ValueError("neuron %d: a partial sum can reach 2^30" % unit)
    return bottom, top


class _Instructions:
    """An activation over every pre-activation -limit..limit: its output ranges, every intermediate looked at."""

    def __init__(self, net, shape, registers):
        self.net = net
        self.limit = shape[3]
        self.first, self.last, self.result = shape[4], shape[5], shape[8]
        count = shape[6] // shape[1]
        self.constants = list(registers[shape[6] :])
        self.result = shape[8] // shape[1]
        self.shape = array("i", shape[:9])
        self.shape[1] = _BLOCK
        self.shape[6] = count * _BLOCK
        if self.first != self.last:
            self.lows, self.highs = [], []
            for block in range(0, 2 * self.limit + 1, _BLOCK):
                values = self._outputs(block)
                self.lows.append(min(values))
                self.highs.append(max(values))

    def _outputs(self, block):
        """The outputs for z = block - limit and what follows it; beyond the limit, those of the limit."""
        net, shape = self.net, self.shape
        values = [min(block + i, 2 * self.limit) - self.limit for i in range(_BLOCK)]
        values += [0] * (shape[6] - _BLOCK) + self.constants
        for k in range(self.first, self.last, 4):
            if net.data[k] == 6:
                a = net.data[k + 2] * _BLOCK
                at = net._tables[net.data[k + 3]]
                if (
                    min(values[a : a + _BLOCK]) < 0
                    or max(values[a : a + _BLOCK]) >= net.data[at] | net.data[at + 1] << 8
                ):
                    raise ValueError("the activation looks outside its table")
            shape[4], shape[5] = k, k + 4
            activate(net.data, shape, net._tables, values)
            target = net.data[k + 1] * _BLOCK
            result = values[target : target + _BLOCK]
            if max(max(result), -min(result)) >= _LIMIT:
                raise ValueError("an intermediate of the activation can reach 2^30")
        return values[self.result * _BLOCK : (self.result + 1) * _BLOCK]

    def range(self, bottom, top):
        """The smallest and the largest output for z in bottom..top."""
        if self.first == self.last:
            return bottom, top
        bottom += self.limit
        top += self.limit
        first, last = bottom // _BLOCK, top // _BLOCK
        if first == last:
            ends = self._outputs(first * _BLOCK)[bottom % _BLOCK : top % _BLOCK + 1]
        else:
            ends = self._outputs(first * _BLOCK)[bottom % _BLOCK :] + self._outputs(last * _BLOCK)[: top % _BLOCK + 1]
        return min(ends + self.lows[first + 1 : last]), max(ends + self.highs[first + 1 : last])
