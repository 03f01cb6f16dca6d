"""From outputs to deltas: part of nnrun.learn_kernels."""


def clip(room, p, k, data):
    """Pre-activations, saturated."""
    z = p[k + 3]
    result = p[k + 4]
    for j in range(p[k + 2]):
        room[result + j] = min(max(room[z + j], -32767), 32767)


def below_top(room, p, k, data):
    """How far each pre-activation is below the largest (9.6)."""
    units = p[k + 2]
    z = p[k + 3]
    result = p[k + 4]
    top = room[z]
    for j in range(z, z + units):
        top = max(top, room[j])
    for j in range(units):
        room[result + j] = min(top - room[z + j], 32767)


def share(room, p, k, data):
    """Exponentials to probabilities, in place (9.6)."""
    first = p[k + 3]
    last = first + p[k + 2]
    frac = p[k + 4]
    total = 0
    for j in range(first, last):
        total += room[j]
    total = max(total, 1)  # below 1 in no model that a host made
    for j in range(first, last):
        room[j] = ((room[j] << frac) + (total >> 1)) // total


def delta(room, p, k, data):
    """Outputs less targets (9.6)."""
    y = p[k + 3]
    targets = p[k + 4]
    result = p[k + 5]
    for j in range(p[k + 2]):
        room[result + j] = min(max(room[y + j] - room[targets + j], -32767), 32767)


def back(room, p, k, data):
    """Deltas of a layer to those of the layer below, without its derivative; 0 where z is below the gate (9.7)."""
    fan_in = p[k + 3]
    d = p[k + 4]
    end = d + p[k + 2]
    result = p[k + 5]
    column = p[k + 6]
    guard = p[k + 7]
    base = p[k + 8]
    shift = p[k + 9]
    z = p[k + 10]
    gate = p[k + 11]
    size = data[20] >> 3
    for i in range(fan_in):
        e = 0
        if room[z + i] >= gate:
            e = base
            w = column
            for j in range(d, end):
                if size == 2:
                    e += ((data[w] | data[w + 1] << 8) - 32768) * room[j] >> guard
                else:
                    e += (data[w] - 128) * room[j] >> guard
                w += size * fan_in
            e = min(max(e >> shift, -32767), 32767)
        room[result + i] = e
        column += size


def slope(room, p, k, data):
    """Deltas times derivatives, in place (9.7)."""
    d = p[k + 3]
    slopes = p[k + 4]
    half = p[k + 5]
    shift = p[k + 6]
    for j in range(p[k + 2]):
        e = room[d + j] * room[slopes + j] + half >> shift
        room[d + j] = min(max(e, -32767), 32767)
