"""nnhw report: its numbers are those of evaluation, proof and bench, and its page needs nothing from elsewhere."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import usable_target
from support.activation_errors import largest_error
from support.networks import network as random_network
from support.pages import find_browser, look

from nnhw.cli import commands
from nnhw.data import datasets
from nnhw.exporting import build_folder, write_build
from nnhw.measuring import accuracy, machine_code
from nnhw.model_files import model_json
from nnhw.report import facts
from nnhw.report import page as report_page
from nnhw.report.facts import Report
from nnhw.report.integers import activations, weights
from nnhw.report.words import training_command
from nnhw_codegen.integers import reference

VOID = {"meta", "link"}


class Page(HTMLParser):
    """The text of every table cell, and the tags that were left open or closed too often."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.references: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [str(value) for name, value in attrs if name in ("src", "href", "xlink:href", "data")]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data

    def row(self, first: str) -> list[str]:
        """The row that begins with this text."""
        return next(row for row in self.rows if row and row[0] == first)


def nnhw(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(commands.main, arguments)
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with iris.json and build/iris (acc16), line.csv, line.json and build/line (regression)."""
    folder = tmp_path_factory.mktemp("report")
    numbers = np.random.default_rng(1).integers(-40, 41, (60, 2)) / 4
    rows = [f"{a},{b},{5 * a + 7 * b}" for a, b in numbers]
    (folder / "line.csv").write_text("\n".join(["x1,x2,y", *rows]) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        chosen = ("--layers", "8", "--epochs", "12", "--validation", "0.2", "--hidden", "softplus")
        nnhw("train", "iris", "-o", "iris.json", *chosen)
        nnhw("export", "iris.json", "--precision", "acc16")
        nnhw("train", "line.csv", "--target", "y", "--layers", "none", "-o", "line.json", "--epochs", "40")
        nnhw("export", "line.json", "--precision", "w8a16")
    return folder


@pytest.fixture
def here(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(home)
    return home


def made(folder: Path, name: str, codes: tuple[str, ...] = ()) -> Report:
    build = build_folder.read(folder / "build" / name)
    network = model_json.load(folder / f"{name}.json")
    data = datasets.load("iris") if name == "iris" else datasets.load(folder / "line.csv", "y", "regression")
    held = datasets.split(data, 0.2, 0)[1]
    return facts.collect(build, folder / f"{name}.json", network, {"held out": held, "all": data}, codes)


@pytest.fixture(scope="module")
def iris(home: Path) -> Report:
    return made(home, "iris")


@pytest.fixture(scope="module")
def line(home: Path) -> Report:
    return made(home, "line")


@pytest.mark.parametrize("name", ["iris", "line"])
def test_the_page_is_well_formed_and_refers_to_nothing_outside(name: str, request: pytest.FixtureRequest) -> None:
    text = report_page.render(request.getfixturevalue(name))
    page = Page(text)
    assert page.faults == []
    assert page.open == []
    assert page.references == ["data:,"]
    assert not re.search(r"https?:|url\(|@import|<script", text)


def test_the_table_of_precisions_holds_what_evaluate_finds(iris: Report) -> None:
    page = Page(report_page.render(iris))
    held, whole = (accuracy.scores(iris.network, part.dataset) for part in iris.parts)
    for few, many in zip(held, whole, strict=True):
        found = page.row(many.precision + (" (this folder)" if many.precision == "acc16" else ""))
        shares = [few.accuracy, few.agreement, many.accuracy, many.agreement]
        assert found[1:5] == [f"{100 * share:.1f} %" for share in shares if share is not None]
        if many.size is not None:
            assert many.saturating is not None
            assert found[5:] == [f"{many.logit_error:.3g}", f"{100 * max(many.saturating):.1f} %", f"{many.size:,}"]


def test_the_outcome_counts_rows_and_the_confusion_matrix_adds_up_to_them(iris: Report) -> None:
    text = report_page.render(iris)
    model, whole = iris.build.model, iris.parts[-1].dataset
    answers = reference.predict(model, whole.rows)
    right = int((answers == whole.targets).sum())
    assert f"and {right} of all 150 rows" in text
    figures = re.findall(r"<figcaption>(\w[^<]*) <span>integers[^<]*</span></figcaption>(.*?)</figure>", text)
    assert [caption for caption, _ in figures] == ["30 held-out rows", "All 150 rows"]
    for part, (_, drawn) in zip(iris.parts, figures, strict=True):
        titles = re.findall(r"<title>(\w+), answered (\w+): (\d+)</title>", drawn)
        assert sum(int(count) for _, _, count in titles) == len(part.dataset.rows)
        answers = reference.predict(model, part.dataset.rows)
        for wanted, found, count in titles:
            here = part.dataset.targets == model.classes.index(wanted)
            assert int(count) == int((here & (answers == model.classes.index(found))).sum())


def test_what_the_data_reached_is_the_largest_of_all_partial_sums(iris: Report) -> None:
    model = iris.build.model
    codes = reference.codes(model, reference.ticks(model, iris.parts[-1].dataset.rows))
    page = Page(report_page.render(iris))
    for number, (layer, bound) in enumerate(zip(model.layers, iris.bounds, strict=True)):
        reached = 0
        for row in codes.tolist():
            for bias, factors in zip(layer.bias.tolist(), layer.weights.tolist(), strict=True):
                total = bias
                reached = max(reached, abs(total))
                for code, weight in zip(row, factors, strict=True):
                    total += code * weight
                    reached = max(reached, abs(total))
        proved = max(int(layer.high.max()), -int(layer.low.min()))
        assert bound.reached == reached <= bound.proved == proved < bound.limit == 1 << 15
        assert page.row(f"layer {number + 1}")[1:3] == [f"{reached:,}", f"{proved:,}"]
        codes = reference.layer_output(layer, codes)


def test_the_error_of_an_activation_is_that_of_its_table(home: Path, iris: Report, tmp_path: Path) -> None:
    build = write_build.export(iris.network, tmp_path / "wide", "w16a16")
    (curve,) = facts.collect(build, iris.source, iris.network, None, ()).curves
    activation = iris.network.layers[0].activation
    limit = int(curve.z[-1])
    assert abs(curve.error).max() == largest_error(activation, curve.z_frac, curve.output_frac, limit)
    assert curve.table_bytes == 258
    drawn = activations(replace(iris, curves=(curve,)))
    assert f"{2 * limit + 1:,} codes, table of 258 bytes" in drawn
    assert f"off by at most {abs(curve.error).max():.2f} units" in drawn


def test_an_exact_activation_is_told_without_an_error_plot(iris: Report) -> None:
    curve = replace(iris.curves[0], exact=iris.curves[0].code.astype(float))
    drawn = activations(replace(iris, curves=(curve,)))
    assert "exact at every code" in drawn
    assert drawn.count("<svg class=") == 1


def test_the_cycles_are_those_of_bench_and_what_is_missing_is_told(home: Path, iris: Report) -> None:
    usable_target("rp2040-core")
    measured = made(home, "iris", ("thumb",))
    (cost,) = measured.costs
    assert cost.ticks_cycles == machine_code.measure(iris.build.model, "thumb").ticks_cycles
    page = report_page.render(measured)
    assert f"A prediction takes {cost.ticks_cycles:,} cycles" in page
    assert Page(page).row(cost.name)[1:3] == [f"{cost.ticks_cycles:,}", f"{cost.codes_cycles:,}"]
    assert "viper code, C: not counted" in page
    assert "viper code, Thumb code, C: not counted" in report_page.render(iris)


def test_a_regression_shows_every_row_beside_its_target(line: Report) -> None:
    text = report_page.render(line)
    assert text.count("<title>target ") == 12 + 60
    assert text.count("<title>float ") == 12 + 60
    score = line.parts[0].score("w8a16")
    assert Page(text).row("w8a16 (this folder)")[1:3] == [f"{score.error:.4g}", f"{score.deviation:.3g}"]
    assert f"on 12 held-out rows is {score.error:.4g}" in text


def test_many_weights_are_left_out_and_few_are_drawn(iris: Report, tmp_path: Path) -> None:
    count = sum(layer.weights.size for layer in iris.build.model.layers)
    assert len(re.findall(r"<title>[^<]* → [^<]*: -?\d+</title>", weights(iris))) == count == 56
    network = random_network((70, 72, 2))
    build = write_build.export(network, tmp_path / "b", "w8a8")
    told = weights(replace(iris, build=build, network=network))
    assert "Left out: 5,184 weights" in told
    assert "<svg" not in told


def test_a_model_without_data_is_judged_by_the_float_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    layers = [{"activation": "identity", "weights": [[5, 7]]}]
    Path("hand.json").write_text(json.dumps({"format": "nnhw-model", "version": 1, "inputs": 2, "layers": layers}))
    nnhw("export", "hand.json", "--precision", "w16a16")
    text = nnhw("report", "build/hand")
    assert "On 1,000 rows spread over the inputs' ranges" in text
    assert "No answers are known to judge by." in text
    page = Path("build/hand/report.html").read_text(encoding="utf-8")
    assert "<h2>Training</h2>" not in page
    assert "nnhw train" not in page
    assert "nnhw export hand.json --precision w16a16" in page


def test_a_fine_tuned_folder_is_told_by_its_own_integers(here: Path) -> None:
    nnhw("export", "iris.json", "--precision", "acc16", "--fine-tune", "iris", "-o", "build/tuned")
    build = build_folder.read(Path("build/tuned"))
    source, network = facts.find_network(build)
    found = facts.collect(build, source, network, {"all": datasets.load("iris")}, ())
    part = found.parts[0]
    answers = reference.predict(build.model, part.dataset.rows)
    assert part.score("acc16").accuracy == (answers == part.dataset.targets).mean()
    assert "fine-tuned on the integers" in report_page.render(found)


def test_the_network_is_found_beside_the_folder_from_anywhere(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source, _ = facts.find_network(build_folder.read(home / "build/iris"))
    assert source == home / "iris.json"
    # One of the same name in the working directory that has other integers is passed over.
    nnhw("train", "iris", "-o", "iris.json", "--epochs", "2", "--seed", "5")
    assert facts.find_network(build_folder.read(home / "build/iris"))[0] == home / "iris.json"


def test_a_missing_or_another_network_is_refused_with_what_to_do(here: Path, tmp_path: Path) -> None:
    nnhw("export", "iris.json", "-o", str(tmp_path / "far/away/and/deep/iris"))
    (here / "iris.json").rename(here / "kept.json")
    try:
        text = nnhw("report", str(tmp_path / "far/away/and/deep/iris"), code=2)
        assert "was made from iris.json, which is not in the working directory" in text
        assert "--model" in text
    finally:
        (here / "kept.json").rename(here / "iris.json")
    nnhw("train", "iris", "-o", "other.json", "--epochs", "2", "--seed", "1")
    text = nnhw("report", "build/iris", "--model", "other.json", code=2)
    assert "other.json: does not quantize to the integers of build/iris" in text
    assert "there is no directory" in nnhw("report", "build/iris", "-o", "no/where.html", code=2)
    assert "not a build folder" in nnhw("report", ".", code=2)
    assert "has 13 inputs" in nnhw("report", "build/iris", "--data", "wine", code=2)
    assert not (here / "build/iris/report.html").exists()


def test_the_next_export_takes_the_page_of_the_earlier_one_away(here: Path) -> None:
    nnhw("export", "iris.json", "-o", "build/again")
    found = json.loads(nnhw("report", "build/again", "--json"))
    page = here / "build/again/report.html"
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert found["page"] == str(Path("build/again/report.html"))
    assert found["outcome"][0].endswith("of all 150 rows.")
    nnhw("export", "iris.json", "-o", "build/again")
    assert not page.exists()


def test_the_command_that_is_told_trains_the_very_same_network(here: Path) -> None:
    nnhw(
        *("train", "iris", "-o", "odd.json", "--epochs", "3", "--lr", "0.015", "--relu-at-zero", "0.5"),
        *("--hidden", "leaky_relu", "--slope", "0.25", "--layers", "5,4", "--output", "logsig", "--batch", "16"),
        *("--held-out", "0.3", "--seed", "7", "--validation", "0.25", "--optimizer", "sgd", "--schedule", "constant"),
    )
    before = Path("odd.json").read_bytes()
    command = training_command(model_json.load("odd.json"), "odd.json")
    assert command is not None
    Path("odd.json").unlink()
    nnhw(*command.split()[1:])
    assert Path("odd.json").read_bytes() == before


def test_the_losses_are_drawn_where_they_are_known(iris: Report) -> None:
    assert "<h2>Training</h2>" in report_page.render(iris)
    assert "<h2>Training</h2>" not in report_page.render(replace(iris, losses=None))


@pytest.mark.parametrize(("name", "dark", "width"), [("iris", False, 1100), ("line", True, 600)])
def test_a_browser_draws_every_plot(
    name: str, dark: bool, width: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    text = report_page.render(request.getfixturevalue(name))
    found, console = look(find_browser(), text, tmp_path, dark, width)
    assert found.startswith(f"plots {text.count('<svg class=')} wide false asked 0")
    assert console == []
