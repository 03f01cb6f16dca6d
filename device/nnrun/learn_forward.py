"""From ticks to pre-activations: part of nnrun.learn_kernels."""


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
