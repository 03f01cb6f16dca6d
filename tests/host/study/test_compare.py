"""nnhw compare: the same networks whoever trains them, floats and integers, and clear refusals."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from nnhw.cli.commands import main
from nnhw.data import datasets
from nnhw.study import compare
from nnhw.study.compare import FLOAT, Row, Setting, sentence


def setting(**changes):
    values = {"hidden": ("relu", "leaky_relu", "logsig"), "seeds": 7, "epochs": 3, "rates": (0.25, 0.0625)}
    return Setting(datasets.load("iris"), **(values | changes))


@pytest.fixture(scope="module")
def rows():
    return compare.compare(setting())


def test_two_jobs_give_the_rows_of_one(rows):
    pytest.importorskip("joblib")
    assert compare.compare(setting(), jobs=2) == rows


def test_every_activation_comes_in_every_precision(rows):
    assert [(row.precision, row.hidden) for row in rows] == [
        (precision, hidden) for precision in (FLOAT, "w8a8", "acc16") for hidden in ("relu", "leaky_relu", "logsig")
    ]
    for row in rows:
        assert row.rate in (0.25, 0.0625)
        assert row.low <= row.difference <= row.high
        assert (row.p is None) == (row.hidden == "relu")
        assert row.agreement == 100.0 if row.precision == FLOAT else row.agreement > 90.0
    assert rows[0].mean > 60.0


def test_an_activation_that_learns_slowly_is_told_to_be_worse():
    found = compare.compare(setting(hidden=("relu", "logsig"), seeds=12, epochs=3, rates=(2.0**-5,), precisions=()))
    assert found[1].verdict == "worse"
    assert "logsig is worse than relu by" in sentence(found)


def test_progress_adds_up_to_one():
    shares = []
    compare.compare(setting(seeds=6, epochs=1, precisions=()), done=shares.append)
    assert np.isclose(sum(shares), 1.0)


def test_the_sentence_names_all_kinds():
    def row(hidden, difference, p_holm):
        return Row(FLOAT, hidden, 0.1, 90.0, 80.0, difference, 0.0, 0.0, p_holm, p_holm, 100.0, 0.0)

    told = sentence(
        [row("relu", 0.0, None), row("tanh", 2.0, 0.01), row("logsig", -3.0, 0.01), row("softplus", 1.0, 0.5)]
    )
    assert told == (
        "tanh is better than relu by 2.0 points; logsig is worse than relu by 3.0 points; "
        "softplus: no significant difference."
    )


def test_the_command_reads_csv_and_writes_a_page(tmp_path):
    table = tmp_path / "leaves.csv"
    generator = np.random.default_rng(0)
    lines = [f"{x:.2f},{y:.2f},{'big' if x + y > 0 else 'small'}" for x, y in generator.normal(size=(40, 2))]
    table.write_text("\n".join(["x,y,kind", *lines]))
    page = tmp_path / "out.html"
    options = ["--target", "kind", "--hidden", "relu,softplus", "--seeds", "3", "--epochs", "2", "-o", str(page)]
    done = CliRunner().invoke(main, ["compare", str(table), *options, "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [row["hidden"] for row in found["rows"]] == ["relu", "softplus"] * 3
    assert page.read_text().startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--hidden", "relu"], "at least two different activations"),
        (["--hidden", "relu,rleu"], "there is no activation 'rleu'"),
        (["--layers", "none"], "no hidden activation"),
        (["--precisions", "w4"], "there is no precision 'w4'"),
    ],
)
def test_bad_options_end_in_one_line(options, message):
    done = CliRunner().invoke(main, ["compare", "iris", *options])
    assert done.exit_code == 2
    assert message in done.output


def test_a_table_too_short_to_hold_rows_out_is_refused(tmp_path):
    (tmp_path / "d.csv").write_text("a,b,y\n-0.7,0.6,-1e30\n-0.4,1.1,-1e30\n1.2,-0.05,1e30\n")
    words = [
        "compare",
        str(tmp_path / "d.csv"),
        "--target",
        "y",
        "--seeds",
        "2",
        "--epochs",
        "1",
        "--hidden",
        "relu,tanh",
    ]
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, "3 rows hold none out" in done.output) == (2, True)


def test_values_instead_of_classes_are_refused(tmp_path):
    table = tmp_path / "line.csv"
    table.write_text("\n".join(["x,y", *(f"{x},{x * 1.5}" for x in range(20))]))
    done = CliRunner().invoke(main, ["compare", str(table), "--target", "y"])
    assert done.exit_code == 2
    assert "needs classes" in done.output
