"""What nnhw report tells of a build folder: every number on its page, and nothing of the page's looks."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.data.datasets import Dataset
from nnhw.exporting.build_folder import Build
from nnhw.measuring import accuracy, machine_code
from nnhw.measuring.accuracy import Score
from nnhw.measuring.machine_code import Cost
from nnhw.model_files import model_json
from nnhw.training import history
from nnhw.training.history import Losses
from nnhw.tuning import choose_precision
from nnhw_codegen import emitters
from nnhw_codegen.errors import InputError
from nnhw_codegen.files import nnb
from nnhw_codegen.integers import reference
from nnhw_codegen.integers.expr import evaluate as integer_value
from nnhw_codegen.integers.expr import largest
from nnhw_codegen.integers.fixed import IntArray, to_real
from nnhw_codegen.integers.precision import PROOF_LIMIT
from nnhw_codegen.integers.qmodel import QLayer, QModel
from nnhw_codegen.network.network import Network
from nnhw_codegen.quantization import activation_forms
from nnhw_codegen.quantization.quantize import quantize, spread_rows

INSIDE_LIMIT = PROOF_LIMIT
"""No integer at all reaches this."""

_SPEED_INPUTS = 10


class ReportError(InputError):
    """The float network of a build folder is missing or another one; the message says what to do."""


@dataclass(frozen=True, eq=False)
class Part:
    """Rows to judge by. ``scores`` are those of evaluate.scores, floats first, the folder's own integers among them.

    ``known`` False: no answers are known, and ``dataset`` holds the float network's own. ``answers`` (n,) are classes
    of the folder's integers, or values (n, outputs).
    """

    name: str
    dataset: Dataset
    known: bool
    scores: Sequence[Score]
    answers: NDArray[Any]

    @property
    def told(self) -> str:
        """The rows in words, as "30 held-out rows"."""
        count = len(self.dataset.rows)
        special = {"held out": f"{count:,} held-out rows", "all": f"all {count:,} rows"}
        return special.get(self.name, f"{count:,} {'rows of ' * self.known}{self.name}")

    def score(self, precision: str) -> Score:
        """The score of one precision, or of evaluate.FLOAT."""
        return next(score for score in self.scores if score.precision == precision)


@dataclass(frozen=True)
class Bound:
    """Magnitudes in one layer: the largest partial sum that the data ``reached``, the one ``proved`` for any input, the
    ``limit`` of both, and the largest integer ``inside`` the activation for any input (None without one)."""

    reached: int
    proved: int
    limit: int
    inside: int | None


@dataclass(frozen=True, eq=False)
class Curve:
    """An activation on all its codes ``z`` (codes,): the integer ``code``, and the real function in the same units,
    limited to the largest code; ``layers`` are the numbers of those that have it."""

    name: str
    layers: tuple[int, ...]
    z_frac: int
    output_frac: int
    table_bytes: int
    z: IntArray
    code: IntArray
    exact: NDArray[np.float64]

    @property
    def error(self) -> NDArray[np.float64]:
        """By how many units of the output the integers are off, (codes,)."""
        return np.asarray(self.code - self.exact)


@dataclass(frozen=True, eq=False)
class Report:
    """All that the page tells. ``left_out`` says of each code without a cost why; ``fine_tuned`` that the weights were
    adapted after the training that ``network`` comes from."""

    build: Build
    network: Network
    source: Path
    fine_tuned: bool
    data_bytes: int
    parts: tuple[Part, ...]
    losses: Losses | None
    bounds: tuple[Bound, ...]
    curves: tuple[Curve, ...]
    costs: tuple[Cost, ...]
    left_out: Mapping[str, str]

    @property
    def precision(self) -> str:
        """The folder's precision."""
        return self.build.model.precision.name

    @property
    def cost(self) -> Cost | None:
        """The fastest cost of the folder's own code; where that is bytecode, of one for MicroPython rather than of C."""
        own = [cost for cost in self.costs if cost.code == self.build.manifest.code]
        modules = [cost for cost in self.costs if emitters.get(cost.code).makes_module]
        return min(own or modules or self.costs, key=lambda cost: cost.ticks_cycles, default=None)


def find_network(build: Build, model: Path | None = None) -> tuple[Path, Network]:
    """The float network that ``build`` was made from: ``model``, or the manifest's source.

    That is looked for in the working directory, the build folder and the folders around it; the first that has the
    folder's integers is taken. Raises ReportError where there is none, and what model_file.load raises.
    """
    source = build.manifest.source
    folder = build.directory.resolve()
    places = [Path(source), *(place / source for place in (folder, *folder.parents[:3]))]
    found = [model] if model is not None else [place for place in places if place.is_file()]
    if not found:
        raise ReportError(
            f"{build.directory}: was made from {source}, which is not in the working directory, "
            "nor in or around that folder; name it with --model"
        )
    for path in found:
        network = model_json.load(path)
        if belongs(network, build):
            return path, network
    raise ReportError(
        f"{found[0]}: does not quantize to the integers of {build.directory} (model {build.manifest.model}); "
        "name the model.json that it was made from with --model, or run 'nnhw export' again"
    )


