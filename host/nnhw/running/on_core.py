"""Runs an emitted viper or Thumb module over rows of input on a bare core."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.targets import CoreTarget
from nnhw.targets.core.module_on_core import ModuleOnCore


def run(
    target: CoreTarget, module: bytes, classifies: bool, outputs: int, entry: str, rows: NDArray[Any]
) -> NDArray[np.int64]:
    """Outputs and answer (n, outputs + 1) of the module with this source, called as a script would call it.

    ``rows`` (n, inputs) are raw values, ticks or codes, as ``entry`` says. The answer is the class index, 0 for a model
    of values, -1 from codes, for which these modules have no answer. Raises TargetError.
    """
    m = ModuleOnCore(module, core=target.core()).module
    y = array("i", bytes(4 * outputs))
    given = array("i", bytes(4 * rows.shape[1]))
    found = []
    if entry == "values":
        with np.errstate(over="ignore"):
            rows = rows.astype(np.float32)
    for row in rows.tolist():
        answer = -1
        if entry == "values":
            m.ticks_from_values(row, given)
            m.logits_from_ticks(given, y)
            answer = m.predict(row)
        else:
            given[:] = array("i", row)
            if entry == "codes":
                m.logits_from_codes(given, y)
            else:
                m.logits_from_ticks(given, y)
                answer = m.predict_ticks(given)
        found.append([*y, answer if classifies else 0])
    return np.array(found, dtype=np.int64)
