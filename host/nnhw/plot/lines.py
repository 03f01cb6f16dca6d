"""Lines and points over two axes, as inline SVG; the colors are those of plot.STYLE."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from nnhw.plot.intervals import ticks

NARROW, WIDE = 460, 940
"""Widths of a plot in half the page, and in all of it."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 16, 24, 40


@dataclass(frozen=True)
class Line:
    """Points (x, y) joined by a line of ``width``; ``series`` picks the color."""

    series: int
    points: Sequence[tuple[float, float]]
    width: float = 1.8


@dataclass(frozen=True)
class Point:
    """A point on its own, with what a pointer over it tells."""

    series: int
    x: float
    y: float
    title: str


def plot(
    label: str,
    x_unit: str,
    y_unit: str,
    lines: Sequence[Line],
    points: Sequence[Point] = (),
    *,
    logarithmic: bool = False,
    width: int = NARROW,
    height: int = 240,
) -> str:
    """Lines below points; with ``logarithmic`` the y axis is, and only positive y are drawn.

    Raises ValueError where nothing is left to draw.
    """
    lines = [Line(one.series, [p for p in one.points if not logarithmic or p[1] > 0], one.width) for one in lines]
    xs = [x for one in lines for x, _ in one.points] + [p.x for p in points]
    ys = [y for one in lines for _, y in one.points] + [p.y for p in points]
    if not xs:
        raise ValueError("nothing to plot")
    x_low, x_high = _room(min(xs), max(xs), 0.03 if points else 0.0)
    y_low, y_high = (math.log10(min(ys)), math.log10(max(ys))) if logarithmic else (min(ys), max(ys))
    y_low, y_high = _room(y_low, y_high, 0.05)

    def at_x(x: float) -> str:
        return f"{_LEFT + (x - x_low) / (x_high - x_low) * (width - _LEFT - _RIGHT):.1f}"

    def at_y(y: float) -> str:
        y = math.log10(y) if logarithmic else y
        return f"{height - _BOTTOM - (y - y_low) / (y_high - y_low) * (height - _TOP - _BOTTOM):.1f}"

    bottom = height - _BOTTOM
    parts = [f'<svg class="plot" role="img" aria-label="{escape(label)}" viewBox="0 0 {width} {height}">']
    for tick in _powers(y_low, y_high) if logarithmic else ticks(y_low, y_high, 6):
        kind = "zero" if tick == 0 else "grid"
        parts.append(f'<line class="{kind}" x1="{_LEFT}" x2="{width - _RIGHT}" y1="{at_y(tick)}" y2="{at_y(tick)}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{at_y(tick)}" dy=".35em" text-anchor="end">{tick:,g}</text>')
    for tick in ticks(x_low, x_high, 6):
        parts.append(f'<line class="grid" x1="{at_x(tick)}" x2="{at_x(tick)}" y1="{_TOP}" y2="{bottom}"/>')
        parts.append(f'<text x="{at_x(tick)}" y="{bottom + 14}" text-anchor="middle">{tick:,g}</text>')
    center = (_LEFT + width - _RIGHT) / 2
    parts.append(f'<text x="{center:.0f}" y="{height - 6}" text-anchor="middle">{escape(x_unit)}</text>')
    parts.append(f'<text x="4" y="12">{escape(y_unit)}</text>')
    for one in lines:
        path = " ".join(f"{at_x(x)},{at_y(y)}" for x, y in one.points)
        parts.append(f'<polyline class="line s{one.series}" stroke-width="{one.width:g}" points="{path}"/>')
    for point in points:
        parts.append(
            f'<circle class="point s{point.series}" cx="{at_x(point.x)}" cy="{at_y(point.y)}" r="2.6">'
            f"<title>{escape(point.title)}</title></circle>"
        )
    return "".join(parts) + "</svg>"


def _room(low: float, high: float, share: float) -> tuple[float, float]:
    """The range with a margin, and never empty."""
    margin = share * (high - low) or (0.0 if high > low else max(abs(high), 1.0) / 2)
    return low - margin, high + margin


def _powers(low: float, high: float) -> list[float]:
    """Ticks of a logarithmic axis from 10^low to 10^high: powers of ten, and 2 and 5 of them where these are few."""
    first, last = math.floor(low), math.ceil(high)
    if last - first > 3:
        step = -(-(last - first) // 6)
        found = [10.0**power for power in range(first, last + 1, step)]
    else:
        found = [digit * 10.0**power for power in range(first, last + 1) for digit in (1, 2, 5)]
    return [tick for tick in found if low <= math.log10(tick) <= high]
