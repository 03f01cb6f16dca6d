"""Turns a .nnt file in memory into the program that nnrun.learn_kernels runs (SPEC 9, 10).

Two numbers, where to begin and where to end, then blocks; behind operation and length:
0 doorway: count, place of the doorway in the file, ticks, codes
1 dense: units, fan-in, inputs, z, output, weights, biases, guard, bias shift, its half, c, z shift, limit or 0, floor
2 steps: 0, then for each step what it does (operation as in the file, 7 a look-up of 16 bits; 8 where a goes from unit
  to unit, 16 where b does; 32 times the units), result, a, b
3 clip: units, z, result
4 below_top: units, z, result
5 share: units, exponentials, frac
6 delta: units, outputs, targets, deltas
7 back: units, fan-in, deltas, result, weights, guard, c', shift, z below, gate
8 slope: units, deltas, derivatives, half, shift
9 update: units, fan-in, inputs, deltas, weights, biases, remainders, multiplier, half, coarse shift, fine shift, mask,
  bias shift left, bias shift right, its half, then what the rate is added to: of weights, of biases

Places in the file's header (SPEC 10.2): 16 inputs, 18 layers, 19 tables, 20 weight bits, 22 labels, 24 outputs, 26 frac of
deltas, 30 scheme, 33 twice the derivative at 0, 34 softmax, 40 its end; in a layer (10.3): 0 units, 2 fan-in, 4 limit,
8 c, 12 c', 16 frac of weights, 17 guard, 18 bias shift, 19 z shift, 20 and 21 guard and shift backward, 22 frac of the
slope, 23 and 24 what the rate is added to, 25 whether it learns, then steps, constants, registers and result of 26 the
value and 30 the slope, 36 its end. They are numbers below since a name takes memory on a board that compiles this.
"""

from array import array


def u16(data, at):
    """Two bytes as an unsigned number."""
    return data[at] | data[at + 1] << 8


def fine(shift):
    """The bits of a remainder, of all bits that the product of gradient and input is shifted by (9.8)."""
    return min(shift, 16)


