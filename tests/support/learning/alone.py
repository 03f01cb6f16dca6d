"""Training modules that need no nnrun, and the script that runs a lesson with them on a board."""

from __future__ import annotations

import ast
from dataclasses import replace

import numpy as np
from support.learning.boards import HEAP, Lesson, learner, lesson, taught

from nnhw.targets.target import ScriptTarget
from nnhw_codegen.files import nnt
from nnhw_codegen.micropython import learn

_TEACH = """
import gc
for part in {loading}:
    __import__(part)
    gc.collect()
import m_learn_load as loader
loader.load("m.nnt")
del loader.load, loader.read, loader.take
gc.collect()
for part in {parts}:
    __import__(part)
    gc.collect()
from m_learn_backward import learn_ticks
from m_learn_save import save
{rate}
for _ in range({turns}):
    with open("m.txt") as rows:
        row = rows.readline().split()
        while row:
            {change}learn_ticks([int(v) for v in row[2:{end}]], {target})
            row = rows.readline().split()
save("m.nnt")
with open("m.nnt", "rb") as f:
    part = f.read(24)
    while part:
        print(part)
        part = f.read(24)
"""


def modules(data: bytes) -> dict[str, bytes]:
    """The modules of a model called m, in the order in which a small board imports them, the whole interface last."""
    return learn.files(data, "m", "a test")


def task(case: tuple[object, ...], steps: int, turns: int = 1) -> Lesson:
    """``steps`` rows, and what learning them so many times, one time after the other, leads to."""
    rows = lesson(learner(case), steps, change=False)
    repeated = (np.tile(part, (turns, 1)) for part in (rows.ticks, rows.targets))
    return replace(rows, after=taught(learner(case), *repeated).after)


def taught_on(target: ScriptTarget, lesson: Lesson, turns: int = 1) -> bytes:
    """The file that a board saves after the rows of a lesson, learned ``turns`` times."""
    model = nnt.from_bytes(lesson.before)
    if model.multilabel:
        wanted = lesson.targets >> 12
    elif model.classes:
        wanted = lesson.targets[:, :1] >> 12 if lesson.targets.shape[1] == 1 else lesson.targets.argmax(1)[:, None]
    else:
        wanted = np.ldexp(lesson.targets, -np.array(model.output_fracs)) + model.offsets
    kind = "int" if model.classes else "float"
    end = 2 + lesson.ticks.shape[1]
    changes = (lesson.rates != lesson.rates[0]).any()
    several = model.decision in ("values", "multilabel") and lesson.targets.shape[1] > 1
    parts = modules(lesson.before)
    # A micro:bit has room for neither the whole interface nor its file: such a board gets the parts alone.
    interface = parts.pop("m_learn.py")
    names = [name.removesuffix(".py") for name in parts]
    loader = names.index("m_learn_load") + 1
    script = _TEACH.format(
        loading=names[:loader],
        parts=names[loader:],
        turns=turns,
        rate="from m_rate import rate" if changes else "",
        change="rate(int(row[0]), int(row[1])); " if changes else "",
        end=end,
        target=f"[{kind}(v) for v in row[{end}:]]" if several else f"{kind}(row[-1])",
    )
    rows = zip(lesson.rates.tolist(), lesson.ticks.tolist(), wanted.tolist(), strict=True)
    text = "".join(" ".join(map(str, [*rate, *ticks, *row])) + "\n" for rate, ticks, row in rows)
    heap = HEAP.get(target.name)
    parts["m_rate.py"] = b"from m_learn_state import S\n" + interface[interface.index(b"def rate(") :]
    files = {**parts, "m.nnt": lesson.before, "m.txt": text.encode()}
    printed = target.run(files, script.replace("gc.collect()", "") if heap else script, heap=heap, timeout=300)
    return b"".join(map(ast.literal_eval, printed.splitlines()))
