"""The pages in a real browser, light and dark: nothing fails to load or run, and every plot is drawn."""

import re
import shutil
import subprocess

import pytest
from study_cases import arms, made_up_rows, small_plan

from nnhw import compare, compare_page, datasets, study, study_page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--enable-logging=stderr", "--v=0",
)  # fmt: skip
MEASURE = """<script>
addEventListener("load", () => {
  const drawn = [...document.querySelectorAll("svg.plot")].filter(plot => {
    const box = plot.getBoundingClientRect();
    const marks = [...plot.querySelectorAll("circle")].map(mark => mark.getBoundingClientRect());
    return box.width > 200 && box.height > 40 && marks.length > 0
      && marks.every(m => m.left >= box.left && m.right <= box.right && m.top >= box.top && m.bottom <= box.bottom);
  });
  const wide = document.documentElement.scrollWidth > innerWidth;
  const names = performance.getEntriesByType("resource").map(entry => entry.name);
  const asked = names.filter(name => !name.startsWith("data:"));
  const color = getComputedStyle(document.body).backgroundColor;
  document.title = `plots ${drawn.length} wide ${wide} asked ${asked.length} ${color}`;
  console.error("the console is heard");
});
</script>"""


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is installed")
    return found


def look(browser, text, folder, dark):
    """(what MEASURE found, console lines but its own)"""
    path = folder / "page.html"
    path.write_text(text.replace("</head>", MEASURE + "</head>"), encoding="utf-8")
    mode = [f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
    profile = [f"--user-data-dir={folder / 'profile'}", "--window-size=1000,800", "--virtual-time-budget=2000"]
    done = subprocess.run(
        [browser, *FLAGS, *mode, *profile, "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=120
    )
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    assert any("the console is heard" in line for line in console), done.stderr[-2000:]
    return title.group(1), [line for line in console if "the console is heard" not in line]


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_of_the_study_draws_every_plot(browser, dark, tmp_path):
    text = study_page.render(made_up_rows(arms(0.0), arms(12.0, 20.0)), "nnhw study relu-at-zero")
    found, console = look(browser, text, tmp_path, dark)
    background = "rgb(18, 22, 28)" if dark else "rgb(255, 255, 255)"
    assert found == f"plots 4 wide false asked 0 {background}"
    assert console == []


def test_the_pages_of_measured_numbers_draw_every_plot(browser, tmp_path):
    cells = small_plan(seeds=3)
    text = study_page.render(study.summarize(cells, study.run(cells, tmp_path)), "nnhw study relu-at-zero")
    found, console = look(browser, text, tmp_path, dark=False)
    assert found.startswith(f"plots {text.count('<svg class=')} wide false asked 0")
    assert console == []
    setting = compare.Setting(datasets.load("iris"), ("relu", "tanh"), seeds=2, epochs=1)
    text = compare_page.render(setting, compare.compare(setting), "nnhw compare iris")
    found, console = look(browser, text, tmp_path, dark=False)
    assert found.startswith("plots 2 wide false asked 0")
    assert console == []
