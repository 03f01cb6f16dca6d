"""Training code on the bare Cortex-M0+ core."""

from __future__ import annotations

from array import array

import pytest
from conftest import usable_target
from support.learning.boards import Lesson, teach

from nnhw.boards.mpy_cross import compile_mpy, why_unavailable
from nnhw.targets.core.mpy_functions import ViperModule
from nnrun.learn_core import Core


class CoreRun:
    """``run`` of a module as a kernel that nnrun.learn takes, with the cycles of each call."""

    def __init__(self, source: bytes) -> None:
        if why_unavailable():
            pytest.skip(str(why_unavailable()))
        self.core = usable_target("rp2040-core").core()
        self.module = ViperModule(self.core, compile_mpy(source, "m.py", "armv6m"))
        self.places: list[int] = []
        self.cycles: list[int] = []

    def __call__(self, room, data, program) -> None:
        buffers = (room, data, program)
        self.places = self.places or [self.core.data(bytes(b), align=16) for b in buffers]
        for place, buffer in zip(self.places, buffers, strict=True):
            self.core.write(place, bytes(buffer))
        self.cycles.append(self.module.call("run", *self.places).cycles)
        room[:] = array("i", self.core.read(self.places[0], 4 * len(room)))
        data[:] = self.core.read(self.places[1], len(data))


def steps_on_core(task: Lesson, source: bytes) -> tuple[bytes, list[int]]:
    """The file after a lesson by a module's ``run``, but for its checksum, and the cycles of each step."""
    run = CoreRun(source)
    return teach(Core(bytearray(task.before), run), task), run.cycles
