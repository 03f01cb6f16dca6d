"""Looking at a page in a headless browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--enable-logging=stderr", "--v=0",
)  # fmt: skip
# A plot is drawn where all its marks and labels lie within it, and no two level labels lie over one another.
MEASURE = """<script>
addEventListener("load", () => {
  const drawn = [...document.querySelectorAll("svg.plot")].filter(plot => {
    const box = plot.getBoundingClientRect();
    const boxes = kind => [...plot.querySelectorAll(kind)].map(mark => mark.getBoundingClientRect());
    const inside = m => m.left >= box.left - 1 && m.right <= box.right + 1
      && m.top >= box.top - 1 && m.bottom <= box.bottom + 1;
    const marks = boxes("circle, rect, polyline"), level = boxes("text:not([transform])");
    const apart = (a, b) => a.right <= b.left || b.right <= a.left || a.bottom <= b.top + 3 || b.bottom <= a.top + 3;
    return box.width > 200 && box.height > 40 && marks.length > 0 && [...marks, ...boxes("text")].every(inside)
      && level.every((a, n) => level.slice(n + 1).every(b => apart(a, b)));
  });
  const wide = document.documentElement.scrollWidth > innerWidth;
  const names = performance.getEntriesByType("resource").map(entry => entry.name);
  const asked = names.filter(name => !name.startsWith("data:"));
  const color = getComputedStyle(document.body).backgroundColor;
  document.title = `plots ${drawn.length} wide ${wide} asked ${asked.length} ${color}`;
  console.error("the console is heard");
});
</script>"""


def find_browser() -> str:
    """The program of a browser; skips the test where there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    return found


def look(browser: str, text: str, folder: Path, dark: bool, width: int = 1000) -> tuple[str, list[str]]:
    """(what MEASURE found, console lines but its own)"""
    path = folder / "page.html"
    path.write_text(text.replace("</head>", MEASURE + "</head>"), encoding="utf-8")
    mode = [f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
    profile = [f"--user-data-dir={folder / 'profile'}", f"--window-size={width},800", "--virtual-time-budget=2000"]
    done = subprocess.run(
        [browser, *FLAGS, *mode, *profile, "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=120
    )
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    assert any("the console is heard" in line for line in console), done.stderr[-2000:]
    assert title is not None
    return title.group(1), [line for line in console if "the console is heard" not in line]
