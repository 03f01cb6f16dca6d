# ruff: noqa: F401, F821  (handle is for learn_core; ptr8, ptr16 and ptr32 are names of the viper compiler)
"""The run of nnrun.learn_kernels as native code: one call for a step, whatever the net.

Loads are unsigned, where the machine's word has 64 bits those of 32-bit values too; "<< f >> f", f = 32 there and 0 on a
32-bit word, gives a value its sign back. The compiler keeps the first two parameters in registers; loops work with those.

r: sum or value. Pointers: x values, w weights or other values, t results or remainders, z, y, d deltas, s weights of an
input, bias. Counts down: units, i, k; n inputs. Of a block: shift and last shifts (plus f), base is added, low and limit
are bounds. Addresses in the program: p the block, following, stop.
"""

import micropython
from uctypes import addressof as handle  # what run is given for the file


@micropython.viper
def run(x: ptr32, r: int, w: ptr32):
    """The blocks of a program from program[0] to program[1]; called as run(room, handle of data, program)."""
    room = x
    program = w
    data = r
    m = 32767
    f = 1
    f = f << 31 << 1 >> 27
    size = int(ptr8(data)[20]) >> 3  # bytes of a weight
    wide = size - 1
    scheme = int(ptr8(data)[30])  # residual, carry, lcg or nearest
    noisy = scheme >> 1
    step = int(scheme == 0) << 1  # bytes from a weight's remainder to the next
    stop = int(program) + 4 * program[1]
    following = int(program) + 4 * program[0]
    while following != stop:
        p = ptr32(following)
        op = p[0]
        following += p[1] << 2
        units = p[2]
        if op == 1:  # learn_forward.dense
            n = p[3]
            shift = f + p[9]
            x = ptr32(int(room) + 4 * p[4])
            w = ptr32(data + p[7])
            bias = ptr32(data + p[8])
            z = ptr32(int(room) + 4 * p[5])
            y = ptr32(int(room) + 4 * p[6])
            limit = p[14]
            low = p[15] << f >> f
            last = f + p[13]
            base = p[12]
            if wide:
                # A weight plus 2^15 times x, shifted, is too large by x << (15 - guard) exactly.
                r = 0
                i = n
                while i:
                    r = x[0] + r
                    x = ptr32(int(x) + 4)
                    i -= 1
                base -= r << (15 - p[9])
                x = ptr32(int(x) - 4 * n)
            while units:
                r = (((bias[0] << f >> f) + p[11]) >> p[10]) + base
                i = n
                if size == 2:
                    if f == 0:
                        i &= 1
                        k = n >> 1
                        while k:
                            r = (ptr16(w)[0] * x[0] >> shift) + r
                            r = (ptr16(w)[1] * x[1] >> shift) + r
                            x = ptr32(int(x) + 8)
                            w = ptr32(int(w) + 4)
                            k -= 1
                    while i:
                        r = (ptr16(w)[0] * x[0] << f >> shift) + r
                        x = ptr32(int(x) + 4)
                        w = ptr32(int(w) + 2)
                        i -= 1
                else:
                    while i:
                        r = ((ptr8(w)[0] - 128) * x[0] << f >> shift) + r
                        x = ptr32(int(x) + 4)
                        w = ptr32(int(w) + 1)
                        i -= 1
                x = ptr32(int(x) - 4 * n)
                r = r << f >> last
                if limit and (r + m | m - r) >> 31:
                    r = (m ^ r >> 31) - (r >> 31)
                z[0] = r
                if r < low:
                    r = low
                y[0] = r
                z = ptr32(int(z) + 4)
                y = ptr32(int(y) + 4)
                bias = ptr32(int(bias) + 4)
                units -= 1
        elif op == 2:  # learn_forward.steps
            p = ptr32(int(p) + 12)
            while int(p) != following:
                op = p[0]
                t = ptr32(int(room) + (p[1] << 2))
                x = ptr32(int(room) + (p[2] << 2))
                w = ptr32(int(room) + (p[3] << 2))
                r = op >> 5
                if op & 4:  # look, min, max
                    if op & 2:  # look, 8 or 16 bits
                        low = data + p[3]
                        if op & 1:
                            while r:
                                r -= 1
                                t[r] = ptr16(low)[x[r]]
                        else:
                            while r:
                                r -= 1
                                t[r] = ptr8(low)[x[r]]
                    else:
                        n = op >> 4 & 1
                        if n == 0:
                            last = w[0] << f >> f
                        i = op >> 3 & 1
                        while r:
                            r -= 1
                            if n:
                                last = w[r] << f >> f
                            low = x[r * i] << f >> f
                            if low < last:
                                if op & 1:
                                    low = last
                            elif not op & 1:
                                low = last
                            t[r] = low
                elif op & 2:  # shr, mul
                    if op & 1:
                        last = f + w[0]
                        while r:
                            r -= 1
                            t[r] = x[r] << f >> last
                    else:
                        n = op >> 4 & 1
                        i = op >> 3 & 1
                        while r:
                            r -= 1
                            t[r] = w[r * n] * x[r * i]
                else:  # add, sub
                    n = op >> 4 & 1  # 1 where b is a vector, 0 where it is a constant
                    i = op >> 3 & 1  # likewise of a
                    last = 1 - ((op & 1) << 1)
                    while r:
                        r -= 1
                        t[r] = last * w[r * n] + x[r * i]
                p = ptr32(int(p) + 16)
        elif op == 9:  # learn_update.update
            n = p[3]
            d = ptr32(int(room) + 4 * p[5])
            w = ptr32(data + p[6])
            bias = ptr32(data + p[7])
            t = ptr32(data + p[8])
            base = p[10]
            shift = f + p[11]
            fine = p[12]
            mask = p[13]
            top = (1 << (size << 3)) - 1
            while units:
                g = (d[0] << f >> f) * p[9]
                if (g + 32766 | 32766 - g) >> 31:
                    g = (32766 ^ g >> 31) - (g >> 31)
                r = bias[0] - ((g << p[14]) + p[16] >> p[15]) << f >> f
                if (r + 536870911 | 536870911 - r) >> 31:
                    r = (536870911 ^ r >> 31) - (r >> 31)
                bias[0] = r
                x = ptr32(int(room) + 4 * p[4])
                i = n
                # A product of 0 changes nothing but the noise.
                if g == 0 and scheme != 2:
                    w = ptr32(int(w) + n * size)
                    t = ptr32(int(t) + n * step)
                else:
                    while i:
                        r = g * x[0] + base << f >> shift
                        if noisy:
                            if scheme == 2:
                                last = ptr16(t)[0] * 12829 + 13849 & 65535
                                ptr16(t)[0] = last
                                r += last >> (16 - fine)
                            else:
                                r += mask + 1 >> 1
                        else:
                            r = ptr16(t)[0] + r
                            ptr16(t)[0] = mask & r
                            t = ptr32(int(t) + step)
                        r = r >> fine
                        if wide:
                            r = ptr16(w)[0] - r
                        else:
                            r = ptr8(w)[0] - r
                        if (r - 1 | top - r) >> 31:
                            r = 1 + (top - 1 & ~(r - 1 >> 31))
                        if wide:
                            ptr16(w)[0] = r
                        else:
                            ptr8(w)[0] = r
                        x = ptr32(int(x) + 4)
                        w = ptr32(int(w) + size)
                        i -= 1
                d = ptr32(int(d) + 4)
                bias = ptr32(int(bias) + 4)
                units -= 1
        elif op == 7:  # learn_backward.back
            i = p[3]
            n = i * size
            d = ptr32(int(room) + 4 * p[4])
            t = ptr32(int(room) + 4 * p[5])
            s = ptr8(data + p[6])
            z = ptr32(int(room) + 4 * p[10])
            low = p[11] << f >> f
            shift = f + p[7]
            last = f + p[9]
            base = p[8]
            while i:
                r = 0
                if (z[0] << f >> f) >= low:
                    r = base
                    x = d
                    w = ptr32(s)
                    limit = units
                    while limit:
                        if wide:
                            k = ptr16(w)[0] - 32768
                        else:
                            k = ptr8(w)[0] - 128
                        r = (k * x[0] << f >> shift) + r
                        x = ptr32(int(x) + 4)
                        w = ptr32(int(w) + n)
                        limit -= 1
                    r = r << f >> last
                    if (r + m | m - r) >> 31:
                        r = (m ^ r >> 31) - (r >> 31)
                t[0] = r
                t = ptr32(int(t) + 4)
                z = ptr32(int(z) + 4)
                s = ptr8(int(s) + size)
                i -= 1
        elif op == 0:  # learn_forward.doorway
            x = ptr32(data + p[3])
            w = ptr32(int(room) + 4 * p[4])
            t = ptr32(int(room) + 4 * p[5])
            while units:
                r = w[0] - x[0] << f >> f
                if r < 0:
                    r = 0
                n = int(x[1])
                if r > n:
                    r = n
                t[0] = r * x[2] + x[3] << f >> f >> x[4]
                x = ptr32(int(x) + 20)
                w = ptr32(int(w) + 4)
                t = ptr32(int(t) + 4)
                units -= 1
        elif op == 5:  # learn_backward.share
            x = ptr32(int(room) + 4 * p[3])
            w = x
            n = units
            low = 0
            while n:
                low += x[0]
                x = ptr32(int(x) + 4)
                n -= 1
            # One division for all: base is 2^29 over the sum, which is above 2^14.
            r = 16384
            base = 0
            n = 15
            while n:
                r = r + r - low
                base += base
                if r >> 31:
                    r += low
                else:
                    base += 1
                n -= 1
            n = p[4]
            last = 29 - n
            x = w
            while units:
                # Too small by one at most.
                r = w[0] * base >> last
                if (w[0] << n) + (low >> 1) - r * low << f >> f >= low:
                    r += 1
                w[0] = r
                w = ptr32(int(w) + 4)
                units -= 1
        else:  # clip, below_top, delta and slope of learn_backward
            x = ptr32(int(room) + 4 * p[3])
            w = ptr32(int(room) + 4 * p[4])
            t = w
            if op == 6:
                t = ptr32(int(room) + 4 * p[5])
            elif op == 8:
                t = x
            low = 0
            if op == 4:
                low = x[0] << f >> f
                n = 0
                while n < units:
                    r = x[n] << f >> f
                    if r > low:
                        low = r
                    n += 1
            while units:
                r = x[0] << f >> f
                if op == 6:
                    r = r - w[0] << f >> f
                elif op == 8:
                    r = (r * w[0] + p[5] << f >> f) >> p[6]
                elif op == 4:
                    r = low - r & ~(low - r >> 31)  # below 0 past 2^31, in no model that a host made
                if (r + m | m - r) >> 31:
                    r = (m ^ r >> 31) - (r >> 31)
                t[0] = r
                x = ptr32(int(x) + 4)
                w = ptr32(int(w) + 4)
                t = ptr32(int(t) + 4)
                units -= 1
