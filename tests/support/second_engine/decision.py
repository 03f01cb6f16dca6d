"""SPEC chapter 6: from outputs to the answer."""

from __future__ import annotations

from second_engine.codes import real_of
from second_engine.file_bytes import Output

Answer = int | list[int] | list[float]


def decide(decision: str, outputs: list[int], kinds: tuple[Output, ...]) -> Answer:
    """SPEC 6.1, 6.2, 6.3, 6.4: the class, the values of a regression as reals, or 0 and 1 of each question."""
    if decision == "argmax":
        return outputs.index(max(outputs))
    if decision == "threshold":
        return int(outputs[0] > 0)
    if decision == "multilabel":
        return [int(output > 0) for output in outputs]
    return [real_of(output, kind.frac) + kind.offset for output, kind in zip(outputs, kinds, strict=True)]


def on_board(answers: list[int]) -> int:
    """SPEC 6.4: answers of yes or no as a board gives them."""
    return sum(answer << j for j, answer in enumerate(answers))
