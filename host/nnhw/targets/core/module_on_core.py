"""A whole emitted module on the bare core: its viper and asm_thumb functions run there, the Python round them here."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import Any

from nnhw.boards.mpy_cross import compile_mpy
from nnhw.targets.core.bare_core import BareCore
from nnhw.targets.core.core import Core
from nnhw.targets.core.mpy_functions import ViperModule

Buffer = bytes | bytearray | array  # type: ignore[type-arg]


class ModuleOnCore:
    """An emitted module, imported: ``module`` is its namespace.

    ``cycles``, ``calls`` and ``stack`` (bytes at the deepest point) add up what machine code costs; set them to 0 to
    start again. The Python round it costs nothing here. ``core`` is empty; by default the one of an RP2040.
    Buffers reach the core at their first use: a bytearray or bytes as code and data to read, an array to write too.
    """

    def __init__(self, source: bytes, name: str = "module.py", core: BareCore | None = None) -> None:
        self._core = core or Core()
        self._loaded = [ViperModule(self._core, compile_mpy(source, name, self._core.architecture))]
        self._placed: dict[int, tuple[Buffer, int]] = {}
        self.cycles = self.calls = self.stack = 0
        self.module = ModuleType(name)
        self.module.__dict__["exec"] = self._execute
        with self._stand_ins():
            exec(compile(source, name, "exec"), self.module.__dict__)

    @property
    def code_bytes(self) -> int:
        """Bytes of the compiled functions."""
        return sum(len(function.code) for loaded in self._loaded for function in loaded.functions.values())

    @property
    def read_only_bytes(self) -> int:
        """Bytes of the compiled functions, and of the code, weights and tables that the module holds beside them."""
        buffers = [buffer for buffer, _ in self._placed.values()]
        return self.code_bytes + sum(len(buffer) for buffer in buffers if not isinstance(buffer, array))

    @contextmanager
    def _stand_ins(self) -> Iterator[None]:
        """Let the module import the decorators of ``micropython`` and ``uctypes.addressof`` of this board."""
        micropython, uctypes = ModuleType("micropython"), ModuleType("uctypes")
        micropython.__dict__.update(viper=self._viper, asm_thumb=self._on_core)
        uctypes.__dict__["addressof"] = self._address
        own = {"micropython": micropython, "uctypes": uctypes}
        before = {name: sys.modules.get(name) for name in own}
        sys.modules.update(own)
        try:
            yield
        finally:
            for name, module in before.items():
                if module is None:
                    del sys.modules[name]
                else:
                    sys.modules[name] = module

    def _execute(self, source: str) -> None:
        """The module's ``exec``: functions of machine code that it makes at import."""
        self._loaded.append(ViperModule(self._core, compile_mpy(source.encode(), "exec", self._core.architecture)))
        exec(source, self.module.__dict__)

    def _address(self, buffer: Buffer) -> int:
        """Where the core sees ``buffer``; its first use places it."""
        if id(buffer) not in self._placed:
            place = self._core.data if isinstance(buffer, array) else self._core.load
            self._placed[id(buffer)] = buffer, place(bytes(buffer))
        return self._placed[id(buffer)][1]

    def _viper(self, function: FunctionType) -> Callable[..., Any]:
        """A function of objects, not of machine words, is the runtime's affair, which is not here: it stays Python."""
        return self._on_core(function) if function.__annotations__ else function

    def _on_core(self, function: FunctionType) -> Callable[..., int]:
        loaded = next(loaded for loaded in reversed(self._loaded) if function.__name__ in loaded.functions)

        def call(*arguments: Any) -> int:
            words = [a if isinstance(a, int) else self._address(a) for a in arguments]
            buffers = [(b, address) for b, address in self._placed.values() if isinstance(b, array)]
            for buffer, address in buffers:
                self._core.write(address, buffer.tobytes())
            result = loaded.call(function.__name__, *words)
            for buffer, address in buffers:
                buffer[:] = array(buffer.typecode, self._core.read(address, len(buffer) * buffer.itemsize))
            self.cycles += result.cycles
            self.calls += 1
            self.stack = max(self.stack, result.stack)
            return result.value

        return call
