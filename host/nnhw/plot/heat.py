"""A matrix as colored cells, as inline SVG; the colors are those of plot.STYLE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_LETTER, _LONGEST, _PAD = 6.2, 18, 6
_WIDEST = 80.0
_STEPS = (1, 2, 4, 5, 8, 10, 16, 20, 50, 100, 1000, 10000)
_ROW, _SLANT, _UPRIGHT = 11.0, 17.0, 4
"""A label needs this much: the height of a row, the width of a slanted column, and so many letters are never slanted."""


@dataclass(frozen=True)
class Cell:
    """``series`` picks the color, ``strength`` from 0 to 1 how much of it shows; ``text`` stands in the cell."""

    series: int
    strength: float
    text: str
    title: str


def heat(
    label: str,
    cells: Sequence[Sequence[Cell]],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    height: float,
    width: int = 460,
) -> str:
    """``cells`` by row, then by column, with the names of both; cells are up to ``height`` high and _WIDEST wide."""
    rows, columns = [_short(name) for name in rows], [_short(name) for name in columns]
    left = 8 + _LETTER * max(map(len, rows)) + _PAD
    letters = max(map(len, columns))
    side = min(_WIDEST, (width - left - 4) / len(columns))
    slanted = letters > _UPRIGHT and _LETTER * letters > side - 2
    reach = 0.71 * _LETTER * letters if slanted else 0.0
    # What slants to the right of the last column needs room there.
    side = min(_WIDEST, (width - left - 4 - reach) / len(columns))
    height = min(height, side)
    top = reach + 16
    whole = top + height * len(rows) + 4
    parts = [f'<svg class="plot heat" role="img" aria-label="{escape(label)}" viewBox="0 0 {width} {whole:.0f}">']
    step = _every(side, _SLANT if slanted else _LETTER * letters + 4)
    for number, name in enumerate(columns):
        if number % step == 0:
            x = left + side * (number + 0.5)
            place = (
                f'transform="translate({x:.1f} {top - 5:.1f}) rotate(-45)"'
                if slanted
                else f'x="{x:.1f}" y="{top - 5:.1f}"'
            )
            anchor = "start" if slanted else "middle"
            parts.append(f'<text {place} text-anchor="{anchor}">{escape(name)}</text>')
    step = _every(height, _ROW)
    for number, name in enumerate(rows):
        if number % step == 0:
            y = top + height * (number + 0.5)
            parts.append(
                f'<text x="{left - _PAD:.1f}" y="{y:.1f}" dy=".35em" text-anchor="end">{escape(name)}</text>'
            )
    gap = 1.0 if height > 8 else 0.0
    parts.append(
        f'<rect class="frame" x="{left:.1f}" y="{top:.1f}" '
        f'width="{side * len(columns):.1f}" height="{height * len(rows):.1f}"/>'
    )
    for row, line in enumerate(cells):
        for column, cell in enumerate(line):
            x, y = left + side * column, top + height * row
            parts.append(
                f'<rect class="cell s{cell.series}" x="{x:.1f}" y="{y:.1f}" width="{side - gap:.1f}" '
                f'height="{height - gap:.1f}" fill-opacity="{cell.strength:.2f}"><title>{escape(cell.title)}</title></rect>'
            )
            if cell.text:
                parts.append(
                    f'<text class="name" x="{x + side / 2:.1f}" y="{y + height / 2:.1f}" dy=".35em" text-anchor="middle" '
                    f'font-size="{min(12.0, height * 0.4):.1f}">{escape(cell.text)}</text>'
                )
    return "".join(parts) + "</svg>"


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"


def _every(side: float, room: float) -> int:
    """Each how manyth row or column gets its name, where a name needs ``room``."""
    return next(step for step in _STEPS if side * step >= room)
