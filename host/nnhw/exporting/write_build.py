"""Float network -> build folder: the module for the board, the same as .nnb and .mpy, vectors, self-test, manifest."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw import __version__
from nnhw.exporting import build_folder, vectors
from nnhw.exporting.build_folder import Build, FileFacts, Manifest
from nnhw.exporting.compile import compile_step
from nnhw.exporting.fill_template import fill
from nnhw.exporting.learning_files import files as learning_files
from nnhw.exporting.pick_code import Chosen, pick_code
from nnhw.exporting.readme import readme
from nnhw.exporting.request import AUTO, CODE, ExportRequest
from nnhw.tuning import choose_precision
from nnhw_codegen.integers import precision as precisions
from nnhw_codegen.network.network import Network

SELF_TEST, VECTORS = "selftest.py", "vectors.jsonl"


def export(
    network: Network,
    directory: str | Path,
    precision: str = AUTO,
    code: str = CODE,
    *,
    board: str | None = None,
    source: str | None = None,
    rows: NDArray[np.floating[Any]] | None = None,
) -> Build:
    """Quantize ``network``, prove its bounds and write the folder to copy to a board (SPEC 2 to 8).

    ``precision`` is a name, as "acc16"; "auto" is the cheapest that agrees with the float network (see ``choose``).
    ``code`` and ``board`` are names, as in ``ExportRequest``. ``source`` is the name of the model file, which names the
    module to import on the board; by default that of ``directory``. ``rows`` (n, inputs), in raw units, calibrate the
    formats; without them the network's own calibration rows do. Raises ValueError for an unknown name and a network that
    cannot be quantized, and what ``write`` raises.
    """
    directory = Path(directory)
    build_folder.check_replaceable(directory)
    if rows is not None:
        network = replace(network, calibration=rows)
    tried = precisions.PRECISIONS if precision == AUTO else (precisions.get(precision),)
    choice = choose_precision.choose(network, precisions=tried)
    return write(
        ExportRequest(
            choice.chosen.report.model,
            directory,
            source or f"{directory.resolve().name}.json",
            code,
            board,
            network.calibration,
            network.columns,
            tuple(choose_precision.agreement_lines(network, choice)),
        )
    )


def write(request: ExportRequest) -> Build:
    """Write the build folder of a quantized model; see ``build_folder.write`` for what is replaced.

    Raises ValueError for an unknown code or board and code that the board does not run, BuildError where the directory
    may not be replaced, OSError where it cannot be written.
    """
    build_folder.check_replaceable(request.directory)
    model, chosen = request.model, pick_code(request)
    files = {**chosen.emitted, f"{chosen.origin.name}.nnb": request.binary, **chosen.compiled}
    notes = chosen.notes
    if request.learning is not None:
        further = learning_files(request.learning, chosen.origin, chosen.emitter)
        step, hints = compile_step(further, chosen.origin.name, chosen.emitter, request.place)
        files |= {**further, **step}
        notes += tuple(hints)
    golden = vectors.golden(model, request.rows)
    files[VECTORS] = "".join(json.dumps(vector) + "\n" for vector in golden).encode()
    if chosen.modules:
        origin = chosen.origin
        files[SELF_TEST] = fill(SELF_TEST, banner=origin.banner, name=origin.name, units=model.sizes[-1])
        urls = [[file, file] for file in (*chosen.modules, SELF_TEST, VECTORS)]
        files["package.json"] = _json({"urls": urls, "version": __version__})
    files["README.md"] = readme(request, chosen, golden, files)
    manifest = _manifest(request, chosen, notes, files)
    build_folder.write(request.directory, {**files, build_folder.MANIFEST: _json(manifest.to_json())})
    return Build(request.directory, model, manifest)


def _manifest(request: ExportRequest, chosen: Chosen, notes: tuple[str, ...], files: dict[str, bytes]) -> Manifest:
    return Manifest(
        name=chosen.origin.name,
        source=Path(request.source).name,
        command=request.command(chosen.emitter.name),
        model=chosen.origin.model_hash,
        precision=request.model.precision.name,
        code=chosen.emitter.name,
        board=request.board,
        modules=chosen.modules,
        native=tuple(chosen.compiled) if chosen.native is not None else (),
        notes=notes,
        columns=request.columns,
        files={name: FileFacts.of(content) for name, content in files.items()},
    )


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()