class Program:
    """A net's vectors, in room, and the blocks of its program.

    The program gives the last pre-activations, at z in room, by decided, the outputs, at y, by answered, and at its end
    the weights have learned. t and targets are the places of ticks and targets in room, units their number;
    outputs, texts and state are places in the file, as are those of weights, (place, count) of each layer, whose shape
    is (units, frac), and of remainders, (what the rate's shift is added to, place, count). shift is the rate's.
    """

    def __init__(self, data):
        self.data = data
        self.room = array("i")
        self.blocks = array("i", (0, 0))
        self.state = u16(data, 4) | u16(data, 6) << 16
        count = u16(data, 16)
        self.t = self._make(count)
        x = self._make(count)
        self._emit(0, count, 40, self.t, x)
        self.outputs = at = 40 + 28 * count
        at += 6 * u16(data, 24) + 3 & ~3
        self._tables = array("i")
        for _ in range(data[19]):
            self._tables.append(at)
            at += 4 + (u16(data, at) * data[at + 2] // 8 + 3 & ~3)
        heads = []
        for _ in range(data[18]):
            heads.append(at)
            at += 36 + 4 * (data[at + 26] + data[at + 27] + data[at + 30] + data[at + 31])
        self.texts = at
        self._layers = []
        self.weights = []
        self.shapes = []
        self.remainders = []
        self._forward(heads, x)
        self._backward()

    def _make(self, count):
        at = len(self.room)
        self.room.extend(array("i", bytes(4 * count)))
        return at

    def _emit(self, *block):
        self.blocks.append(block[0])
        self.blocks.append(len(block) + 1)
        self.blocks.extend(array("i", block[1:]))

    def _code(self, head, slope):
        """The place of the value's or the slope's registers in room, of its result, and its block."""
        data = self.data
        units = u16(data, head)
        counts = head + 26 + 4 * slope
        at = head + 36 + slope * 4 * (data[head + 26] + data[head + 27])
        first = at + 4 * data[counts + 1]
        base = self._make(data[counts + 2] * units)
        constants = len(self.room) - 128
        self.room.extend(array("i", data[at:first]))
        block = array("i", (2, 3 + 4 * data[counts], 0))
        for k in range(first, first + 4 * data[counts], 4):
            op, target, a, b = data[k : k + 4]
            what = op + 8 * (a < 128) + 16 * (op < 6 and b < 128) + 32 * units
            if op == 6:
                what += data[self._tables[b] + 2] >> 4
                b = self._tables[b] + 4
            else:
                b = constants + b if b > 127 else base + b * units
            a = constants + a if a > 127 else base + a * units
            block.extend(array("i", (what, base + target * units, a, b)))
        return base, base + data[counts + 3] * units, block

    def _gate(self, head):
        """The smallest z with derivative 1, where the value is max(z, 0) and lower z have derivative 0; else None.

        A derivative that is 0, then 1, takes 3 steps where it is 1 at 0, and 4 where it is 0; all others take more.
        """
        data = self.data
        is_ramp = data[head + 26 : head + 30] == b"\1\1\1\0" and data[head + 36 : head + 44] == b"\0\0\0\0\5\0\0\x80"
        return data[head + 30] - 3 if is_ramp and data[head + 30] < 5 else None

    def _forward(self, heads, x):
        data = self.data
        at = self.state + 4
        for n in range(len(heads)):
            h = heads[n]
            last = h == heads[-1]
            units = u16(data, h)
            fan_in = u16(data, h + 2)
            size = units * fan_in
            bias = at + (size * (data[20] >> 3) + 3 & ~3)
            rest = bias + 4 * units
            z = self._make(units)
            y = z
            block = None
            gate = None if last else self._gate(h)
            if gate is None and data[h + 26]:
                base, result, block = self._code(h, 0)
                y = z if last else base
            elif gate is not None:
                y = self._make(units)
                result = y
            else:
                result = z
            limit = u16(data, h + 4)
            words = array("i", data[h + 4 : h + 16])
            half = (1 << data[h + 18]) >> 1
            floor = 0 if gate is not None else -(1 << 29)
            shifts = (data[h + 17], data[h + 18], half, words[1], data[h + 19], limit, floor)
            self._emit(1, units, fan_in, x, z, y, at, bias, *shifts)
            if block and not last:
                self.blocks.extend(block)
            self._layers.append((h, x, z, at, bias, rest if data[30] < 2 else self.state + 2, gate))
            self.weights.append((at, size))
            self.shapes.append((units, (data[h + 16] ^ 128) - 128))
            self.remainders.append(((data[h + 23] ^ 128) - 128, rest, size if data[30] == 0 else 1))
            x = result
            at = rest + (2 * size + 3 & ~3 if data[30] == 0 else 4 if data[30] == 1 else 0)
        self.units = units
        self.z = z
        self.decided = len(self.blocks)
        if block:
            self._emit(4 if data[34] else 3, units, z, base)
            self.blocks.extend(block)
            if data[34]:
                self._emit(5, units, result, data[26])
        self.y = result
        self.answered = len(self.blocks)
        self.targets = self._make(units)

    def _backward(self):
        data = self.data
        h, x, z, at, bias, rest, gate = self._layers[-1]
        units = u16(data, h)
        d = self._make(units)
        self._emit(6, units, self.y, self.targets, d)
        if data[h + 30]:
            base, result, block = self._code(h, 1)
            self._emit(3, units, z, base)
            self.blocks.extend(block)
            self._slope(h, units, d, result)
        lowest = min([n for n in range(len(self._layers)) if data[self._layers[n][0] + 25]])
        self.updates = []
        for n in range(len(self._layers) - 1, lowest - 1, -1):
            h, x, z, at, bias, rest, gate = self._layers[n]
            units = u16(data, h)
            fan_in = u16(data, h + 2)
            if n > lowest:
                below = self._layers[n - 1]
                e = self._make(fan_in)
                c = array("i", data[h + 12 : h + 16])[0]
                gate = -(1 << 29) if below[6] is None else below[6]
                self._emit(7, units, fan_in, d, e, at, data[h + 20], c, data[h + 21], below[2], gate)
                if below[6] is None and data[below[0] + 30]:
                    base, result, block = self._code(below[0], 1)
                    self._emit(3, fan_in, below[2], base)
                    self.blocks.extend(block)
                    self._slope(below[0], fan_in, e, result)
            if data[h + 25]:
                self.updates.append(len(self.blocks))
                bases = (data[h + 23] ^ 128) - 128, (data[h + 24] ^ 128) - 128
                self._emit(9, units, fan_in, x, d, at, bias, rest, 0, 0, 0, 0, 0, 0, 0, 0, *bases)
            if n > lowest:
                d = e
        self.rate(data[self.state], data[self.state + 1])

    def _slope(self, h, units, d, slopes):
        shift = self.data[h + 22]
        self._emit(8, units, d, slopes, 1 << shift >> 1, shift)

    def rate(self, multiplier, shift):
        """Learn at multiplier * 2^-shift; ValueError where that cannot be. Remainders are left to the caller (9.9)."""
        if multiplier not in (1, 3) or not 0 <= shift <= 20:
            raise ValueError("rate %s * 2^-%s: expected 1 or 3, and 0 to 20" % (multiplier, shift))
        p = self.blocks
        for k in self.updates:
            # Up to 17 bits of coarse shift keep a product plus its half below 2^30.
            if not 0 <= p[k + 17] + shift <= 33:
                raise ValueError("a rate of %d * 2^-%d can overflow: use a higher one" % (multiplier, shift))
        self.shift = shift
        for k in self.updates:
            coarse = p[k + 17] + shift - fine(p[k + 17] + shift)
            right = max(0, shift - p[k + 18])
            p[k + 9] = multiplier
            p[k + 10] = 1 << coarse >> 1
            p[k + 11] = coarse
            p[k + 12] = p[k + 17] + shift - coarse
            p[k + 13] = (1 << p[k + 12]) - 1
            p[k + 14] = max(0, p[k + 18] - shift)
            p[k + 15] = right
            p[k + 16] = 1 << right >> 1

    def change_rate(self, multiplier, shift):
        """Learn at another rate from now on; remainders keep their value (9.9). ValueError as for rate."""
        data = self.data
        before = self.shift
        self.rate(multiplier, shift)
        data[self.state] = multiplier
        data[self.state + 1] = shift
        if data[30] > 1:
            return
        for base, at, count in self.remainders:
            change = fine(base + shift) - fine(base + before)
            for k in range(at, at + 2 * count, 2):
                r = u16(data, k)
                r = r << change if change > 0 else r >> -change
                data[k] = r & 255
                data[k + 1] = r >> 8
