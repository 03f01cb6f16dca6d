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
def dense(data: ptr8, x: ptr32, r: int, shape: ptr32, z: ptr32):
    """The layer's inputs, in x, to its saturated pre-activations z; r is 0.

    The compiler keeps only the first two parameters in registers (mpy-cross on armv6m).
    """
    w = 1
    w <<= 31
    w <<= 1
    if w != 0:
        w = 32
    bits = int(data[16])
    units = shape[1]
    fan_in = shape[2]
    limit = shape[3]
    x = ptr32(int(x) + 4 * shape[7])
    data = ptr8(int(data) + shape[0])
    words = ptr16(data)
    # The weights are stored plus 2^(bits - 1), which adds that many times the sum of x to every neuron's sum.
    n = 0
    while n < fan_in:
        r += x[n]
        n += 1
    excess = r << (bits - 1)
    j = 0
    while j < units:
        r = shape[9 + j] - excess
        n = fan_in
        if bits == 8:
            while n >= 4:
                r += data[0] * x[0]
                r += data[1] * x[1]
                r += data[2] * x[2]
                r += data[3] * x[3]
                data = ptr8(int(data) + 4)
                x = ptr32(int(x) + 16)
                n -= 4
            while n != 0:
                r += data[0] * x[0]
                data = ptr8(int(data) + 1)
                x = ptr32(int(x) + 4)
                n -= 1
        else:
            while n >= 4:
                r += words[0] * x[0]
                r += words[1] * x[1]
                r += words[2] * x[2]
                r += words[3] * x[3]
                words = ptr16(int(words) + 8)
                x = ptr32(int(x) + 16)
                n -= 4
            while n != 0:
                r += words[0] * x[0]
                words = ptr16(int(words) + 2)
                x = ptr32(int(x) + 4)
                n -= 1
        x = ptr32(int(x) - 4 * fan_in)
        r = r << w >> w >> shape[9 + units + j]
        if limit != 0:
            r -= limit
            r = limit + limit + (r & (r >> 31))
            r = r - (r & (r >> 31)) - limit
        z[j] = r
        j += 1


@micropython.viper
def activate(data: ptr8, shape: ptr32, tables: ptr32, r: ptr32):
    """Run the activation's steps on the registers r, each step for all units before the next."""
    w = 1
    w <<= 31
    w <<= 1
    if w != 0:
        w = 32
    units = shape[1]
    k = shape[4]
    stop = shape[5]
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
            a += shape[6] - 128
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
            b += shape[6] - 128
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
