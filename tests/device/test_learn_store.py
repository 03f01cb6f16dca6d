"""Power may be cut at any byte of a save: the old or the new model is loaded, never a broken one."""

from __future__ import annotations

import contextlib
import io

import pytest
from support.learning.boards import learner, lesson
from support.small_disk import Disk, PowerCut

from nnrun import learn_store

CASE = ((2, 1), "relu", 1, "residual", 16, ("logsig", "auto"), (1, 5), "all")
TASK = lesson(learner(CASE), 40)


def put(disk, monkeypatch):
    monkeypatch.setattr(learn_store, "open", disk.open, raising=False)
    monkeypatch.setattr(learn_store, "os", disk)


def save(files, rename, events, data, monkeypatch):
    """The files after a save that may be cut off, and whether it was."""
    disk = Disk(files, rename, events)
    put(disk, monkeypatch)
    try:
        learn_store.write("m.nnt", bytearray(data))
    except PowerCut:
        return disk.files, True
    return disk.files, False


def load(files, monkeypatch):
    put(Disk(files, "atomic", 1), monkeypatch)
    return bytes(learn_store.read("m.nnt"))


@pytest.mark.parametrize("rename", ["atomic", "two events", "none"])
@pytest.mark.parametrize("saved_before", [False, True])
def test_a_cut_at_every_byte_leaves_the_old_or_the_new_model(rename, saved_before, monkeypatch):
    files = {"m.nnt": TASK.before}
    if saved_before:
        files, _ = save(files, rename, 10**6, TASK.before, monkeypatch)
    found, events, cut = [], 0, True
    while cut:
        left, cut = save(files, rename, events, TASK.after, monkeypatch)
        found.append(load(left, monkeypatch))
        assert found[-1] in (TASK.before, TASK.after), events
        events += 1
    assert events > len(TASK.after)
    assert found == sorted(found, key=[TASK.before, TASK.after].index), "once the new one, always the new one"
    assert (found[0], found[-1]) == (TASK.before, TASK.after)


@pytest.mark.parametrize("rename", ["two events", "none"])
def test_cuts_of_a_save_of_loading_after_it_and_of_the_next_save_do_no_harm(rename, monkeypatch):
    size = len(TASK.after)
    for first in (*range(0, 2 * size + 4, 97), size, size + 1, size + 2, size + 3):
        files, _ = save({"m.nnt": TASK.before}, rename, first, TASK.after, monkeypatch)
        whole = load(files, monkeypatch)
        for second in (0, 1, 2, 300, 2 * size + 4):
            disk = Disk(files, rename, second)
            put(disk, monkeypatch)
            with contextlib.suppress(PowerCut):
                assert learn_store.read("m.nnt") == whole
                disk.left = second
                learn_store.write("m.nnt", bytearray(TASK.after))
            assert load(disk.files, monkeypatch) in (whole, TASK.after), (first, second)


@pytest.mark.parametrize("rename", ["two events", "none"])
@pytest.mark.parametrize("spare", [0, 100, len(TASK.after)])
def test_a_disk_that_fills_up_between_two_cut_saves_loses_no_model(rename, spare, monkeypatch):
    """A log takes what a cut save gave free; so loading cannot finish that save, and the next one fails or is cut."""
    size = len(TASK.after)
    room = 2 * size + spare
    for first in (*range(0, 2 * size + 4, 61), *range(size, size + 4)):
        files, _ = save({"m.nnt": TASK.before, "m.nnt.new": TASK.before}, rename, first, TASK.after, monkeypatch)
        files["log"] = bytes(room - sum(map(len, files.values())))
        for second in (*range(0, 2 * size + 4, 61), *range(4), *range(size, size + 4)):
            disk = Disk(files, rename, 10**6, room)
            put(disk, monkeypatch)
            whole = learn_store.read("m.nnt")
            disk.left = second
            for _ in range(2):
                with contextlib.suppress(PowerCut, OSError):
                    learn_store.write("m.nnt", bytearray(TASK.after))
            assert load(disk.files, monkeypatch) in (whole, TASK.after), (first, second)


def test_a_disk_that_is_full_for_two_saves_loses_no_model(monkeypatch):
    size = len(TASK.after)
    for room in range(size, 3 * size, 7):
        disk = Disk({"m.nnt": TASK.before}, "none", 10**6, room)
        put(disk, monkeypatch)
        for data in (TASK.before, TASK.after):
            with contextlib.suppress(OSError):
                learn_store.write("m.nnt", bytearray(data))
        assert load(disk.files, monkeypatch) in (TASK.before, TASK.after), room


@pytest.mark.parametrize("name", ["m.nnt", "m.nnt.new"])
def test_any_changed_byte_is_noticed(name, monkeypatch):
    """Beside a file with one wrong byte, the other one is what is loaded."""
    files = {"m.nnt": TASK.before, "m.nnt.new": TASK.after}
    other = TASK.after if name == "m.nnt" else TASK.before
    for at in range(0, len(files[name]), 3):
        damaged = bytearray(files[name])
        damaged[at] ^= 0x24
        assert load(files | {name: bytes(damaged)}, monkeypatch) == other, at


def test_a_file_that_is_the_only_one_is_refused_when_cut_or_changed(monkeypatch):
    for at in range(0, len(TASK.after), 2):
        damaged = bytearray(TASK.after)
        damaged[at] ^= 1
        for content in (TASK.after[:at], bytes(damaged)):
            with pytest.raises(ValueError, match=r"m\.nnt: .*"):
                load({"m.nnt": content}, monkeypatch)


def test_a_missing_file_is_an_os_error(monkeypatch):
    with pytest.raises(OSError, match="2"):
        load({}, monkeypatch)


@pytest.mark.parametrize("rename", ["atomic", "none"])
def test_what_is_written_reaches_the_disk_before_anything_else_happens(rename, monkeypatch):
    disk = Disk({"m.nnt": TASK.before}, rename, 10**6)
    happened = []
    opened, renamed = disk.open, disk.rename
    disk.open = lambda path, mode: (mode == "wb" and happened.append(path)) or opened(path, mode)
    disk.rename = lambda old, new: happened.append("rename") or renamed(old, new)
    disk.sync = lambda: happened.append("sync")
    put(disk, monkeypatch)
    learn_store.write("m.nnt", bytearray(TASK.after))
    assert happened == ["m.nnt.new", "sync", "rename", *(["m.nnt", "sync"] if rename == "none" else [])]


def test_a_full_disk_leaves_the_old_model(tmp_path, monkeypatch):
    path = tmp_path / "m.nnt"
    path.write_bytes(TASK.before)

    class Full(io.FileIO):
        def write(self, data):
            return super().write(data[:100])

    monkeypatch.setattr(learn_store, "open", lambda path, mode: Full(path, mode[0]), raising=False)
    with pytest.raises(OSError, match="no room"):
        learn_store.write(str(path), bytearray(TASK.after))
    monkeypatch.delattr(learn_store, "open")
    assert bytes(learn_store.read(str(path))) == TASK.before


def test_a_saved_file_is_the_one_the_host_would_write(tmp_path):
    path = tmp_path / "m.nnt"
    forgotten = bytearray(TASK.after)
    forgotten[-4:] = bytes(4)
    learn_store.write(str(path), forgotten)
    assert path.read_bytes() == TASK.after
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.nnt"]
