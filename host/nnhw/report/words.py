"""The words of nnhw report: the outcome in a sentence, the facts, the commands that lead to them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import fields

from nnhw.measuring import accuracy
from nnhw.report.facts import Part, Report
from nnhw.training.options import HELD_OUT, Options
from nnhw_codegen import emitters
from nnhw_codegen.integers.qmodel import QInput
from nnhw_codegen.network import activations
from nnhw_codegen.network.network import Network

_UNKNOWN = "No answers are known to judge by."
_MOST_INPUTS = 8
_FLAGS = {"rate": "lr", "relu_at_zero": "relu-at-zero"}


def outcome(report: Report) -> list[str]:
    """What came out: how good it is, how close to the floats, how large and how fast."""
    first, last = report.parts[0], report.parts[-1]
    tell = {"values": _values, "multilabel": _answers}.get(report.network.decision, _classes)
    quality = tell(report, first, last)
    return [*quality, _size(report), *_speed(report)]


def _classes(report: Report, first: Part, last: Part) -> list[str]:
    like = f"{_some(last.score(report.precision).agreement, last)} get the float network's class."
    if not first.known:
        return [f"{_start(like)} {_UNKNOWN}"]
    told = f"{_some(first.score(report.precision).accuracy, first)} get the right class"
    if first is not last:
        told += f", and {_some(last.score(report.precision).accuracy, last)}"
    return [f"{_start(told)}.", _start(like)]


def _answers(report: Report, first: Part, last: Part) -> list[str]:
    share = 100 * (last.score(report.precision).agreement or 0)
    like = f"On {last.told} at least {share:.2f} % of the answers to each question are the float network's."
    if not first.known:
        return [f"{like} {_UNKNOWN}"]
    right = 100 * (first.score(report.precision).accuracy or 0)
    return [f"On {first.told} {right:.1f} % of all answers of yes or no are right.", like]


def _some(share: float | None, part: Part) -> str:
    """The share in rows."""
    count = len(part.dataset.rows)
    some = round(count * (share or 0))
    return f"all {part.told.removeprefix('all ')}" if some == count else f"{some:,} of {part.told}"


def _start(sentence: str) -> str:
    return sentence[0].upper() + sentence[1:]


def _values(report: Report, first: Part, last: Part) -> list[str]:
    ours, floats = first.score(report.precision), first.score(accuracy.FLOAT)
    widest = last.score(report.precision)
    off = _each([(one.deviation, one.name) for one in widest.outputs], widest.deviation, ".3g")
    like = f"On {last.told} the integers are off the float network by at most {off}."
    if widest.deviation == 0:
        like = f"On {last.told} the integers give the very values of the float network."
    if not first.known:
        return [f"{like} {_UNKNOWN}"]
    errors = [_each([(one.error, one.name) for one in score.outputs], score.error, ".4g") for score in (ours, floats)]
    return [f"The root of the mean squared error on {first.told} is {errors[0]}, in floats {errors[1]}.", like]


def _each(values: Sequence[tuple[float | None, str]], single: float | None, form: str) -> str:
    """A number, or one for each of several outputs."""
    return ", ".join(f"{value:{form}} ({name})" for value, name in values) or f"{single:{form}}"


def _size(report: Report) -> str:
    build = report.build
    files = [f"{build.name}{suffix}" for suffix in (".mpy", ".py", ".h")]
    name = next((name for name in files if name in build.manifest.files), f"{build.name}.nnb")
    size = build.manifest.files[name].size
    return f"Weights and tables take {report.data_bytes:,} bytes; {name}, which goes on the board, {size:,}."


def _speed(report: Report) -> list[str]:
    cost = report.cost
    if cost is None:
        return []
    own = cost.code == report.build.manifest.code
    said = f"A prediction takes {cost.ticks_cycles:,} cycles or {cost.microseconds():.3g} µs on an RP2040 at 125 MHz"
    code = emitters.get(cost.code).title
    how = "" if own else f" as {code} (--code {cost.code})"
    return [f"{said}{how}{', at most' if cost.spread else ', whatever the input'}."]


def facts(report: Report) -> list[tuple[str, str]]:
    """(what, value) for the table."""
    manifest, model = report.build.manifest, report.build.model
    board = f" for {manifest.board}" if manifest.board else ""
    tuned = ", fine-tuned on the integers" if report.fine_tuned else ""
    weights = sum(layer.weights.size for layer in model.layers)
    return [
        ("network", report.network.describe()),
        ("inputs", _inputs(model.inputs)),
        ("answer", ", ".join(model.classes or model.outputs) or f"{model.sizes[-1]} values"),
        ("precision", f"{report.precision}: {model.precision.summary}{tuned}"),
        ("code", f"{manifest.code}{board}"),
        ("weights and tables", f"{report.data_bytes:,} bytes"),
        ("multiplications", f"{weights:,} per prediction"),
        ("model", f"{manifest.model} (SHA-256 of the .nnb file, first 16 digits)"),
        ("made with", f"nnhw {manifest.version}, format {manifest.format}"),
    ]


def _inputs(inputs: Sequence[QInput]) -> str:
    if len(inputs) > _MOST_INPUTS:
        return f"{len(inputs)}, from {inputs[0].name} to {inputs[-1].name}"
    return ", ".join(f"{entry.name} in steps of {entry.step:g}" for entry in inputs)


def commands(report: Report) -> list[str]:
    """What to type to get here again, as far as it is known."""
    training = training_command(report.network, report.source.name)
    made = [training] if training else []
    return [*made, report.build.manifest.command, f"nnhw report {shlex.quote(str(report.build.directory))}"]


def training_command(network: Network, source: str) -> str | None:
    """The nnhw train that makes ``network`` in the file ``source``; None where another way led to it."""
    record = network.training
    hidden = {(layer.activation.name, layer.activation.ramp) for layer in network.layers[:-1]}
    trained = isinstance(record.get("data"), str) and record.get("epochs_run") and not record.get("pulled")
    if not trained or len(hidden) > 1:
        return None
    words = ["nnhw", "train", record["data"]]
    words += _option("target", record.get("target"), None) + _option("task", record.get("task", "auto"), "auto")
    words += ["--layers", ",".join(str(len(layer.bias)) for layer in network.layers[:-1]) or "none"]
    for name, slope in hidden:
        words += ["--hidden", name]
        usual = activations.get(name)
        if usual.has_slope:
            words += _option("slope", float(slope or 0), float(usual.ramp or 0))
    output = network.layers[-1].activation.name
    words += _option("output", output, "softmax" if network.classes else "identity")
    for field in fields(Options):
        words += _option(_FLAGS.get(field.name, field.name), record.get(field.name, field.default), field.default)
    words += _option("held-out", record.get("held_out", 0), HELD_OUT)
    words += _option("precision", record.get("precision"), None)
    return shlex.join([*words, "-o", source])


def _option(name: str, value: object, default: object) -> list[str]:
    if value == default:
        return []
    return [f"--{name}"] if value is True else [f"--{name}", str(value).removesuffix(".0")]
