"""The frame of an HTML page that needs nothing from elsewhere: one style for light and dark, tables, cards."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from nnhw.plot.intervals import STYLE

_STYLE = """
body { margin: 0 auto; max-width: 1120px; padding: 2.5rem 1.5rem 4rem; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .4rem; } h2 { margin: 2.6rem 0 .6rem; font-size: 1.3rem; }
h3 { margin: 0 0 .5rem; font-size: 1rem; } p.lead { font-size: 1.2rem; margin: .8rem 0 1.2rem; }
.soft { color: var(--soft); } code { font-size: .92em; }
li { margin: .35rem 0; max-width: 52rem; } p { max-width: 52rem; }
.answer { background: var(--card); border-left: 4px solid var(--c4); border-radius: 6px; padding: 1.1rem 1.4rem; }
.answer ul:last-child { margin-bottom: 0; } td.wrap { white-space: normal; }
.answer p.lead { margin-top: 0; font-weight: 600; }
.cards { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(440px, 100%), 1fr)); }
figure { margin: 0; padding: 1rem 1rem .6rem; border: 1px solid var(--line); border-radius: 8px; }
figcaption { font-weight: 600; margin-bottom: .4rem; font-size: .95rem; }
figcaption span { font-weight: 400; color: var(--soft); }
figure.full { grid-column: 1 / -1; overflow-x: auto; } figure.full svg { min-width: 640px; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.2rem; margin: .6rem 0 1rem; font-size: .92rem; max-width: none; }
.wide { overflow-x: auto; margin: .8rem 0; } table { border-collapse: collapse; font-size: .86rem; width: 100%; }
th, td { text-align: right; padding: .28rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap;
  font-variant-numeric: tabular-nums; }
th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
.cards th { white-space: normal; } th.text, td.text { text-align: left; }
tr:has(td.chosen) { background: var(--card); } td.chosen { font-weight: 600; }
pre { background: var(--card); border-radius: 6px; padding: .8rem 1rem; overflow-x: auto; font-size: .86rem; }
td.better { color: var(--c4); font-weight: 600; } td.worse { color: var(--c2); font-weight: 600; }
details { margin: .5rem 0; } summary { cursor: pointer; }
"""


def page(title: str, body: str) -> str:
    """A whole HTML document; ``body`` is HTML."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def table(header: Sequence[str], rows: Sequence[Sequence[tuple[str, str]]], texts: int = 1) -> str:
    """A table; every cell is (text, class), and the first ``texts`` columns hold text rather than numbers."""

    def line(tag: str, cells: Sequence[tuple[str, str]]) -> str:
        made = ""
        for number, (text, kind) in enumerate(cells):
            kinds = " ".join(filter(None, ["text" if number < texts else "", kind]))
            made += f"<{tag}{f' class={chr(34)}{kinds}{chr(34)}' if kinds else ''}>{escape(text)}</{tag}>"
        return f"<tr>{made}</tr>"

    head = line("th", [(text, "") for text in header])
    body = "".join(line("td", row) for row in rows)
    return f'<div class="wide"><table><thead>{head}</thead><tbody>{body}</tbody></table></div>'


def soft(text: str) -> str:
    """A paragraph that explains."""
    return f'<p class="soft">{_tied(text)}</p>'


def figure(caption: str, drawn: str, more: str = "", full: bool = False) -> str:
    """A plot in a frame with its caption, as wide as the page with ``full``."""
    rest = f" <span>{escape(more)}</span>" if more else ""
    head = f"<figcaption>{escape(caption)}{rest}</figcaption>" if caption else ""
    kind = ' class="full"' if full else ""
    return f"<figure{kind}>{head}{drawn}</figure>"


def cards(figures: Sequence[str]) -> str:
    """Figures side by side where there is room."""
    return f'<div class="cards">{"".join(figures)}</div>'


def bullets(sentences: Sequence[str]) -> str:
    """A list of plain sentences."""
    return "<ul>" + "".join(f"<li>{_tied(sentence)}</li>" for sentence in sentences) + "</ul>"


def _tied(sentence: str) -> str:
    """The sentence as HTML, without a line break between a number and its percent sign."""
    return escape(sentence).replace(" %", "&nbsp;%")
