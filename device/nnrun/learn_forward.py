"""From ticks to pre-activations: part of nnrun.learn_kernels."""


def doorway(room, p, k, data):
    """Ticks to input codes."""
    units = p[k + 2]
    at = p[k + 3]
    t = p[k + 4]
    x = p[k + 5]
    for i in range(units):
        u = room[t + i] - _word(data, at)
        u = min(max(u, 0), _word(data, at + 4))
        room[x + i] = u * _word(data, at + 8) + _word(data, at + 12) >> data[at + 16]
        at += 20


def _word(data, at):
    return data[at] | data[at + 1] << 8 | data[at + 2] << 16 | ((data[at + 3] ^ 128) - 128) << 24


def dense(room, p, k, data):
    """A layer's inputs to its pre-activations (9.5)."""
    x = p[k + 4]
    end = x + p[k + 3]
    z = p[k + 5]
    y = p[k + 6]
    w = p[k + 7]
    bias = p[k + 8]
    guard = p[k + 9]
    bias_shift = p[k + 10]
    half = p[k + 11]
    base = p[k + 12]
    shift = p[k + 13]
    limit = p[k + 14]
    low = p[k + 15]
    wide = data[20] == 16
    for j in range(p[k + 2]):
        r = (_word(data, bias) + half >> bias_shift) + base
        bias += 4
        for i in range(x, end):
            if wide:
                r += ((data[w] | data[w + 1] << 8) - 32768) * room[i] >> guard
                w += 2
            else:
                r += (data[w] - 128) * room[i] >> guard
                w += 1
        r >>= shift
        if limit:
            r = min(max(r, -limit), limit)
        room[z + j] = r
        room[y + j] = max(r, low)


def steps(room, p, k, data):
    """The steps of an activation or of its derivative, each for all units before the next (7.6)."""
    for s in range(k + 3, k + p[k + 1], 4):
        what = p[s]
        target = p[s + 1]
        a = p[s + 2]
        b = p[s + 3]
        op = what & 7
        da = what >> 3 & 1
        db = what >> 4 & 1
        for t in range(target, target + (what >> 5)):
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
