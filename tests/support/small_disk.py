"""A file system whose power may be cut at any byte and which may fill up."""

from __future__ import annotations

import io


class PowerCut(Exception):
    """The board stops here."""


class Disk:
    """A file system that stops after so many events: a file emptied, a byte written, a name changed.

    ``rename`` is "atomic", "two events" (the old name vanishes, then the new one appears) or "none"; ``room`` is for so
    many bytes.
    """

    def __init__(self, files, rename, events, room=1 << 20):
        self.files, self.how, self.left, self.room = dict(files), rename, events, room

    def event(self):
        if not self.left:
            raise PowerCut
        self.left -= 1

    def open(self, path, mode):
        if "r" in mode:
            if path not in self.files:
                raise OSError(2)
            return io.BytesIO(self.files[path])
        self.event()
        self.files[path] = b""
        return Writer(self, path)

    def rename(self, old, new):
        if self.how == "none":
            raise OSError(1)
        if self.how == "two events":
            self.event()
            self.files.pop(new, None)
        self.event()
        self.files[new] = self.files.pop(old)


class Writer:
    def __init__(self, disk, path):
        self.disk, self.path = disk, path

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def write(self, data):
        data = bytes(data)
        for n in range(len(data)):
            self.disk.event()
            if sum(map(len, self.disk.files.values())) >= self.disk.room:
                raise OSError(28)
            self.disk.files[self.path] += data[n : n + 1]
        return len(data)
