"""The pages in a real browser, light and dark: nothing fails to load or run, and every plot is drawn."""

import pytest
from support.cases.study import arms, made_up_rows, small_plan
from support.pages import find_browser, look

from nnhw.data import datasets
from nnhw.study import compare, compare_page, page, relu_at_zero


@pytest.fixture(scope="module")
def browser():
    return find_browser()


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_of_the_study_draws_every_plot(browser, dark, tmp_path):
    text = page.render(made_up_rows(arms(0.0), arms(12.0, 20.0)), "nnhw study relu-at-zero")
    found, console = look(browser, text, tmp_path, dark)
    background = "rgb(18, 22, 28)" if dark else "rgb(255, 255, 255)"
    assert found == f"plots 4 wide false asked 0 {background}"
    assert console == []


def test_the_pages_of_measured_numbers_draw_every_plot(browser, tmp_path):
    cells = small_plan(seeds=3)
    text = page.render(relu_at_zero.summarize(cells, relu_at_zero.run(cells, tmp_path)), "nnhw study relu-at-zero")
    found, console = look(browser, text, tmp_path, dark=False)
    assert found.startswith(f"plots {text.count('<svg class=')} wide false asked 0")
    assert console == []
    setting = compare.Setting(datasets.load("iris"), ("relu", "tanh"), seeds=2, epochs=1)
    text = compare_page.render(setting, compare.compare(setting), "nnhw compare iris")
    found, console = look(browser, text, tmp_path, dark=False)
    assert found.startswith("plots 2 wide false asked 0")
    assert console == []
