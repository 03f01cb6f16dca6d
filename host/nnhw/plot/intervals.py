"""Plots as inline SVG, without any library: their colors are the classes of ``STYLE``, for light and dark pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --card: #f6f7f9; --ink: #1c2430; --soft: #5b6675; --line: #d9dee5;
  --c0: #7a8594; --c1: #3f7fd6; --c2: #d1495b; --c3: #c98a00; --c4: #2a9d70; --c5: #8757c9; }
@media (prefers-color-scheme: dark) { :root { --page: #12161c; --card: #1a2029; --ink: #e6eaf0; --soft: #9aa6b5;
  --line: #323b48; --c0: #93a0b0; --c1: #6ea8f7; --c2: #f07c8a; --c3: #e8b64c; --c4: #55cfa0; --c5: #b794f0; } }
svg.plot { display: block; width: 100%; height: auto; font: 11px system-ui, sans-serif; }
svg.plot text { fill: var(--soft); } svg.plot .name { fill: var(--ink); }
svg.plot .grid { stroke: var(--line); stroke-width: 1; } svg.plot .zero { stroke: var(--soft); stroke-width: 1.2; }
svg.plot .band { fill: var(--line); opacity: .35; }
svg.plot .line { fill: none; stroke-linejoin: round; } svg.plot .point { stroke: none; fill-opacity: .6; }
svg.plot .cell, svg.plot rect[rx] { stroke: none; } svg.plot .frame { fill: none; stroke: var(--line); }
svg.plot .limit { stroke: var(--c2); stroke-width: 1.6; stroke-dasharray: 5 3; }
""" + "".join(
    f".s{n} {{ stroke: var(--c{n}); fill: var(--c{n}); }} .hollow.s{n} {{ fill: var(--page); }}\n" for n in range(6)
)

SERIES = 6
"""How many colors there are."""

_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM, _GAP = 460, 74, 14, 8, 34, 12.0


@dataclass(frozen=True)
class Mark:
    """A value with its interval; ``series`` picks the color, ``filled`` marks it as significant."""

    series: int
    value: float
    low: float
    high: float
    filled: bool
    title: str


def intervals(label: str, groups: Sequence[tuple[str, Sequence[Mark]]], unit: str, zero: bool = True) -> str:
    """Values with intervals along a horizontal axis, one band per group (name, marks); ``zero`` draws a line at 0.

    Raises ValueError without any mark.
    """
    marks = [mark for _, group in groups for mark in group]
    if not marks:
        raise ValueError("nothing to plot")
    low = min([mark.low for mark in marks] + [0.0] * zero)
    high = max([mark.high for mark in marks] + [0.0] * zero)
    margin = max(0.06 * (high - low), 0.25)
    low, high = low - margin, high + margin
    bands = [max(len(group), 1) * _GAP + _GAP for _, group in groups]
    height = _TOP + sum(bands) + _BOTTOM
    scale = (_WIDTH - _LEFT - _RIGHT) / (high - low)

    def at(value: float) -> str:
        return f"{_LEFT + (value - low) * scale:.1f}"

    parts = [f'<svg class="plot" role="img" aria-label="{escape(label)}" viewBox="0 0 {_WIDTH} {height:.0f}">']
    bottom = height - _BOTTOM
    y = float(_TOP)
    for number, band in enumerate(bands):
        if number % 2 == 0:
            parts.append(
                f'<rect class="band" x="{_LEFT}" y="{y:.1f}" width="{_WIDTH - _LEFT - _RIGHT}" height="{band:.1f}"/>'
            )
        y += band
    for tick in ticks(low, high):
        kind = "zero" if zero and tick == 0 else "grid"
        text = f"{tick:+g}" if zero and tick else f"{tick:g}"
        parts.append(f'<line class="{kind}" x1="{at(tick)}" x2="{at(tick)}" y1="{_TOP}" y2="{bottom:.1f}"/>')
        parts.append(f'<text x="{at(tick)}" y="{bottom + 14:.1f}" text-anchor="middle">{text}</text>')
    center = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{center:.0f}" y="{bottom + 29:.1f}" text-anchor="middle">{escape(unit)}</text>')
    y = float(_TOP)
    for (name, group), band in zip(groups, bands, strict=True):
        parts.append(
            f'<text class="name" x="{_LEFT - 8}" y="{y + band / 2 + 4:.1f}" text-anchor="end">{escape(name)}</text>'
        )
        for row, mark in enumerate(group):
            middle = f"{y + _GAP * (row + 1):.1f}"
            shape = f"s{mark.series}" if mark.filled else f"s{mark.series} hollow"
            parts.append(
                f"<g><title>{escape(mark.title)}</title>"
                f'<line class="s{mark.series}" stroke-width="1.8" x1="{at(mark.low)}" x2="{at(mark.high)}" '
                f'y1="{middle}" y2="{middle}"/>'
                f'<circle class="{shape}" stroke-width="1.6" cx="{at(mark.value)}" cy="{middle}" r="3.6"/></g>'
            )
        y += band
    return "".join(parts) + "</svg>"


def ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Round numbers within low to high: steps of 1, 2 or 5 times a power of ten, at most ``most`` of them."""
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    while (high - low) / step > most:
        step *= 2.0 if not f"{step:e}".startswith("2") else 2.5
    return [round(number * step, 10) + 0.0 for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def legend(names: Sequence[tuple[int, str]]) -> str:
    """A line that tells which color is which, (series, name)."""
    items = "".join(
        f'<span><svg width="12" height="12" aria-hidden="true"><circle class="s{n}" cx="6" cy="6" r="4"/></svg> '
        f"{escape(name)}</span>"
        for n, name in names
    )
    return f'<p class="legend">{items}</p>'
