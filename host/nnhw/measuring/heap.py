"""How much free heap a board must have to import and to run a module: found by bisecting the heap of a 32-bit MicroPython.

Native code does not load there. Its place is taken by bytes of the same length, so that figure is an estimate.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from nnhw.boards import mpy_cross
from nnhw.errors import TargetError
from nnhw.targets import get_script_target
from nnhw.targets.core.mpy_functions import machine_functions

TARGET = "wasm"
_SMALLEST, _LARGEST = 1 << 10, 1 << 26
_NATIVE_DECORATORS = ("viper", "asm_thumb", "native")
_FREE = "import gc\nprint(gc.mem_free())"

# At the top level: this port's collector does not see what only a WebAssembly local holds, as in a function.
IMPORT = "import {name}"
# In a large heap that is never collected, as a small one would be: what stays of the import, and what a prediction takes.
_PREDICT = """\
import gc
gc.collect()
start = gc.mem_alloc()
import {name}
gc.collect()
gc.disable()
{name}.predict({row!r})
print(gc.mem_alloc() - start)"""


@dataclass(frozen=True)
class HeapNeed:
    """Bytes that must be free after boot to import a module, and to predict once without a collection.

    All is counted: what the import takes for itself, the buffers and names of the module, the doorway for raw values.
    ``measured`` tells whether the module itself was loaded, without a stand-in for native code.
    """

    to_import: int
    to_run: int
    measured: bool


def heap_need(name: str, source: bytes, row: tuple[float, ...], *, as_mpy: bool) -> HeapNeed:
    """What the module ``name`` needs on a 32-bit board as .mpy or as source; ``row`` are values to predict from.

    Raises TargetError where a tool is missing or the module fails for another reason than memory.
    """
    files, measured = loadable(name, source, as_mpy=as_mpy)
    to_import = smallest_heap(files, IMPORT.format(name=name))
    if not measured:
        return HeapNeed(to_import, to_import, measured)
    while_running = int(get_script_target(TARGET).run(files, _PREDICT.format(name=name, row=row)))
    return HeapNeed(to_import, max(to_import, while_running), measured)


def loadable(name: str, source: bytes, *, as_mpy: bool) -> tuple[dict[str, bytes], bool]:
    """The module's file as the emulator loads it, and whether it is the module itself, not one without native code."""
    native = _native_functions(source)
    if native:
        source = (_stand_in(source, native) if as_mpy else _undecorated(source, native)).encode()
    if as_mpy:
        return {f"{name}.mpy": mpy_cross.compile_mpy(source, f"{name}.py")}, not native
    return {f"{name}.py": source}, not native


def smallest_heap(files: Mapping[str, bytes], script: str) -> int:
    """Bytes that must be free before ``script`` for it to run through, to about one in a hundred."""
    # That it can run at all: after that any failure is one of too little heap, as this port may crash instead of tell.
    get_script_target(TARGET).run(files, script, _LARGEST)
    low, high = _SMALLEST, 2 * _SMALLEST
    while not runs(files, script, high):
        low, high = high, 2 * high
    while high - low > max(32, high >> 7):
        middle = (low + high) // 2
        if runs(files, script, middle):
            high = middle
        else:
            low = middle
    return free_in(high)


def runs(files: Mapping[str, bytes], script: str, heap: int) -> bool:
    """Whether ``script``, which runs in a large heap, does so in one of ``heap`` bytes."""
    try:
        get_script_target(TARGET).run(files, script, heap)
    except TargetError:
        return False
    return True


def heap_with(free: int) -> int:
    """The heap size of the emulator that leaves ``free`` bytes to programs."""
    low, high = _SMALLEST, 2 * free + 4 * _SMALLEST
    while high - low > 16:
        middle = (low + high) // 2
        if middle > 2 * _SMALLEST and free_in(middle) >= free:
            high = middle
        else:
            low = middle
    return high


def free_in(heap: int) -> int:
    """Bytes free to programs in a heap of the emulator of ``heap`` bytes."""
    return int(get_script_target(TARGET).run({}, _FREE, heap))


def _native_functions(source: bytes) -> dict[str, ast.FunctionDef]:
    """The functions of machine code, by name."""
    functions = (node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef))
    return {f.name: f for f in functions if any(_names_native(decorator) for decorator in f.decorator_list)}


def _names_native(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Attribute) and decorator.attr in _NATIVE_DECORATORS


def _undecorated(source: bytes, native: Mapping[str, ast.FunctionDef]) -> str:
    """The functions as bytecode, which is not run: what the board's parser takes is the same."""
    lines = source.decode().split("\n")
    for name, node in native.items():
        lines[node.decorator_list[0].lineno - 1] = ""
        lines[(node.end_lineno or node.lineno) - 1] += f"\ndef {name}(*a): return 0"
    return "\n".join(lines)


def _stand_in(source: bytes, native: Mapping[str, ast.FunctionDef]) -> str:
    """Each function of machine code as bytes of its length, beside a function that can be called."""
    code = {name: f.code + f.read_only_data for name, f in machine_functions(_compiled(source)).items()}
    lines = source.decode().split("\n")
    for name, node in native.items():
        first, last = node.decorator_list[0].lineno - 1, node.end_lineno or node.lineno
        lines[first:last] = [f"def {name}(*a): return 0", f"{name}_code = {code[name]!r}"] + [""] * (last - first - 2)
    return "\n".join(lines)


def _compiled(source: bytes) -> bytes:
    return mpy_cross.compile_mpy(source, "module.py", "armv6m")
