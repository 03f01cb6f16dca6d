"""The integers of a forward pass, for every MicroPython (SPEC 3.3, 4, 5.2). Nothing here lands on the heap.

data is the file, shape and registers are a layer's, as nnrun.reader prepares them.
"""


def doorway(door, t, x, count):
    """Ticks t to input codes x."""
    k = 0
    for i in range(count):
        u = t[i] - door[k]
        d = u - (u & (u >> 31)) - door[k + 1]
        x[i] = (door[k + 1] + (d & (d >> 31))) * door[k + 2] + door[k + 3] >> door[k + 4]
        k += 5


def dense(data, x, r, shape, z):
    """The layer's inputs, in x, to its saturated pre-activations z; r is 0."""
    k = shape[0]
    units = shape[1]
    limit = shape[3]
    start = shape[7]
    stop = start + shape[2]
    for j in range(units):
        r = shape[9 + j]
        if data[16] == 8:
            for i in range(start, stop):
                r += (data[k] - 128) * x[i]
                k += 1
        else:
            for i in range(start, stop):
                r += ((data[k] | data[k + 1] << 8) - 32768) * x[i]
                k += 2
        r >>= shape[9 + units + j]
        if limit:
            d = r - limit
            d = limit + limit + (d & (d >> 31))
            r = d - (d & (d >> 31)) - limit
        z[j] = r


def activate(data, shape, tables, r):
    """Run the activation's steps on the registers r, each step for all units before the next."""
    units = shape[1]
    for k in range(shape[4], shape[5], 4):
        op = data[k]
        first = data[k + 1] * units
        last = first + units
        a = data[k + 2]
        b = data[k + 3]
        da = 1 - (a >> 7)
        db = 1 - (b >> 7)
        a = a * units if da else a - 128 + shape[6]
        if op == 6:
            at = tables[b] + 4
            wide = data[at - 2] >> 4
            for t in range(first, last):
                i = at + (r[a] << wide)
                r[t] = data[i] | (data[i + wide] << 8) * wide
                a += da
            continue
        b = b * units if db else b - 128 + shape[6]
        if op == 0:
            for t in range(first, last):
                r[t] = r[a] + r[b]
                a += da
                b += db
        elif op == 1:
            for t in range(first, last):
                r[t] = r[a] - r[b]
                a += da
                b += db
        elif op == 2:
            for t in range(first, last):
                r[t] = r[a] * r[b]
                a += da
                b += db
        elif op == 3:
            for t in range(first, last):
                r[t] = r[a] >> r[b]
                a += da
                b += db
        else:
            for t in range(first, last):
                d = r[a] - r[b]
                d &= d >> 31
                r[t] = r[b] + d if op == 4 else r[a] - d
                a += da
                b += db
