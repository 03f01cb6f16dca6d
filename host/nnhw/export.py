"""Float network -> build folder: the module for the board, the same as .nnb and .mpy, vectors, self-test, manifest."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw import __version__, boards, build_folder, choose, model_columns, vectors
from nnhw.boards import Board
from nnhw.build_folder import Build
from nnhw.network import Column, Network
from nnhw.targets import TargetError, mpy
from nnhw_codegen import emitters, micropython_words, nnb, precision, program
from nnhw_codegen.emitters import Emitter
from nnhw_codegen.qmodel import FORMAT, QModel
from nnhw_codegen.text import Origin, identifier

AUTO = "auto"
CODE = "portable"

_FASTEST_FIRST = ("thumb", "viper", "portable", "compact")
_TINY_HEAP = 32_000
"""Bytes; with less, code is chosen for size alone."""

# fmt: off
_TAKEN = frozenset((
    "array", "asyncio", "binascii", "bluetooth", "boot", "btree", "builtins", "cmath", "collections",
    "cryptolib", "deflate", "errno", "esp", "esp32", "framebuf", "gc", "hashlib", "heapq", "io", "json",
    "machine", "main", "math", "micropython", "mip", "neopixel", "network", "nnrun", "ntptime", "onewire",
    "os", "platform", "random", "re", "requests", "rp2", "select", "selftest", "socket", "ssl", "struct",
    "sys", "time", "tls", "uasyncio", "uctypes", "vfs", "webrepl", "zlib",
))
# fmt: on
"""Modules of boards and of nnhw: a model of that name could not be imported."""


def module_name(source: str) -> str:
    """The name to import on the board for a model file called ``source``."""
    name = identifier(Path(source).stem)
    return f"{name}_model" if name in _TAKEN else name


def default_directory(source: str) -> Path:
    """Where the export of the model file ``source`` goes."""
    return Path("build") / Path(source).stem


def export(
    network: Network,
    directory: Path,
    precision_name: str = AUTO,
    code: str = CODE,
    *,
    board: str | None = None,
    source: str = "model.json",
    rows: NDArray[np.floating[Any]] | None = None,
) -> Build:
    """Quantize ``network`` and write its build folder; see ``write``.

    ``precision_name`` "auto" is the cheapest that agrees with the float network (see ``choose``). ``rows`` (n, inputs),
    in raw units, calibrate the formats; without them the network's own calibration rows do. Raises ValueError for an
    unknown precision and a network that cannot be quantized, and what ``write`` raises.
    """
    build_folder.check_replaceable(directory)
    if rows is not None:
        network = replace(network, calibration=rows)
    if precision_name == AUTO:
        choice = choose.choose(network)
    else:
        choice = choose.choose(network, precisions=(precision.get(precision_name),))
    return write(
        choice.chosen.report.model,
        directory,
        code,
        board=board,
        source=source,
        rows=network.calibration,
        agreement=choose.agreement_lines(network, choice),
        columns=network.columns,
    )


def write(
    model: QModel,
    directory: Path,
    code: str = CODE,
    *,
    board: str | None = None,
    source: str = "model.json",
    rows: NDArray[np.floating[Any]] | None = None,
    options: Sequence[str] = (),
    extra: Callable[[str, str, Emitter], Mapping[str, bytes]] | None = None,
    columns: Sequence[Column] = (),
    agreement: Sequence[str] = (),
) -> Build:
    """Write the build folder of a quantized model; see ``build_folder.write`` for what is replaced.

    ``board`` names the one to compile for; ``code`` "auto" is the fastest that it runs and has room for, without a board
    portable. ``source`` is the name of the model file, which names the module; ``rows`` (n, inputs), raw, become test
    vectors; ``options`` are further words of the command that made the model; ``extra`` makes further files out of the
    model's name, the banner and the emitter; ``columns`` are those of the network, for ``encode``; ``agreement`` says, line
    by line, how near the integers are to the floats. Raises ValueError for an unknown code or board and code that the board
    does not run, BuildError where ``directory`` may not be replaced.
    """
    build_folder.check_replaceable(directory)
    place = None if board is None else boards.get(board)
    binary = nnb.to_bytes(model)
    model_hash = hashlib.sha256(binary).hexdigest()[:16]
    name = module_name(source)
    options = [*options, *(() if board is None else ("--board", board))]
    for candidate in _candidates(code, place):
        words = [Path(source).name, "--precision", model.precision.name, "--code", candidate.name, *options]
        command = f"nnhw export {shlex.join(words)}"
        origin = Origin(name, banner(Path(source).name, model.precision.name, model_hash, command), model_hash)
        emitted = _with_encode(candidate.emit(program.build(model), origin), f"{name}.py", columns)
        compiled, notes = _compile(emitted, candidate.requires, place)
        if place is None or sum(map(len, (compiled or emitted).values())) <= place.heap // 2:
            break
    modules = [file for file in emitted if file.endswith(".py")]
    files: dict[str, bytes] = {**emitted, f"{name}.nnb": binary}
    files |= compiled
    if extra is not None:
        further = extra(name, origin.banner, candidate)
        step, hints = _compile_step(further, name, candidate, place)
        files |= {**further, **step}
        notes = [*notes, *hints]
    golden = vectors.golden(model, rows)
    files["vectors.jsonl"] = "".join(json.dumps(vector) + "\n" for vector in golden).encode()
    if modules:
        files["selftest.py"] = _fill("selftest.py", banner=origin.banner, name=name, units=model.sizes[-1])
        board_files = [*modules, "selftest.py", "vectors.jsonl"]
        urls = [[file, file] for file in board_files]
        files["package.json"] = _json({"urls": urls, "version": __version__})
    files["README.md"] = _readme(model, origin, emitted, golden, files, columns, agreement)
    facts = {
        "name": name,
        "source": Path(source).name,
        "command": command,
        "model": model_hash,
        "precision": model.precision.name,
        "code": candidate.name,
        "board": board,
        "modules": modules,
        "notes": notes,
        **({"columns": model_columns.to_json(columns)} if columns else {}),
    }
    described = build_folder.manifest(facts, files)
    build_folder.write(directory, {**files, build_folder.MANIFEST: _json(described)})
    return Build(directory, model, described)


def banner(source: str, precision_name: str, model_hash: str, command: str) -> str:
    """The line that every generated file carries."""
    text = f"{source}, {precision_name}, format {FORMAT}, nnhw {__version__}, model {model_hash}; made by: {command}"
    return "".join(c if c.isprintable() and c not in '"\\' else "_" for c in text)


def _with_encode(emitted: dict[str, bytes], module: str, columns: Sequence[Column]) -> dict[str, bytes]:
    """``emitted`` with ``encode`` at the end of ``module``, where there is one and the inputs are not just numbers."""
    if not columns or module not in emitted:
        return emitted
    return {**emitted, module: emitted[module] + micropython_words.source(columns).encode()}


def _candidates(code: str, board: Board | None) -> list[Emitter]:
    """The emitters to try, the first that fits the board wins and the last is taken in any case."""
    if code != "auto":
        emitter = emitters.get(code)
        if board is not None and not board.runs(emitter.requires):
            able = ", ".join(e.name for e in emitters.EMITTERS if board.runs(e.requires))
            raise ValueError(f"{board.name} does not run {code} code, which needs {emitter.requires}; it runs {able}")
        return [emitter]
    if board is None:
        return [emitters.get(CODE)]
    if board.heap < _TINY_HEAP:
        return [emitters.get("compact")]
    return [e for e in map(emitters.get, _FASTEST_FIRST) if board.runs(e.requires)]


def _compile(emitted: Mapping[str, bytes], requires: str, board: Board | None) -> tuple[dict[str, bytes], list[str]]:
    """The .mpy of every module, for the board or for every architecture, and notes for the user."""
    sources = {file[:-3]: content for file, content in emitted.items() if file.endswith(".py")}
    if not sources:
        return {}, []
    if board is not None and board.arch is None:
        return {}, [f"no .mpy: {board.name} loads none of today's"]
    if not requires:
        places: dict[str, str | None] = {"": None}
    elif board is not None:
        places = {"": board.arch}
    else:
        known = boards.ARCHITECTURES[requires]
        places = {"": known[0]} if len(known) == 1 else {f"-{arch}": arch for arch in known}
    try:
        compiled = {
            f"{stem}{suffix}.mpy": mpy.compile_mpy(content, f"{stem}.py", arch)
            for stem, content in sources.items()
            for suffix, arch in places.items()
        }
    except TargetError as error:
        return {}, [f"no .mpy: {error}"]
    if len(places) > 1:
        (stem,) = sources
        return compiled, [f"copy the .mpy of the board's architecture as {stem}.mpy; --board NAME makes that one"]
    return compiled, []


def _compile_step(
    files: Mapping[str, bytes], name: str, emitter: Emitter, board: Board | None
) -> tuple[dict[str, bytes], list[str]]:
    """The .mpy of a training step for nnrun: compilers on boards find some too big for one function."""
    file, requires = f"{name}_learn.py", emitter.requires or "viper"
    if emitter.learn_alone is not None or file not in files or (board is not None and not board.runs(requires)):
        return {}, []
    return _compile({file: files[file]}, requires, board)


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def _fill(template: str, **values: object) -> bytes:
    text = resources.files("nnhw").joinpath("data", f"{template}.in").read_text(encoding="utf-8")
    return Template(text).substitute(values).encode()


_USAGE_MICROPYTHON = """\
Copy the module to the board and use it there; nothing else is needed:

    mpremote cp $modules :
    mpremote exec "import $name; print($name.$call)"     # prints $answer

