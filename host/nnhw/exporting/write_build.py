"""Float network -> build folder: the module for the board, the same as .nnb and .mpy, vectors, self-test, manifest."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw import __version__
from nnhw.boards import catalog
from nnhw.boards.catalog import Board
from nnhw.exporting import build_folder, vectors
from nnhw.exporting.build_folder import Build
from nnhw.exporting.compile import compile_modules, compile_step
from nnhw.exporting.fill_template import fill
from nnhw.exporting.names import banner, module_name
from nnhw.exporting.readme import readme
from nnhw.model_files import columns as model_columns
from nnhw.tuning import choose_precision
from nnhw_codegen import emitters
from nnhw_codegen.emitters import Emitter
from nnhw_codegen.errors import InputError
from nnhw_codegen.files import nnb
from nnhw_codegen.integers import precision, program
from nnhw_codegen.integers.qmodel import QModel
from nnhw_codegen.micropython import words as micropython_words
from nnhw_codegen.network.network import Column, Network
from nnhw_codegen.writer import Origin

AUTO = "auto"
CODE = "portable"

_TINY_HEAP = 32_000
"""Bytes; with less, code is chosen for size alone."""


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
        choice = choose_precision.choose(network)
    else:
        choice = choose_precision.choose(network, precisions=(precision.get(precision_name),))
    return write(
        choice.chosen.report.model,
        directory,
        code,
        board=board,
        source=source,
        rows=network.calibration,
        agreement=choose_precision.agreement_lines(network, choice),
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
    place = None if board is None else catalog.get(board)
    binary = nnb.to_bytes(model)
    model_hash = hashlib.sha256(binary).hexdigest()[:16]
    name = module_name(source)
    options = [*options, *(() if board is None else ("--board", board))]
    for candidate in _candidates(code, place):
        words = [Path(source).name, "--precision", model.precision.name, "--code", candidate.name, *options]
        command = f"nnhw export {shlex.join(words)}"
        origin = Origin(name, banner(Path(source).name, model.precision.name, model_hash, command), model_hash)
        whole = program.build(model)
        emitted = _with_encode(candidate.emit(whole, origin), f"{name}.py", columns)
        native = None if candidate.native is None else candidate.native(whole, origin)
        if native is not None and columns:
            native = replace(native, source=native.source + micropython_words.source(columns).encode())
        compiled, notes = compile_modules(emitted, candidate.requires, place, native)
        if place is None or sum(map(len, (compiled or emitted).values())) <= place.heap // 2:
            break
    modules = [file for file in emitted if file.endswith(".py")]
    files: dict[str, bytes] = {**emitted, f"{name}.nnb": binary}
    files |= compiled
    if extra is not None:
        further = extra(name, origin.banner, candidate)
        step, hints = compile_step(further, name, candidate, place)
        files |= {**further, **step}
        notes = [*notes, *hints]
    golden = vectors.golden(model, rows)
    files["vectors.jsonl"] = "".join(json.dumps(vector) + "\n" for vector in golden).encode()
    if modules:
        files["selftest.py"] = fill("selftest.py", banner=origin.banner, name=name, units=model.sizes[-1])
        board_files = [*modules, "selftest.py", "vectors.jsonl"]
        urls = [[file, file] for file in board_files]
        files["package.json"] = _json({"urls": urls, "version": __version__})
    files["README.md"] = readme(
        model, origin, emitted, golden, files, columns, agreement, native if compiled else None
    )
    facts = {
        "name": name,
        "source": Path(source).name,
        "command": command,
        "model": model_hash,
        "precision": model.precision.name,
        "code": candidate.name,
        "board": board,
        "modules": modules,
        "native": sorted(compiled) if native is not None else [],
        "notes": notes,
        **({"columns": model_columns.to_json(columns)} if columns else {}),
    }
    described = build_folder.manifest(facts, files)
    build_folder.write(directory, {**files, build_folder.MANIFEST: _json(described)})
    return Build(directory, model, described)


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
            raise InputError(f"{board.name} does not run {code} code, which needs {emitter.requires}; it runs {able}")
        return [emitter]
    if board is None:
        return [emitters.get(CODE)]
    ranked = emitters.fastest_first(board.runs)
    return ranked[-1:] if board.heap < _TINY_HEAP else ranked


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()
