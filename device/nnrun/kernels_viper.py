# ruff: noqa: F821  (ptr8, ptr16 and ptr32 are names of the viper compiler)
"""The functions of kernels.py as native code, for the boards whose MicroPython compiles viper.

Loads through ptr8, ptr16 and ptr32 are unsigned, and where the machine's word has 64 bits so are the 32-bit values that
they give. Sums and products may keep that, as they are taken modulo 2^32 in the end; "<< w >> w" with w = 32 there,
and 0 on a 32-bit word, gives a value its sign back.
"""

import micropython


@micropython.viper
def doorway(door: ptr32, t: ptr32, x: ptr32, count: int):
    """Ticks t to input codes x."""
    w = 1
    w <<= 31
    w <<= 1
    if w != 0:
        w = 32
    k = 0
    i = 0
    while i < count:
        u = (t[i] - door[k]) << w >> w
        d = u - (u & (u >> 31)) - door[k + 1]
        x[i] = ((door[k + 1] + (d & (d >> 31))) * door[k + 2] + door[k + 3]) << w >> w >> door[k + 4]
        k += 5
        i += 1


@micropython.viper
def dense(data: ptr8, plan: ptr32, x: ptr32, z: ptr32):
    """The layer's inputs, in x, to its saturated pre-activations z."""
    words = ptr16(data)
    bits = int(data[16])
    w = 1
    w <<= 31
    w <<= 1
    if w != 0:
        w = 32
    k = plan[0]
    if bits == 16:
        k >>= 1
    units = plan[1]
    limit = plan[3]
    start = plan[7]
    stop = start + plan[2]
    # The weights are stored plus 2^(bits - 1), which adds that many times the sum of x to every neuron's sum.
    excess = 0
    i = start
    while i < stop:
        excess += x[i]
        i += 1
    excess <<= bits - 1
    j = 0
    while j < units:
        r = plan[9 + j] - excess
        i = start
        if bits == 8:
            while i < stop:
                r += data[k] * x[i]
                k += 1
                i += 1
        else:
            while i < stop:
                r += words[k] * x[i]
                k += 1
                i += 1
        r = r << w >> w >> plan[9 + units + j]
        if limit != 0:
            d = r - limit
            d = limit + limit + (d & (d >> 31))
            r = d - (d & (d >> 31)) - limit
        z[j] = r
        j += 1


@micropython.viper
def activate(data: ptr8, plan: ptr32, tables: ptr32, r: ptr32):
    """Run the activation's steps on the registers r, each step for all units before the next."""
    w = 1
    w <<= 31
    w <<= 1
    if w != 0:
        w = 32
    units = plan[1]
    k = plan[4]
    stop = plan[5]
    while k < stop:
        op = int(data[k])
        t = int(data[k + 1]) * units
        last = t + units
        a = int(data[k + 2])
        b = int(data[k + 3])
        da = 1 - (a >> 7)
        db = 1 - (b >> 7)
        k += 4
        if da != 0:
            a *= units
        else:
            a += plan[6] - 128
        if op == 6:
            b = tables[b] + 4
            wide = int(data[b - 2]) >> 4
            while t < last:
                i = b + (r[a] << wide)
                r[t] = int(data[i]) | (int(data[i + wide]) << 8) * wide
                a += da
                t += 1
            continue
        if db != 0:
            b *= units
        else:
            b += plan[6] - 128
        if op == 0:
            while t < last:
                r[t] = r[a] + r[b]
                a += da
                b += db
                t += 1
        elif op == 1:
            while t < last:
                r[t] = r[a] - r[b]
                a += da
                b += db
                t += 1
        elif op == 2:
            while t < last:
                r[t] = r[a] * r[b]
                a += da
                b += db
                t += 1
        elif op == 3:
            while t < last:
                r[t] = r[a] << w >> w >> r[b]
                a += da
                b += db
                t += 1
        else:
            while t < last:
                d = (r[a] - r[b]) << w >> w
                d &= d >> 31
                if op == 4:
                    r[t] = r[b] + d
                else:
                    r[t] = r[a] - d
                a += da
                b += db
                t += 1
