"""nnhw eval."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nnhw.cli.commands import user_input
from nnhw.cli.data_options import data_options, target_option
from nnhw.cli.deferred import deferred
from nnhw.cli.terminal import Table, print_json, print_table
from nnhw.data.data_options import DataOptions

with deferred():
    from nnhw.data import matching
    from nnhw.measuring import accuracy
    from nnhw.model_files import model_json
    from nnhw.tuning import choose_precision
    from nnhw_codegen.network import network as networks

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("model", type=_PATH)
@click.option("--data", help="Data set or file; by default the one that the model was trained on.")
@target_option
@data_options
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def evaluate(model: Path, data: str | None, answer_column: str | None, reading: DataOptions, as_json: bool) -> None:
    """Compare MODEL (a model.json) in floats and in each precision with the answers of a data set."""
    network = model_json.load(model)
    parts = matching.rows_to_judge(network, model, data, answer_column, reading)
    with user_input(str(model)):
        models = accuracy.quantized(network)
        results = {name: accuracy.scores(network, part, models) for name, part in parts.items()}
    if as_json:
        print_json({name: [_plain(score) for score in scores] for name, scores in results.items()})
        return
    for name, scores in results.items():
        click.echo(f"{name}: {len(parts[name].rows)} rows")
        print_table(_table(network, scores))
        for line in _output_lines(network, scores):
            click.echo("  " + line)
        for warning in (line for score in scores for line in accuracy.warnings(score)):
            click.echo(f"  warning   {warning}")
    if scores[0].confusion is not None:
        name, first = next(iter(results.items()))  # the held-out rows, where these are known
        for line in _confusions(name, first, network.classes):
            click.echo(line)


def _table(network: networks.Network, scores: list[accuracy.Score]) -> Table:
    values = scores[0].accuracy is None
    counted = scores[0].confusion is not None
    right = ("accuracy", *(("right", "95 % interval") if counted else ()))
    own = ("error (rms)", "like float", "off float by") if values else (*right, "like float", "logits off by")
    rows = []
    for s in scores:
        if values:
            told = [f"{s.error:.5g}", choose_precision.percent(network, s.agreement or 0.0), f"{s.deviation:.3g}"]
        else:
            off = "" if s.logit_error is None else f"{s.logit_error:.3g}"
            told = [_percent(s.accuracy), *_counts(s), _percent(s.agreement), off]
        rows.append([s.precision, *told, _saturating(s), _size(s)])
    return Table(("precision", *own, "saturating", ".nnb bytes"), rows)


def _output_lines(network: networks.Network, scores: list[accuracy.Score]) -> list[str]:
    """Output by output, where there are several answers; "like float" above is that of the worst."""
    lines = []
    for score in scores:
        for one in score.outputs:
            right = f"accuracy {_percent(one.accuracy)}" if one.error is None else f"error (rms) {one.error:.5g}"
            off = "" if one.deviation is None else f", off float by {one.deviation:.3g}"
            like = choose_precision.percent(network, one.agreement)
            lines.append(f"{score.precision:<10}{one.name}: {right}, like float {like}{off}")
    return lines


def _counts(score: accuracy.Score) -> tuple[str, ...]:
    """Right rows of all, and the interval of their share; nothing for several answers of yes or no."""
    if score.confusion is None:
        return ()
    right, rows = int(score.confusion.trace()), int(score.confusion.sum())
    low, high = accuracy.interval(right, rows)
    return f"{right:,}/{rows:,}", f"{100 * low:.1f} to {100 * high:.1f} %"


def _saturating(score: accuracy.Score) -> str:
    """The share in the layer where it is largest."""
    return _percent(max(score.saturating)) if score.saturating else ""


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"


def _size(score: accuracy.Score) -> str:
    return "" if score.size is None else f"{score.size:,}"


def _confusions(rows: str, scores: list[accuracy.Score], classes: tuple[str, ...]) -> list[str]:
    """Each different matrix once, under the names of all precisions that have it."""
    groups: dict[str, list[str]] = {}
    for score in scores:
        assert score.confusion is not None
        groups.setdefault(accuracy.confusion_text(score.confusion, classes), []).append(score.precision)
    return [line for text, names in groups.items() for line in (f"confusion, {rows}: {', '.join(names)}", text)]


def _plain(score: accuracy.Score) -> dict[str, Any]:
    values = {key: value for key, value in vars(score).items() if value is not None}
    values["warnings"] = accuracy.warnings(score)
    values["outputs"] = [
        {key: value for key, value in vars(one).items() if value is not None} for one in score.outputs
    ]
    return values | ({"confusion": score.confusion.tolist()} if score.confusion is not None else {})
