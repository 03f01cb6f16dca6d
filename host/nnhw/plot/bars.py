"""Horizontal bars with their values, as inline SVG; the colors are those of plot.STYLE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from nnhw.plot.intervals import ticks

_LETTER, _TOP, _BOTTOM, _BAR, _GAP, _RIGHT = 6.2, 8, 34, 15.0, 9.0, 16


@dataclass(frozen=True)
class Bar:
    """A bar from 0 to ``value``, at least 0, with a text behind it; ``series`` picks the color."""

    series: int
    value: float
    text: str
    title: str


def bars(
    label: str,
    groups: Sequence[tuple[str, Sequence[Bar]]],
    unit: str,
    limit: tuple[float, str] | None = None,
    width: int = 460,
) -> str:
    """Groups of bars, (name, bars), one below the other; ``limit`` draws a line at a value, with its name, and
    the bars' texts stand behind it.

    Raises ValueError without any bar.
    """
    every = [bar for _, group in groups for bar in group]
    if not every:
        raise ValueError("nothing to plot")
    left = 14 + _LETTER * max(len(name) for name, _ in groups)
    top = _TOP + (16 if limit else 0)
    height = top + sum(_BAR * len(group) + _GAP for _, group in groups) + _BOTTOM
    highest = max([bar.value for bar in every] + ([limit[0]] if limit else [])) or 1.0
    # The longest bar leaves room for the text behind it.
    room = 8 + _LETTER * max(len(bar.text) for bar in every)
    scale = (width - left - _RIGHT - room) / highest
    bottom = height - _BOTTOM
    parts = [f'<svg class="plot" role="img" aria-label="{escape(label)}" viewBox="0 0 {width} {height:.0f}">']
    for tick in ticks(0.0, highest, 6):
        x = f"{left + tick * scale:.1f}"
        kind = "grid" if tick else "zero"
        parts.append(f'<line class="{kind}" x1="{x}" x2="{x}" y1="{top}" y2="{bottom:.1f}"/>')
        parts.append(f'<text x="{x}" y="{bottom + 14:.1f}" text-anchor="middle">{tick:,g}</text>')
    center = left + highest * scale / 2
    parts.append(f'<text x="{center:.0f}" y="{height - 5:.1f}" text-anchor="middle">{escape(unit)}</text>')
    if limit:
        x = f"{left + limit[0] * scale:.1f}"
        parts.append(f'<line class="limit" x1="{x}" x2="{x}" y1="{top - 4}" y2="{bottom:.1f}"/>')
        parts.append(f'<text class="name" x="{x}" y="{top - 8}" text-anchor="middle">{escape(limit[1])}</text>')
    y = top + _GAP / 2
    for name, group in groups:
        middle = y + _BAR * len(group) / 2
        parts.append(
            f'<text class="name" x="{left - 8:.1f}" y="{middle:.1f}" dy=".35em" text-anchor="end">{escape(name)}</text>'
        )
        for bar in group:
            end = left + bar.value * scale
            behind = max(end, left + limit[0] * scale) if limit else end
            parts.append(
                f'<g><title>{escape(bar.title)}</title><rect class="s{bar.series}" x="{left:.1f}" y="{y + 1.5:.1f}" '
                f'width="{max(end - left, 0.5):.1f}" height="{_BAR - 3}" rx="2"/>'
                f'<text class="name" x="{behind + 6:.1f}" y="{y + _BAR / 2:.1f}" dy=".35em">{escape(bar.text)}</text></g>'
            )
            y += _BAR
        y += _GAP
    return "".join(parts) + "</svg>"
