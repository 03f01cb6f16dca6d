"""From outputs to deltas: part of nnrun.learn_kernels."""


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
    total = max(total, 1)  # below 1 in no model that a host made
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