Or `mpremote mip install package.json`, which brings the self-test too: `import $name`, then `import selftest` on the
board compares $count vectors with the integers of the PC."""

_USAGE_OTHER = (
    "Generated code: $emitted. Its first comment says how to use it. `vectors.jsonl` holds $count test vectors."
)


_USAGE_WORDS = """

Some inputs stand for words or missing values. $how The columns are $columns."""


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
    told = ", ".join(f"`{c.name}`" + (f" ({', '.join(c.categories)})" if c.categories else "") for c in columns)
    return _USAGE_WORDS.replace("$how", how).replace("$columns", told.replace("$", "$$"))


def _outputs(model: QModel) -> str:
    """What comes out, and how the integers stand for it."""
    if model.decision == "values":
        names = model.outputs or tuple(f"output {j}" for j in range(model.sizes[-1]))
        formats = zip(names, model.output_frac.tolist(), model.offsets, strict=True)
        return ", ".join(
            f"`{name}` = integer / 2^{frac}" + (f" + {offset!r}" if offset else "") for name, frac, offset in formats
        )
    if model.decision == "multilabel":
        return "; ".join(f"bit {j} of the answer: `{name}`" for j, name in enumerate(model.classes))
    return "the number of the class: " + ", ".join(f"{j} `{name}`" for j, name in enumerate(model.classes))


def _readme(
    model: QModel,
    origin: Origin,
    emitted: Mapping[str, bytes],
    golden: list[dict[str, Any]],
    files: Mapping[str, bytes],
    columns: Sequence[Column],
    agreement: Sequence[str],
) -> bytes:
    modules = [file for file in emitted if file.endswith(".py")]
    example = golden[-1]
    values = tuple(float(f"{t * i.step:.9g}") for t, i in zip(example["ticks"], model.inputs, strict=True))
    call, answer = f"predict({values})", example["answer"]
    if model.decision == "multilabel":
        call = f"label({values})"
        answer = tuple(name for j, name in enumerate(model.classes) if example["answer"] >> j & 1)
    elif model.classes:
        call, answer = f"label({values})", model.classes[example["answer"]]
    usage = Template((_USAGE_MICROPYTHON if modules else _USAGE_OTHER) + _words(columns, bool(modules))).substitute(
        modules=" ".join(modules),
        emitted=", ".join(f"`{file}`" for file in emitted),
        name=origin.name,
        call=call,
        answer=answer,
        count=len(golden),
    )
    return _fill(
        "build_readme.md",
        name=origin.name,
        banner=origin.banner,
        sizes="-".join(map(str, model.sizes)),
        inputs=", ".join(f"`{i.name}` in steps of {i.step:g}" for i in model.inputs),
        usage=usage,
        outputs=_outputs(model),
        agreement="\n".join(f"- {line}" for line in agreement) or "Not judged.",
        table="\n".join(f"| `{name}` | {len(content):,} |" for name, content in files.items()),
    )
