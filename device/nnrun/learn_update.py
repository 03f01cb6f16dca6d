"""The change of a layer's weights: part of nnrun.learn_kernels."""


def update(room, p, k, data):
    """Weights, biases and remainders of a layer, one step on (SPEC 9.8)."""
    fan_in = p[k + 3]
    x = p[k + 4]
    d = p[k + 5]
    w = p[k + 6]
    bias = p[k + 7]
    rest = p[k + 8]
    multiplier = p[k + 9]
    half = p[k + 10]
    coarse = p[k + 11]
    fine = p[k + 12]
    mask = p[k + 13]
    left = p[k + 14]
    right = p[k + 15]
    bias_half = p[k + 16]
    size = data[20] >> 3
    scheme = data[30]
    for j in range(p[k + 2]):
        g = min(max(room[d + j] * multiplier, -32766), 32766)
        # A product of 0 changes nothing but the noise.
        if g == 0 and scheme != 2:
            w += size * fan_in
            rest += 2 * fan_in * (scheme == 0)
            continue
        for i in range(x, x + fan_in):
            v = g * room[i]
            if v or scheme == 2:
                v = v + half >> coarse
                if scheme < 2:
                    v += data[rest] | data[rest + 1] << 8
                    data[rest] = v & mask & 255
                    data[rest + 1] = (v & mask) >> 8
                elif scheme == 2:
                    n = (data[rest] | data[rest + 1] << 8) * 12829 + 13849
                    data[rest] = n & 255
                    data[rest + 1] = n >> 8 & 255
                    v += (n & 65535) >> 16 - fine
                else:
                    v += mask + 1 >> 1
                v >>= fine
                if size == 2:
                    v = min(max((data[w] | data[w + 1] << 8) - v, 1), 65535)
                    data[w + 1] = v >> 8
                else:
                    v = min(max(data[w] - v, 1), 255)
                data[w] = v & 255
            w += size
            rest += 2 * (scheme == 0)
        at = bias + 4 * j
        v = (data[at] | data[at + 1] << 8 | data[at + 2] << 16 | ((data[at + 3] ^ 128) - 128) << 24) - (
            (g << left) + bias_half >> right
        )
        v = min(max(v, -536870911), 536870911)
        data[at] = v & 255
        data[at + 1] = v >> 8 & 255
        data[at + 2] = v >> 16 & 255
        data[at + 3] = v >> 24 & 255
