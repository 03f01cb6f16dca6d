"""What a file tells, and what the user adds, made into a network: task, class names, ranges, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from nnhw.data.infer_inputs import infer, of_range
from nnhw.model_files.chain import LARGEST, Array, Imported, KnownTask, Refusal
from nnhw_codegen.errors import InputError
from nnhw_codegen.network import activations
from nnhw_codegen.network.names import control_in
from nnhw_codegen.network.network import Input, Layer, Network

_CALIBRATION_ROWS = 256
_RANGE_REMEDY = (
    "a file of weights holds no range of its inputs, and a guess would make the integers wrong; give rows of raw values "
    "with --data ROWS (from Python: rows=), or the lowest and highest value with --range LOW:HIGH (input_range=)"
)


class ConversionError(InputError):
    """A model cannot be converted; the message names the file, the place in it, and what is supported."""


@dataclass(frozen=True, eq=False)
class Settings:
    """What the user tells: ``rows`` (n, inputs) in raw units with the names of their columns, class names, task, range.

    ``activations`` are those of a file that holds weights only, one for each dense layer.
    """

    rows: Array | None = None
    columns: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    task: KnownTask | None = None
    input_range: tuple[float, float] | None = None
    activations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """A line of the report on a conversion; a warning is one that the user should act on."""

    label: str
    text: str
    warning: bool = False


@dataclass(frozen=True, eq=False)
class Conversion:
    """A network, and how it came about."""

    network: Network
    lines: tuple[Line, ...]


def convert(imported: Imported, settings: Settings) -> Conversion:
    """The network. Raises Refusal where something has to be told that the file does not hold."""
    lines: list[Line] = []
    task = _task(imported, settings)
    lines.append(Line("task", task))
    layers = _with_head(imported, task, lines)
    classes = _classes(imported, settings, len(layers[-1].bias), lines) if task == "classification" else ()
    inputs = _inputs(imported, settings, lines)
    first = layers[0]
    mean, scale = (np.array([getattr(entry, key) for entry in inputs]) for key in ("mean", "scale"))
    layers[0] = replace(first, weights=first.weights * scale, bias=first.bias + first.weights @ mean)
    _expect_names(inputs, classes)
    outputs = () if classes else tuple(f"y{number}" for number in range(1, len(layers[-1].bias) + 1))
    rows = settings.rows
    if rows is not None:
        rows = rows[:: -(-len(rows) // _CALIBRATION_ROWS)]
    network = Network(layers, inputs, classes, outputs if len(outputs) != 1 else ("y",), calibration=rows)
    for label, found in (("folded", imported.folded), ("dropped", imported.dropped)):
        if found:
            lines.append(Line(label, ", ".join(found)))
    lines += [Line("slope", text) for text in _slopes(network)]
    lines += [Line("note", text) for text in imported.notes]
    return Conversion(network, (Line("network", network.describe()), *lines))


def _task(imported: Imported, settings: Settings) -> KnownTask:
    last = imported.layers[-1]
    if last.activation.across_units:
        if settings.task == "regression":
            raise Refusal(f"ends in {last.activation.name}, which tells classes; leave --task regression out")
        return "classification"
    name, units, probabilities = last.activation.name, len(last.bias), last.activation.gives_probabilities
    told = settings.task or (
        "classification" if settings.classes or (probabilities and units == 1) else imported.task
    )
    if told is not None:
        return told
    if not (last.activation.is_identity or probabilities):
        return "regression"
    raise Refusal(
        f"ends in {units} {name} unit{'s' if units > 1 else ''}, and the file does not tell whether these are classes or "
        "values; add --task classification or --task regression (from Python: task=)"
    )


def _with_head(imported: Imported, task: KnownTask, lines: list[Line]) -> list[Layer]:
    """The layers; logits of classes get the function that makes probabilities of them, which keeps their order."""
    layers = list(imported.layers)
    last = layers[-1]
    if task == "classification" and last.activation.is_identity:
        head = activations.get("logsig") if len(last.bias) == 1 else activations.SOFTMAX
        layers[-1] = replace(last, activation=head)
        lines.append(Line("head", f"{head.name} added behind the logits; the classes are the same"))
    return layers


def _classes(imported: Imported, settings: Settings, units: int, lines: list[Line]) -> tuple[str, ...]:
    count = 2 if units == 1 else units
    if settings.classes:
        names, origin = settings.classes, "as told"
    elif imported.classes:
        names, origin = imported.classes, "from the file"
    else:
        names, origin = tuple(map(str, range(count))), "the file has no names: --classes a,b,... gives some"
    if len(names) != count:
        raise Refusal(f"found {len(names)} class names ({origin}), but the network tells {count} classes")
    if len(set(names)) != count:
        raise Refusal(f"two of the class names ({origin}) are the same: {', '.join(names)}")
    lines.append(Line("classes", f"{_shown(names)} ({origin})"))
    return names


def _expect_names(inputs: Sequence[Input], classes: Sequence[str]) -> None:
    for kind, names in (("input", [entry.name for entry in inputs]), ("class", classes)):
        for number, name in enumerate(names, 1):
            control = control_in(name)
            if control:
                raise Refusal(
                    f"{kind} {number}, {name!r}, has the control character {control}; names are one line of text"
                )


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names if len(names) <= 10 else (*names[:9], f"... {names[-1]}"))


def _inputs(imported: Imported, settings: Settings, lines: list[Line]) -> tuple[Input, ...]:
    """The doorway of every input: from rows, else from the file, else from the range that the user tells."""
    count = imported.layers[0].weights.shape[1]
    names = settings.columns or imported.names or tuple(f"x{number}" for number in range(1, count + 1))
    if settings.rows is not None:
        rows = settings.rows
        if rows.ndim != 2 or rows.shape[1] != count or not len(rows):
            raise Refusal(f"the rows have the shape {rows.shape}, but the network takes {count} values per row")
        if not (np.abs(rows) <= LARGEST).all():
            raise Refusal(f"the rows hold values that are not finite, or beyond {LARGEST:g}")
        lines.append(Line("range", f"range, step, mean, scale and calibration from {len(rows)} rows"))
        return tuple(infer(name, rows[:, index]) for index, name in enumerate(names))
    if settings.input_range is not None:
        low, high = settings.input_range
        if not -LARGEST <= low < high <= LARGEST:
            raise Refusal(f"found the range {low:g} to {high:g}; expected two finite numbers, the lower one first")
        text = f"{low:g} to {high:g} for every input, as told, not calibrated: --data ROWS would fit the formats to the data"
        lines.append(Line("range", text, warning=True))
        return tuple(of_range(name, low, high, *_centered(imported, index)) for index, name in enumerate(names))
    if imported.lowest is None or imported.highest is None:
        raise Refusal(_RANGE_REMEDY)
    text = "from the file, a quarter wider; not calibrated: --data ROWS would fit the formats to the data"
    lines.append(Line("range", text, warning=True))
    bounds = zip(names, imported.lowest, imported.highest, strict=True)
    return tuple(_widened(name, float(low), float(high)) for name, low, high in bounds)


def _widened(name: str, low: float, high: float) -> Input:
    """The input for values seen in [low, high]; as with rows, it takes a quarter of the span more on either side."""
    if not -LARGEST <= low <= high <= LARGEST:
        raise Refusal(f"input {name!r}: the file tells the range {low:g} to {high:g}; expected two finite numbers")
    if low == high:
        return infer(name, np.array([low]))
    margin = (high - low) / 4
    wider = (max(low - margin, 0.0) if low >= 0 else low - margin, high + margin)
    return of_range(name, *wider, (low + high) / 2)


def _centered(imported: Imported, index: int) -> tuple[float, float] | tuple[()]:
    """Mean and scale that the file standardizes an input with."""
    factor, offset = float(imported.factor[index]), float(imported.offset[index])
    if factor == 0 or (factor, offset) == (1.0, 0.0):
        return ()
    return -offset / factor, abs(1 / factor)


def _slopes(network: Network) -> list[str]:
    return [
        f"layer {number}: {float(layer.activation.ramp):g} in floats, {taken} = {float(taken):g} in integers"
        for number, layer in enumerate(network.layers, 1)
        if layer.activation.has_slope and layer.activation.ramp is not None
        if (taken := layer.activation.integer_ramp) is not None
    ]
