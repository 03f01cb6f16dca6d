"""Cycles and bytes of single viper statements as mpy-cross compiles them, on the Cortex-M0+ core.

    python benchmarks/viper_idioms.py           writes benchmarks/results/viper_idioms.{json,md}

The viper emitter's choices rest on these figures.
"""

from __future__ import annotations

from array import array
from typing import Any

from rig.results import write

from nnhw.targets.core.module_on_core import ModuleOnCore

IDIOMS = (
    "a = x[5] * 12 + a",
    "a += x[5] * 12",
    "a = (x[5] << 4) + a",
    "a = x[5] + a",
    "a = x[5] * 1001 + a",
    "a = x[40] * 12 + a",
    "x = ptr32(int(x) + 128)",
    "a = (w[3] - 128) * x[3] + a",
    "a = w[3] * x[3] + a",
    "a = ((a >> 31) + 1) * a",
    "a = a - ((a >> 31) & a)",
    "a = (a >> 31 & a) + 127",
    "a = b - a",
    "b = a",
)


def idiom(statement: str) -> dict[str, Any]:
    """Cycles and bytes of one statement: x, an accumulator a and w are the parameters, in the order of their use."""
    names = "w: ptr8, a: int, x: ptr32" if "w[" in statement else "x: ptr32, a: int, w: ptr8"
    boards = []
    for times in (1, 9):
        body = "".join(f"    {statement}\n" for _ in range(times))
        source = (
            f"import micropython\n\n\n@micropython.viper\ndef f({names}) -> int:\n    b = 0\n{body}    return a\n"
        )
        boards.append(ModuleOnCore(source.encode()))
        words = array("i", bytes(256))
        first, last = (array("B", bytes(256)), words) if "w[" in statement else (words, array("B", bytes(256)))
        boards[-1].module.f(first, 7, last)
    few, many = boards
    return {
        "statement": f"`{statement}`",
        "cycles": (many.cycles - few.cycles) / 8,
        "bytes": (many.code_bytes - few.code_bytes) / 8,
    }


if __name__ == "__main__":
    write("viper_idioms", "Viper statements on the Cortex-M0+ core", [idiom(s) for s in IDIOMS])
