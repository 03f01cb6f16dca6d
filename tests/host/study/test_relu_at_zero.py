"""The study end to end: the same bits whoever runs it, however often it is interrupted; and what it says of numbers."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from support.cases.study import SMALL, arms, made_up_rows, small_plan

from nnhw.cli.commands import main
from nnhw.study import page, relu_at_zero
from nnhw.study.answer import answer
from nnhw.study.cell import Cell
from nnhw.study.fixed_point import FixedPopulation
from nnhw.study.jobs import StudyError
from nnhw.study.tasks import TASKS, material


def result(folder, cells, **how):
    return relu_at_zero.to_json(relu_at_zero.summarize(cells, relu_at_zero.run(cells, folder, **how)))


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    return result(tmp_path_factory.mktemp("serial"), small_plan())


def test_two_jobs_give_the_bits_of_one(serial, tmp_path):
    pytest.importorskip("joblib")
    assert result(tmp_path, small_plan(), jobs=2) == serial


def test_a_dask_cluster_gives_the_bits_of_one_job(serial, tmp_path):
    distributed = pytest.importorskip("distributed")
    pytest.importorskip("joblib")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        found = result(tmp_path, small_plan(), scheduler=cluster.scheduler_address)
    assert found == serial


def test_an_interrupted_study_goes_on_and_gives_the_same(serial, tmp_path):
    cells = small_plan()

    class PowerCut(Exception):
        pass

    def cut(cell):
        if len(list((tmp_path / "cells").glob("*.json"))) == 4:
            raise PowerCut

    with pytest.raises(PowerCut):
        relu_at_zero.run(cells, tmp_path, done=cut)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cells").glob("*.json")}
    assert len(kept) == 4
    assert result(tmp_path, cells) == serial
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in kept.items())


RUNNER = """
import sys
from pathlib import Path
from support.cases.study import small_plan
from nnhw.study import relu_at_zero
relu_at_zero.run(small_plan(), Path(sys.argv[1]))
"""


def test_a_killed_study_resumes_to_the_same(serial, tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", RUNNER, str(tmp_path)], env=environment)
    while len(list((tmp_path / "cells").glob("*.json"))) < 2 and process.poll() is None:
        time.sleep(0.001)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert result(tmp_path, small_plan()) == serial


def test_the_command_writes_json_csv_and_pages(tmp_path, monkeypatch):
    monkeypatch.setattr(
        relu_at_zero, "plan", lambda quick, seeds: small_plan(seeds)
    )  # the quick one takes ten seconds
    done = CliRunner().invoke(main, ["study", "relu-at-zero", "--quick", "--seeds", "2", "-o", str(tmp_path)])
    assert done.exit_code == 0, done.output
    rows = json.loads((tmp_path / "results.json").read_text())["rows"]
    table = list(csv.DictReader((tmp_path / "results.csv").read_text().splitlines()))
    assert [(row["arm"], float(row["mean"])) for row in table] == [(row["arm"], row["mean"]) for row in rows]
    assert "The value of ReLU'(0)".lower() in done.output.lower()
    for name in ("index.html", "report.md"):
        assert "nnhw study relu-at-zero --quick --seeds 2" in (tmp_path / name).read_text()
    assert (tmp_path / "report.md").read_text().count("\n| float32 | softplus |") == 2


def test_a_broken_cell_is_named(tmp_path):
    cells = small_plan()[:1]
    relu_at_zero.run(cells, tmp_path)
    path = tmp_path / "cells" / f"{cells[0].name}.json"
    path.write_text("{")
    with pytest.raises(StudyError, match=f"{path.name}.*delete it"):
        relu_at_zero.run(cells, tmp_path)


def test_a_missing_scheduler_is_told(tmp_path):
    pytest.importorskip("distributed")
    with pytest.raises(StudyError, match="no Dask scheduler answers at nonsense://nowhere"):
        relu_at_zero.run(small_plan()[:1], tmp_path, scheduler="nonsense://nowhere")


def test_the_full_plan_has_what_was_promised():
    cells = relu_at_zero.plan()
    assert {cell.arithmetic for cell in cells} == {"float64", "float32", "float16", "fx16", "fx12", "fx8"}
    assert {cell.task.name for cell in cells} == {task.name for task in TASKS}
    assert all(cell.seeds >= 200 for cell in cells if cell.task.data != "digits")
    assert all({0.0, 0.1} <= set(task.biases) for task in TASKS)
    assert len({cell.name for cell in cells}) == len(cells)


def test_fixed_point_follows_floats():
    task = SMALL["iris"]
    data = material(task, 0.1, range(5))
    fixed = FixedPopulation(task.arms(), data.weights, "fx16")
    fixed.fit(data.rows, data.targets, [np.random.default_rng([s, 1]) for s in range(5)], 2)
    floats = Cell(task, "float64", 0.1, 5).run()
    answers, _ = fixed.test(data.test_rows)
    right = (answers == data.test_classes.T[:, None, :]).sum(axis=0)
    expected = np.array([arm["score"] for arm in floats["arms"].values()])
    assert np.abs(right - expected).max() <= 1
    with pytest.raises(ValueError, match="power of two"):
        FixedPopulation([replace(task.arms()[0], rate=0.3)], data.weights, "fx16")


class TestAnswerFollowsTheNumbers:
    def test_when_only_structural_zeros_matter(self):
        said = answer(made_up_rows(arms(0.0), arms(12.0)))
        assert "On ordinary networks the value of ReLU'(0) makes no measurable difference." in said.headline
        assert "matters: a value above 0 is better, by up to 12 points" in said.headline
        assert said.advice[0].startswith("Use ReLU'(0) = 1")
        assert any("double precision" in text for text in said.disagree)

    def test_when_zero_is_better(self):
        said = answer(made_up_rows(arms(-3.0), arms(-3.0)))
        assert said.headline.count("0 is better, by up to 3 points") == 2
        assert said.advice[0].startswith("Use ReLU'(0) = 0")
        assert any("most efficient with plain SGD; so does this study" in text for text in said.agree)

    def test_when_nothing_is_significant_but_means_differ(self):
        said = answer(made_up_rows(arms(4.0), arms(0.5), p_holm=0.5))
        assert "means differ by up to 4.0 points: more seeds may tell" in said.headline
        assert said.advice[0].startswith("Use any ReLU'(0)")

    def test_when_it_cuts_both_ways(self):
        said = answer(made_up_rows({"relu 1/2": -2.0, "relu 1": 2.0, "leaky relu": 0.0, "softplus": 0.0}, arms(0.0)))
        assert "cuts both ways" in said.headline

    def test_the_page_holds_it_and_every_plot(self):
        rows = made_up_rows(arms(0.0), arms(12.0, 20.0))
        text = page.render(rows, "nnhw study <x>")
        assert "matters: a value above 0 is better, by up to 12 points" in text
        assert text.count('<svg class="plot"') == 2 + 2
        assert "nnhw study &lt;x&gt;" in text
        assert "http" not in text.replace("http://www.w3.org", "")
