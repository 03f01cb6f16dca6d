"""Outputs of a regression to reals (SPEC 6.3, 7.9); apart, as a net that tells classes has no need of it."""

from array import array


def formats(data):
    """Offset and frac of each output, two arrays; data is the file."""
    at = 24 + 28 * (data[12] | data[13] << 8)
    count = data[20] | data[21] << 8
    end = at + 4 * count
    return array("f", data[at:end]), array("h", data[end : end + 2 * count])


def reals(data, y, first):
    """The outputs, in y from ``first`` on: one real, or a tuple of several."""
    offsets, fracs = formats(data)
    values = [y[first + j] / 2.0 ** fracs[j] + offsets[j] for j in range(len(fracs))]
    return values[0] if len(values) == 1 else tuple(values)
