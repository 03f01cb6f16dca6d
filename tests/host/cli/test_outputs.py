"""Regressions with outputs of several scales or far from 0, and several answers of yes or no, from data to a build."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import usable_target
from support.cases.outputs import explained, large_offset, several_scales, yes_or_no

from nnhw.cli import build_text, commands
from nnhw.data.datasets import DataError, load
from nnhw.measuring import accuracy
from nnhw.model_files import model_json
from nnhw.training.train import TrainingError, create, fit, target_matrix, train
from nnhw.tuning import choose_precision
from nnhw.tuning.fine_tune import fine_tune
from nnhw_codegen.files import nnb
from nnhw_codegen.integers import precision, reference
from nnhw_codegen.integers.proof import ProofError
from nnhw_codegen.network.network import MOST_ANSWERS
from nnhw_codegen.quantization.quantize import quantize

WIDE = ("w16a16", "w8a16")


def nnhw(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(commands.main, arguments)
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.parametrize("name", WIDE)
def test_every_output_explains_as_much_as_in_floats_whatever_its_scale(name: str) -> None:
    data, network = several_scales()
    floats = explained(data.targets, network.predict(data.rows))
    model = quantize(network, precision.get(name), network.calibration)
    assert np.abs(explained(data.targets, reference.predict(model, data.rows)) - floats).max() < 0.01
    assert len(set(model.output_frac.tolist())) > 1
    assert nnb.to_bytes(nnb.from_bytes(nnb.to_bytes(model))) == nnb.to_bytes(model)


@pytest.mark.parametrize("name", WIDE)
def test_values_far_from_zero_keep_their_digits(name: str) -> None:
    kept, held = large_offset()
    network, _ = train(kept, (8,))

    def error(answers: np.ndarray) -> float:
        return float(np.sqrt(np.mean((answers - held.targets) ** 2)))

    model = quantize(network, precision.get(name), network.calibration)
    assert error(reference.predict(model, held.rows)) < 1.1 * error(network.predict(held.rows))


def test_the_worst_output_decides_and_each_is_told() -> None:
    _, network = several_scales()
    found = choose_precision.choose(network, least_agreement=0.9999)
    assert found.met
    for candidate in found.candidates:
        assert len(candidate.agreements) == 3
        assert candidate.agreement == min(candidate.agreements)
        assert (candidate.agreement >= 0.9999) == (candidate is found.chosen)
    text = "\n".join(build_text.tried_lines(network, found, True))
    assert all(f"{name} 99." in text or f"{name} 100." in text for name in network.outputs)


def test_a_constant_output_is_judged_by_what_floats_can_tell() -> None:
    _, network = several_scales()
    last = network.layers[-1]
    still = replace(last, weights=last.weights * [[1], [0], [1]])
    constant = replace(network, layers=[*network.layers[:-1], still])
    for name in precision.names():
        candidate = choose_precision.choose(constant, precisions=(precision.get(name),)).chosen
        assert candidate.agreements[1] > 0.999999


def test_a_precision_below_the_floor_is_warned_of_and_the_readme_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data, network = several_scales()
    model_json.save(network, "multi.json")
    text = nnhw("export", "multi.json", "--precision", "acc16")
    assert "warning   acc16 agrees with the float network on less than 99.9999 %: ratio 99." in text
    readme = Path("build/multi/README.md").read_text()
    assert "Warning: acc16 agrees with the float network on less than 99.9999 %" in readme
    assert "`pa` = integer / 2^" in readme
    assert "warning" not in nnhw("export", "multi.json", "--precision", "acc16", "--min-agreement", "90")
    assert "Warning" not in Path("build/multi/README.md").read_text()
    columns = np.hstack([data.rows, data.targets])
    lines = [",".join(map(str, row)) for row in columns.tolist()]
    Path("rows.csv").write_text("\n".join(["a,b,c,ratio,pa,kelvin", *lines]) + "\n")
    scores = json.loads(nnhw("eval", "multi.json", "--data", "rows.csv", "--json"))["rows.csv"]
    assert [one["name"] for one in scores[1]["outputs"]] == ["ratio", "pa", "kelvin"]
    assert scores[1]["agreement"] == min(one["agreement"] for one in scores[1]["outputs"])
    assert "ratio: error (rms) " in nnhw("eval", "multi.json", "--data", "rows.csv")


def test_fine_tuning_judges_every_output_in_its_own_scale() -> None:
    _, network = several_scales()
    tuned = fine_tune(network, precision.get("acc16"), steps=40)
    assert network.calibration is not None
    before, after = (
        choose_precision.agreements(
            network, network.predict(network.calibration), reference.predict(m, network.calibration)
        )
        for m in (quantize(network, precision.get("acc16"), network.calibration), tuned.report.model)
    )
    assert tuned.loss <= tuned.loss_before
    assert after.min() >= before.min() - 1e-4


def test_questions_are_learned_and_answered_one_by_one() -> None:
    data, network = yes_or_no()
    assert (network.decision, network.layers[-1].activation.name) == ("multilabel", "logsig")
    assert (network.predict(data.rows) == data.targets).mean(axis=0).min() > 0.95
    shares = network.probabilities(data.rows)
    assert np.array_equal(shares > 0.5, network.predict(data.rows) == 1)
    for score in accuracy.scores(network, data)[1:]:
        assert [one.name for one in score.outputs] == ["right", "up", "near"]
        assert score.agreement == min(one.agreement for one in score.outputs)
        assert (score.accuracy or 0) > 0.93
    found = choose_precision.choose(network, data.rows, data.targets)
    assert (found.chosen.accuracy or 0) > 0.93
    assert len(found.chosen.agreements) == 3


def test_a_board_answers_with_a_bit_for_each_question() -> None:
    data, network = yes_or_no()
    model = quantize(network, precision.get("w8a8"), network.calibration)
    outputs = reference.logits(model, reference.codes(model, reference.ticks(model, data.rows)))
    bits = reference.board_answers(model, outputs)
    assert np.array_equal(bits[:, None] >> np.arange(3) & 1, reference.decide(model, outputs))
    again = nnb.from_bytes(nnb.to_bytes(model))
    assert (again.decision, again.classes, again.offsets) == ("multilabel", network.classes, ())


def test_questions_survive_their_file() -> None:
    _, network = yes_or_no()
    text = model_json.dumps(network)
    assert '"multilabel": true' in text
    again = model_json.loads(text)
    assert (again.multilabel, again.classes) == (True, network.classes)
    plain = model_json.loads(text.replace('"multilabel": true', '"multilabel": false'))
    assert plain.decision == "argmax"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"multilabel": true', '"multilabel": 1', "multilabel: expected true or false, found 1"),
        ('"logsig"', '"softmax"', "multilabel: softmax is for classes that exclude each other"),
        ('"classes": ["right", "up", "near"],', "", 'multilabel: answers of yes or no need names; add "classes"'),
        ('"up", "near"', '"up"', "classes: found 2 classes, but the last layer has 3 units"),
    ],
)
def test_a_file_that_does_not_fit_its_questions_is_refused(old: str, new: str, message: str) -> None:
    text = model_json.dumps(yes_or_no()[1])
    assert old in text
    with pytest.raises(model_json.ModelFileError, match=message):
        model_json.loads(text.replace(old, new))


def test_more_questions_than_an_integer_holds_are_refused() -> None:
    _, start = yes_or_no()
    for count, refused in ((MOST_ANSWERS, False), (MOST_ANSWERS + 1, True)):
        network = create(start.inputs, (2,), classes=[f"q{n}" for n in range(count)], multilabel=True)
        if not refused:
            assert quantize(network, precision.get("w8a8")).decision == "multilabel"
            continue
        with pytest.raises(ProofError, match="31 answers of yes or no; at most 30 fit an integer"):
            quantize(network, precision.get("w8a8"))
        with pytest.raises(model_json.ModelFileError, match="found 31 answers of yes or no"):
            model_json.loads(model_json.dumps(network))


def test_data_of_another_kind_than_the_network_are_refused() -> None:
    data, network = yes_or_no()
    single = replace(data, targets=data.targets.argmax(axis=1))
    with pytest.raises(TrainingError, match="yes or no"):
        target_matrix(network, single)
    with pytest.raises(TrainingError, match="yes or no"):
        fit(create(network.inputs, (2,), classes=network.classes), data)
    with pytest.raises(ValueError, match="use logsig"):
        create(network.inputs, (2,), classes=network.classes, multilabel=True, output="softmax")


def test_answer_columns_hold_0_and_1(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,right,up\n1,0,1\n2,1,2\n")
    with pytest.raises(DataError, match=r"a\.csv: line 3, column 'up': expected 0 or 1, found 2"):
        load(path, ("right", "up"), "multilabel")
    with pytest.raises(DataError, match="no column 'near' to learn"):
        load(path, ("right", "near"), "multilabel")
    assert load(path, ("right", "up"), "regression").targets.tolist() == [[0, 1], [1, 2]]


def test_questions_go_the_whole_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usable_target("unix")
    monkeypatch.chdir(tmp_path)
    data, network = yes_or_no()
    model_json.save(network, "signs.json")
    text = nnhw("export", "signs.json", "--precision", "w8a16")
    assert "training rows get the float network's answers" in text
    assert "bit 1 of the answer: `up`" in Path("build/signs/README.md").read_text()
    assert "logits identical" in nnhw("verify", "build/signs", "--on", "unix", "--rows", "200")
    nnrun = ("--runtime", "nnrun")
    assert "logits identical" in nnhw("verify", "build/signs", "--on", "unix", "--rows", "200", *nnrun)
    assert "['right', 'up']" in nnhw("run", "build/signs", "0.9", "0.8", "--on", "unix")
    table = np.hstack([data.rows, data.targets]).tolist()
    lines = [f"{a},{b},{int(r)},{int(u)},{int(n)}" for a, b, r, u, n in table]
    Path("rows.csv").write_text("\n".join(["a,b,right,up,near", *lines]) + "\n")
    assert "accuracy of near 9" in nnhw("run", "build/signs", "--data", "rows.csv", "--on", "unix")
    assert "near: accuracy 9" in nnhw("eval", "signs.json", "--data", "rows.csv")