def is_fine_tuned(build: Build) -> bool:
    """True where export adapted the weights."""
    return "--fine-tune" in shlex.split(build.manifest.command)


def belongs(network: Network, build: Build) -> bool:
    """True where ``network`` quantizes to the build's very integers; of a fine-tuned build, where inputs, sizes and
    classes are the same."""
    model = build.model
    sizes = (len(network.inputs), *(len(layer.bias) for layer in network.layers))
    doors = [(entry.name, entry.step) for entry in network.inputs]
    if sizes != model.sizes or doors != [(entry.name, entry.step) for entry in model.inputs]:
        return False
    if is_fine_tuned(build):
        return network.classes == model.classes
    return nnb.to_bytes(quantize(network, model.precision, network.calibration)) == nnb.to_bytes(model)


def rows_without_answers(network: Network) -> Dataset:
    """The calibration rows, or rows spread over the inputs' ranges, with the float network's answers as targets."""
    kept = network.calibration is not None
    rows = np.asarray(network.calibration if kept else spread_rows(network, 1000), dtype=np.float64)
    name = "rows it was calibrated on" if kept else "rows spread over the inputs' ranges"
    names = tuple(entry.name for entry in network.inputs)
    return Dataset(name, names, rows, network.predict(rows), network.classes, network.outputs)


def collect(
    build: Build,
    source: Path,
    network: Network,
    rows: Mapping[str, Dataset] | None,
    codes: Sequence[str] = machine_code.CODES,
    progress: Callable[[str], None] = lambda text: None,
) -> Report:
    """All facts. ``rows`` are data sets by name, the widest last; None: no answers are known.

    ``codes`` are those whose cycles are counted. ``progress`` is told what comes next. Raises ValueError where the
    network cannot be quantized in some precision.
    """
    model = build.model
    known = rows is not None
    if rows is None:
        spread = rows_without_answers(network)
        rows = {spread.name: spread}
    progress("every precision")
    models = {**accuracy.quantized(network), model.precision.name: model}
    parts = tuple(
        Part(name, part, known, accuracy.scores(network, part, models), reference.predict(model, part.rows))
        for name, part in rows.items()
    )
    progress("bounds and activations")
    widest = reference.codes(model, reference.ticks(model, parts[-1].dataset.rows))
    bounds, curves = tuple(_bounds(model, widest)), tuple(_curves(network, model))
    costs: list[Cost] = []
    left_out = {}
    for code in machine_code.CODES:
        reason = machine_code.why_unavailable(code) if code in codes else "not counted; nnhw report counts its cycles"
        if reason is not None:
            left_out[code] = reason
            continue
        progress(f"cycles of {code}")
        costs += machine_code.measure_all([model], [code], inputs=_SPEED_INPUTS)
    return Report(
        build,
        network,
        source,
        is_fine_tuned(build),
        choose_precision.data_bytes(model),
        parts,
        history.losses(network.training),
        bounds,
        curves,
        tuple(costs),
        left_out,
    )


def _bounds(model: QModel, codes: IntArray) -> Iterator[Bound]:
    for layer in model.layers:
        inside = None if layer.activation is None else largest(layer.activation, -layer.limit, layer.limit)
        proved = int(np.maximum(layer.high, -layer.low).max())
        yield Bound(_reached(layer, codes), proved, model.precision.accumulator_limit, inside)
        codes = reference.layer_output(layer, codes)


def _reached(layer: QLayer, codes: IntArray) -> int:
    """The largest magnitude of a sum of bias and first products, for codes (n, fan_in)."""
    sums = np.broadcast_to(layer.bias, (len(codes), layer.units)).copy()
    reached = int(np.abs(sums).max())
    for column, weights in zip(codes.T, layer.weights.T, strict=True):
        sums += column[:, None] * weights
        reached = max(reached, int(np.abs(sums).max()))
    return reached


def _curves(network: Network, model: QModel) -> Iterator[Curve]:
    groups: dict[Any, list[int]] = {}
    for number, layer in enumerate(model.layers):
        if layer.limit:
            formats = int(layer.z_frac[0]), int(layer.output_frac[0])
            groups.setdefault((layer.activation, layer.limit, *formats), []).append(number)
    for (expr, limit, z_frac, output_frac), numbers in groups.items():
        activation = network.layers[numbers[0]].activation
        z = np.arange(-limit, limit + 1)
        exact = np.clip(activation.value(to_real(z, z_frac)) * 2.0**output_frac, -limit, limit)
        code = z if expr is None else integer_value(expr, z)
        size = activation_forms.table_bytes(expr)
        yield Curve(activation.name, tuple(numbers), z_frac, output_frac, size, z, code, exact)
