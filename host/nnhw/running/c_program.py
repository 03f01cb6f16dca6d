"""Runs an emitted C header over rows of input: on this machine under sanitizers, or on the bare Cortex-M0+ core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.errors import TargetError
from nnhw.targets import Target
from nnhw.targets.c import CompilerTarget
from nnhw.targets.core import arm_c
from nnhw.targets.core.core import Core

WARNINGS = ("-Wconversion", "-Wsign-conversion", "-Wshadow", "-pedantic")
_CORE_ROWS = 100
"""Rows that the core takes at a time; its RAM holds those of a wide network too."""

# A row of results: the outputs, then the class (0 for a model of values).
_RUN = """\
#include "{name}.h"
void run(const {type} *in, int32_t *out, int32_t rows);
void run(const {type} *in, int32_t *out, int32_t rows) {{
    for (; rows > 0; rows--, in += {macro}_INPUTS, out += {macro}_OUTPUTS + 1) {{
        {body}
    }}
}}
"""
_CLASSES = {
    "values": "int32_t t[{M}_INPUTS], x[{M}_INPUTS]; {m}_ticks(in, t); {m}_codes(t, x); {m}_logits(x, out); "
    "out[{M}_OUTPUTS] = {m}_predict_ticks(t);",
    "ticks": "int32_t x[{M}_INPUTS]; {m}_codes(in, x); {m}_logits(x, out); out[{M}_OUTPUTS] = {m}_predict_ticks(in);",
    "codes": "{m}_logits(in, out); out[{M}_OUTPUTS] = {m}_predict_codes(in);",
}
_VALUES = {
    "values": "int32_t t[{M}_INPUTS]; {m}_ticks(in, t); {m}_predict_ticks(t, out); out[{M}_OUTPUTS] = 0;",
    "ticks": "{m}_predict_ticks(in, out); out[{M}_OUTPUTS] = 0;",
    "codes": "{m}_logits(in, out); out[{M}_OUTPUTS] = 0;",
}
_MAIN = """
int main(void) {{
    {type} in[{macro}_INPUTS];
    int32_t out[{macro}_OUTPUTS + 1];
    while (fread(in, sizeof in, 1, stdin) == 1) {{
        run(in, out, 1);
        for (int i = 0; i <= {macro}_OUTPUTS; i++) printf("%" PRId32 " ", out[i]);
        puts("");
    }}
    return 0;
}}
"""


def run(
    target: Target,
    files: Mapping[str, bytes],
    name: str,
    classifies: bool,
    outputs: int,
    entry: str,
    rows: NDArray[Any],
) -> NDArray[np.int64]:
    """Outputs and class index (n, outputs + 1) of the header ``name``.h in ``files``. Raises TargetError.

    ``rows`` (n, inputs) are raw values, ticks or codes, as ``entry`` says.
    """
    real = entry == "values"
    macro = name.upper()
    body = (_CLASSES if classifies else _VALUES)[entry].format(m=name, M=macro)
    names = {"name": name, "macro": macro, "type": "float" if real else "int32_t"}
    text = _RUN.format(body=body, **names)
    with np.errstate(over="ignore"):
        given = rows.astype(np.float32 if real else np.int32)
    if isinstance(target, CompilerTarget):
        text = f"#include <inttypes.h>\n#include <stdio.h>\n{text}{_MAIN.format(**names)}"
        program = {**files, "main.c": text.encode()}
        printed = target.run(program, stdin=given.tobytes(), flags=WARNINGS, timeout=600.0)
        found = np.array(printed.split(), dtype=np.int64)
    else:
        found = _on_core({**files, "main.c": text.encode()}, given, outputs + 1)
    if found.size != len(rows) * (outputs + 1):
        raise TargetError(f"{target.name}: the program gave {found.size} integers for {len(rows)} rows")
    return found.reshape(len(rows), outputs + 1)


def _on_core(files: Mapping[str, bytes], rows: NDArray[Any], width: int) -> NDArray[np.int64]:
    core = Core()
    core.load_program(arm_c.compile_c(files, ("-O2", *WARNINGS)))
    taken = core.data(bytes(4 * width * _CORE_ROWS))
    given = core.data(bytes(rows[:1].nbytes * _CORE_ROWS), align=8)
    parts = []
    for start in range(0, len(rows), _CORE_ROWS):
        part = rows[start : start + _CORE_ROWS]
        core.write(given, part.tobytes())
        core.call("run", given, taken, len(part), max_instructions=1_000_000_000)
        parts.append(np.frombuffer(core.read(taken, 4 * width * len(part)), "<i4").astype(np.int64))
    return np.concatenate(parts)
