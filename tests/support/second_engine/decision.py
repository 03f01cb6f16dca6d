"""SPEC chapter 6: from outputs to the answer."""

from __future__ import annotations


def decide(decision: str, outputs: list[int], frac: int) -> int | list[float]:
    """SPEC 6.1, 6.2, 6.3: the class, or the values of a regression as reals."""
    if decision == "argmax":
        return outputs.index(max(outputs))
    if decision == "threshold":
        return int(outputs[0] > 0)
    return [output / 2**frac if frac >= 0 else float(output * 2**-frac) for output in outputs]
