"""Loads and saves .nnt files so that a cut of power leaves the old or the new model, never a broken one (SPEC 10).

A model is written whole under a second name, PATH.new, and then renamed. Where files cannot be renamed it is written
once more as PATH, and PATH.new stays: while one of the two is being written, the other is whole. Loading finishes what
was cut off; where there is no room for that, PATH.new is the only whole file, and a save writes PATH.
"""

import os

FORMAT = 2


def u16(data, at):
    """Two bytes as an unsigned number."""
    return data[at] | data[at + 1] << 8


def checksum(data, at, end, low=1, high=0):
    """The halves of the Adler-32 checksum of data[at:end], behind what gave low and high."""
    for k in range(at, end):
        low = (low + data[k]) % 65521
        high = (high + low) % 65521
    return low, high


def _size(path):
    """The bytes of a file that is whole. It is read in small parts: at a save the model fills the heap."""
    with open(path, "rb") as file:
        part = file.read(40)
        if len(part) < 40 or part[:3] != b"NNT":
            raise ValueError("%s: not a .nnt file" % path)
        if part[3] != FORMAT:
            raise ValueError(
                "%s: model made for format %d, this nnrun reads %d: run 'nnhw export --learn' again"
                % (path, part[3], FORMAT)
            )
        fixed = u16(part, 4) | u16(part, 6) << 16
        size = u16(part, 12) | u16(part, 14) << 16
        if not 40 <= fixed <= size - 8:
            raise ValueError("%s: damaged, copy the file again" % path)
        told = u16(part, 8), u16(part, 10)
        found = 40
        low, high = checksum(part, 12, found)
        while True:
            if found == fixed:
                if told != (low, high):
                    raise ValueError("%s: checksum differs: copy the file again" % path)
                low, high = 1, 0
            end = fixed if found < fixed else size - 4 if found < size - 4 else size
            part = file.read(min(40, end - found))
            if not part:
                raise ValueError("%s: %d bytes of %d: copy the file again" % (path, found, size))
            found += len(part)
            if end == size:
                break
            low, high = checksum(part, 0, len(part), low, high)
    if len(part) < 4 or (u16(part, 0), u16(part, 2)) != (low, high):
        raise ValueError("%s: checksum of the weights differs: copy the file again" % path)
    return size


def _whole(path):
    data = bytearray(_size(path))
    with open(path, "rb") as file:
        file.readinto(data)
    return data


def read(path):
    """The file as a bytearray: PATH, or PATH.new where that is not whole.

    Raises ValueError for a file that is damaged or of another format, OSError where there is none.
    """
    try:
        return _whole(path)
    except (OSError, ValueError) as error:
        reason = error
    data = None
    try:
        data = _whole(path + ".new")
    except (OSError, ValueError):
        pass
    if data is None:
        raise reason
    try:
        _finish(path, data)
    except OSError:
        pass  # a file system that only gives: nothing will be saved to it either
    return data


def write(path, data):
    """Save the file; OSError where it cannot be written: then the old one, or PATH.new, is still there."""
    fixed = u16(data, 4) | u16(data, 6) << 16
    low, high = checksum(data, fixed, len(data) - 4)
    for k in (0, 1):
        data[k - 4] = low >> 8 * k & 255
        data[k - 2] = high >> 8 * k & 255
    try:
        _size(path)
    except (OSError, ValueError):  # PATH.new may be the only whole file
        _put(path, data)
        return
    _put(path + ".new", data)
    _finish(path, data)


def _finish(path, data):
    """PATH.new is whole: make it PATH. Before another save can begin PATH must be whole again."""
    try:
        os.rename(path + ".new", path)
    except (AttributeError, OSError):
        _put(path, data)


def _put(path, data):
    with open(path, "wb") as file:
        if file.write(data) != len(data):
            raise OSError("%s: no room" % path)
    if hasattr(os, "sync"):
        os.sync()
