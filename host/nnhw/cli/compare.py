"""nnhw compare."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from nnhw.cli.commands import user_input
from nnhw.cli.data_options import data_options, target_option
from nnhw.cli.deferred import deferred
from nnhw.cli.model_options import parse_layers, parse_names
from nnhw.cli.terminal import VERDICT_COLORS, Table, print_table, progress_bar
from nnhw.cli.training_options import relu_at_zero_option
from nnhw.data.data_options import DataOptions
from nnhw_codegen.whole_file import write_whole

with deferred():
    from nnhw.data import datasets
    from nnhw.study import compare as engine
    from nnhw.study import compare_page


@click.command()
@click.argument("data")
@target_option
@data_options
@click.option("--task", type=click.Choice(["auto", "classification"]), default="auto", show_default=True)
@click.option(
    "--hidden", callback=parse_names, default="relu,leaky_relu,softplus,logsig", show_default=True,
    help="Activations; the others are compared with the first.",
)  # fmt: skip
@click.option("--layers", callback=parse_layers, default="8", show_default=True, help="Hidden units: 8, or 16,16.")
@click.option("--seeds", type=click.IntRange(min=2), default=50, show_default=True, help="Networks per activation.")
@click.option("--epochs", type=click.IntRange(min=1), default=60, show_default=True)
@click.option(
    "--precisions", callback=parse_names, default="w8a8,acc16", show_default=True, help="Of the quantized networks."
)
@relu_at_zero_option()
@click.option("--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes on this machine.")
@click.option("--scheduler", metavar="ADDRESS", help="Run on a Dask cluster instead, as tcp://host:8786.")
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), default="compare.html", show_default=True,
    help="Page with the plot.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def compare(
    data: str,
    answer_column: str | None,
    reading: DataOptions,
    task: datasets.Task,
    hidden: tuple[str, ...],
    layers: tuple[int, ...],
    seeds: int,
    epochs: int,
    precisions: tuple[str, ...],
    relu_at_zero: str,
    jobs: int,
    scheduler: str | None,
    out: Path,
    as_json: bool,
) -> None:
    """Which activation suits DATA (iris, wine, breast_cancer, digits or a file with --target COLUMN)?

    Trains many networks of each, in pairs, and quantizes them all.
    """
    dataset = datasets.load(data, answer_column, task, reading)
    with user_input():
        setting = engine.Setting(
            dataset, hidden, layers, seeds, epochs, precisions=precisions, relu_at_zero=float(relu_at_zero)
        )
    with progress_bar(1.0) as advance:
        rows = engine.compare(setting, jobs, scheduler, lambda share: advance(share, ""))
    chosen = [*(["--target", answer_column] if answer_column else []), *reading.words()]
    words = ["nnhw", "compare", data, *chosen, "--hidden", ",".join(hidden), "--seeds", str(seeds)]
    command = shlex.join([*words, "--epochs", str(epochs)])
    write_whole(out, compare_page.render(setting, rows, command).encode())
    if as_json:
        click.echo(engine.to_json(setting, rows), nl=False)
        return
    title = f"{dataset.name}: {len(dataset.rows)} rows, {seeds} seeds, percent of held-out rows told rightly"
    cells = [compare_page.cells_of(row) for row in rows]
    print_table(Table(compare_page.HEADER, cells, title, (0, 1), [VERDICT_COLORS.get(row.verdict) for row in rows]))
    click.echo(f"{engine.sentence(rows)}\nwrote {out}")
