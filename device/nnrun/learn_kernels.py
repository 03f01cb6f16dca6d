"""The integers of a training step, for every MicroPython (SPEC 9). Nothing here lands on the heap.

A step is a program: blocks of numbers, each an operation, the length of the block, and what nnrun.learn_reader puts
behind them. Vectors lie in room; weights, biases and remainders in data, the file, where weights are unsigned: the
weight plus 2^(bits - 1).
"""

from nnrun.learn_update import update


def doorway(room, p, k, data):
    """Ticks to input codes."""
    at = p[k + 3]
    for i in range(p[k + 2]):
        u = room[p[k + 4] + i] - _word(data, at)
        u = min(max(u, 0), _word(data, at + 4))
        room[p[k + 5] + i] = u * _word(data, at + 8) + _word(data, at + 12) >> data[at + 16]
        at += 20


def _word(data, at):
    return data[at] | data[at + 1] << 8 | data[at + 2] << 16 | ((data[at + 3] ^ 128) - 128) << 24


def dense(room, p, k, data):
    """A layer's inputs to its pre-activations (9.5)."""
    x = p[k + 4]
    w = p[k + 7]
    wide = data[20] == 16
    for j in range(p[k + 2]):
        z = (_word(data, p[k + 8] + 4 * j) + p[k + 11] >> p[k + 10]) + p[k + 12]
        for i in range(x, x + p[k + 3]):
            if wide:
                z += ((data[w] | data[w + 1] << 8) - 32768) * room[i] >> p[k + 9]
                w += 2
            else:
                z += (data[w] - 128) * room[i] >> p[k + 9]
                w += 1
        z >>= p[k + 13]
        if p[k + 14]:
            z = min(max(z, -p[k + 14]), p[k + 14])
        room[p[k + 5] + j] = z
        room[p[k + 6] + j] = max(z, p[k + 15])


def steps(room, p, k, data):
    """The steps of an activation or of its derivative, each for all units before the next (7.6)."""
    for s in range(k + 3, k + p[k + 1], 4):
        op = p[s] & 7
        da = p[s] >> 3 & 1
        db = p[s] >> 4 & 1
        a = p[s + 2]
        b = p[s + 3]
        for t in range(p[s + 1], p[s + 1] + (p[s] >> 5)):
            v = room[a]
            if op == 6:
                v = b + v
                v = data[v]
            elif op == 7:
                v = b + v + v
                v = data[v] | data[v + 1] << 8
            elif op == 0:
                v += room[b]
            elif op == 1:
                v -= room[b]
            elif op == 2:
                v *= room[b]
            elif op == 3:
                v >>= room[b]
            elif op == 4:
                v = min(v, room[b])
            else:
                v = max(v, room[b])
            room[t] = v
            a += da
            b += db


def clip(room, p, k, data):
    """Pre-activations, saturated."""
    for j in range(p[k + 2]):
        room[p[k + 4] + j] = min(max(room[p[k + 3] + j], -32767), 32767)


def below_top(room, p, k, data):
    """How far each pre-activation is below the largest (9.6)."""
    z = p[k + 3]
    top = room[z]
    for j in range(z, z + p[k + 2]):
        top = max(top, room[j])
    for j in range(p[k + 2]):
        room[p[k + 4] + j] = min(top - room[z + j], 32767)


def share(room, p, k, data):
    """Exponentials to probabilities, in place (9.6)."""
    first = p[k + 3]
    last = first + p[k + 2]
    total = 0
    for j in range(first, last):
        total += room[j]
    for j in range(first, last):
        room[j] = ((room[j] << p[k + 4]) + (total >> 1)) // total


def delta(room, p, k, data):
    """Outputs less targets (9.6)."""
    for j in range(p[k + 2]):
        room[p[k + 5] + j] = min(max(room[p[k + 3] + j] - room[p[k + 4] + j], -32767), 32767)


def back(room, p, k, data):
    """Deltas of a layer to those of the layer below, without its derivative; 0 where z is below the gate (9.7)."""
    fan_in = p[k + 3]
    wide = data[20] == 16
    for i in range(fan_in):
        e = 0
        if room[p[k + 10] + i] >= p[k + 11]:
            e = p[k + 8]
            w = p[k + 6] + i * (data[20] >> 3)
            for j in range(p[k + 4], p[k + 4] + p[k + 2]):
                if wide:
                    e += ((data[w] | data[w + 1] << 8) - 32768) * room[j] >> p[k + 7]
                    w += 2 * fan_in
                else:
                    e += (data[w] - 128) * room[j] >> p[k + 7]
                    w += fan_in
            e = min(max(e >> p[k + 9], -32767), 32767)
        room[p[k + 5] + i] = e


def slope(room, p, k, data):
    """Deltas times derivatives, in place (9.7)."""
    for j in range(p[k + 2]):
        d = room[p[k + 3] + j] * room[p[k + 4] + j] + p[k + 5] >> p[k + 6]
        room[p[k + 3] + j] = min(max(d, -32767), 32767)


_OPERATIONS = (doorway, dense, steps, clip, below_top, share, delta, back, slope, update)


def handle(data):
    """What run is given for the file."""
    return data


def run(room, program, data):
    """The blocks from program[0] to program[1]."""
    at = program[0]
    while at < program[1]:
        _OPERATIONS[program[at]](room, program, at, data)
        at += program[at + 1]
