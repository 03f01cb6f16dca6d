"""What several commands read from words: layers, names with commas, a file to write."""

from __future__ import annotations

from pathlib import Path

import click


def parse_layers(ctx: click.Context, parameter: click.Parameter, text: str) -> tuple[int, ...]:
    """'16,16' -> (16, 16); 'none' -> ()."""
    if text.strip() in ("", "none"):
        return ()
    try:
        units = tuple(int(part) for part in text.split(","))
    except ValueError:
        units = (0,)
    if min(units) < 1:
        raise click.BadParameter(f"{text!r}: expected units per hidden layer, as 8 or 16,16, or none")
    return units


def parse_names(ctx: click.Context, parameter: click.Parameter, text: str) -> tuple[str, ...]:
    """'relu,leaky_relu' -> ('relu', 'leaky_relu')."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def expect_directory(out: Path) -> None:
    """Raise BadParameter unless the file ``out`` can be in its directory: told before the work, not after it."""
    if not out.resolve().parent.is_dir():
        raise click.BadParameter(f"--out {out}: there is no directory {out.parent}")
