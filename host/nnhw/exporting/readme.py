"""The README of a build folder."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from string import Template
from typing import Any

from nnhw.exporting.fill_template import fill
from nnhw.exporting.pick_code import Chosen
from nnhw.exporting.request import ExportRequest
from nnhw_codegen.integers.qmodel import QModel
from nnhw_codegen.network.names import visible
from nnhw_codegen.network.network import Column

_USAGE_MICROPYTHON = """\
Copy the module to the board and use it there; nothing else is needed:

    mpremote cp $copied :
    mpremote exec "import $name; print($name.$call)"     # prints $answer

Or `mpremote mip install package.json`, which brings the self-test too: `import $name`, then `import selftest` on the
board compares $count vectors with the integers of the PC."""

_USAGE_NATIVE = """

`$name.mpy` is machine code that MicroPython 1.23 or newer loads as it is. `predict` reads a tuple, a list or an `array('f')`
itself. `predict_many(rows, out)` takes the values, `predict_many_ticks(rows, out)` the ticks of rows that lie behind each
other in an array, with a place of `out` for each answer (fastest: a bytearray). Older firmware needs `$name.py` in its
place, which is slower and has neither. Never copy both: the `.py` would be loaded."""

_USAGE_REENTRANT = """

What `predict` and `predict_ticks` compute lies on the stack, so an interrupt may call them while the program does, with an
`array` of the right length, which takes no heap."""

_USAGE_OTHER = (
    "Generated code: $emitted. Its first comment says how to use it. `vectors.jsonl` holds $count test vectors."
)


_USAGE_WORDS = """

Some inputs stand for words or missing values. $how The columns are $columns."""


def markdown(name: str) -> str:
    """A name from data as code, between more backticks than it has in a row."""
    fence = "`" * (1 + max(map(len, re.findall("`*", name))))
    space = " " if "`" in name else ""
    return f"{fence}{space}{visible(name)}{space}{fence}"


def _plain(text: str) -> str:
    """Text that Markdown takes neither for its own signs nor for HTML."""
    return re.sub(r"([\\`*_\[\]<>&|])", r"\\\1", visible(text))


def _words(columns: Sequence[Column], modules: bool) -> str:
    """What to say of columns that are no plain numbers."""
    if not columns:
        return ""
    how = (
        "`encode(row)` makes the numbers from the cells of a row, None where one is missing: "
        "`$name.predict($name.encode(row))`."
        if modules
        else "Each is 0 or 1: the input `color=red` is 1 where the column color holds red."
    )
    words = {c.name: f" ({', '.join(map(markdown, c.categories))})" if c.categories else "" for c in columns}
    told = ", ".join(markdown(name) + more for name, more in words.items())
    return _USAGE_WORDS.replace("$how", how).replace("$columns", told.replace("$", "$$"))


def _outputs(model: QModel) -> str:
    """What comes out, and how the integers stand for it."""
    if model.decision == "values":
        names = model.outputs or tuple(f"output {j}" for j in range(model.sizes[-1]))
        formats = zip(names, model.output_frac.tolist(), model.offsets, strict=True)
        return ", ".join(
            f"{markdown(name)} = integer / 2^{frac}" + (f" + {offset!r}" if offset else "")
            for name, frac, offset in formats
        )
    if model.decision == "multilabel":
        return "; ".join(f"bit {j} of the answer: {markdown(name)}" for j, name in enumerate(model.classes))
    return "the number of the class: " + ", ".join(f"{j} {markdown(name)}" for j, name in enumerate(model.classes))


def readme(request: ExportRequest, chosen: Chosen, golden: list[dict[str, Any]], files: Mapping[str, bytes]) -> bytes:
    """The text for a build of these ``files``, with the last of the ``golden`` vectors as its example."""
    model, origin, modules = request.model, chosen.origin, chosen.modules
    example = golden[-1]
    values = tuple(float(f"{t * i.step:.9g}") for t, i in zip(example["ticks"], model.inputs, strict=True))
    call, answer = f"predict({values})", example["answer"]
    if model.decision == "multilabel":
        call = f"label({values})"
        answer = tuple(name for j, name in enumerate(model.classes) if example["answer"] >> j & 1)
    elif model.classes:
        call, answer = f"label({values})", model.classes[example["answer"]]
    native = "" if chosen.native is None else _USAGE_NATIVE + _USAGE_REENTRANT * chosen.native.reentrant
    usage = Template(
        (_USAGE_MICROPYTHON if modules else _USAGE_OTHER) + native + _words(request.columns, bool(modules))
    ).substitute(
        copied=f"{origin.name}.mpy" if native else " ".join(modules),
        emitted=", ".join(f"`{file}`" for file in chosen.emitted),
        name=origin.name,
        call=call,
        answer=shlex.quote(str(answer)),
        count=len(golden),
    )
    return fill(
        "build_readme.md",
        name=origin.name,
        banner=origin.banner,
        sizes="-".join(map(str, model.sizes)),
        inputs=", ".join(f"{markdown(i.name)} in steps of {i.step:g}" for i in model.inputs),
        usage=usage,
        outputs=_outputs(model),
        agreement="\n".join(f"- {_plain(line)}" for line in request.agreement) or "Not judged.",
        table="\n".join(f"| `{name}` | {len(content):,} |" for name, content in files.items()),
    )
