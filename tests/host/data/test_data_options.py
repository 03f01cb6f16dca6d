"""What is left out, refused and named before anything trains, and how a user says otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnhw.data.columns import examine
from nnhw.data.data_options import from_record
from nnhw.data.dataset import split_rows
from nnhw.data.datasets import DataError, DataOptions, Dataset, inputs_from, load, read_table, split
from nnhw.data.outliers import find


def written(folder: Path, header: str, rows: list[tuple[Any, ...]]) -> Path:
    path = folder / "t.csv"
    path.write_text(header + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    return path


def measured(count: int) -> list[tuple[float, float, str]]:
    """Two numbers that tell nothing about the class, which comes in blocks."""
    generator = np.random.default_rng(3)
    return [
        (round(float(generator.normal()), 2), round(float(generator.normal()), 2), "abc"[3 * n // count])
        for n in range(count)
    ]


def refusal(path: Path, target: str, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(path, target, options=DataOptions(**options))
    return str(caught.value)


class TestLeftOut:
    def test_row_numbers_are_no_input_unless_they_are_asked_for(self, tmp_path: Path) -> None:
        path = written(tmp_path, "n,s,t,y", [(n + 5, *row) for n, row in enumerate(measured(30))])
        found = load(path, "y")
        assert found.features == ("s", "t")
        assert found.notes == ("left out 'n' (numbers or names of the rows); --columns takes what you name",)
        assert load(path, "y", options=DataOptions(columns=("n,s",))).features == ("n", "s")

    def test_what_counts_is_kept_where_nothing_else_is_measured(self, tmp_path: Path) -> None:
        path = written(tmp_path, "x,y", [(n, 5 * n + 7.5) for n in range(40)])
        assert load(path, "y").features == ("x",)

    def test_columns_can_be_dropped_by_one_option_or_several(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a,b,c,y", [(n % 3, n % 5, n % 7, "uv"[n % 2]) for n in range(12)])
        for drop in (("a,c",), ("a", "c"), ("a", "c, a")):
            assert load(path, "y", options=DataOptions(drop=drop)).features == ("b",)

    def test_a_name_with_a_comma_is_one_column(self, tmp_path: Path) -> None:
        path = written(tmp_path, '"a,b",c,y', [(n % 3, n % 5, "uv"[n % 2]) for n in range(12)])
        assert load(path, "y", options=DataOptions(drop=("a,b",))).features == ("c",)

    def test_an_unknown_name_is_told_with_the_near_one(self, tmp_path: Path) -> None:
        path = written(tmp_path, "width,height,y", [(n % 3, n % 5, "uv"[n % 2]) for n in range(12)])
        assert "did you mean 'width'?" in refusal(path, "y", drop=("widht",))
        assert "--columns: no column 'depth'; columns: width, height, y" in refusal(path, "y", columns=("depth",))
        assert "column 'y' is the answer; leave it out of --columns" in refusal(path, "y", columns=("y", "width"))
        assert "--group: no column 'who'" in refusal(path, "y", group="who")

    def test_a_text_is_refused_with_the_way_out(self, tmp_path: Path) -> None:
        rows = [(n % 3, f"word{n % 25}", "uv"[n % 2]) for n in range(60)]
        path = written(tmp_path, "a,remark,y", rows)
        assert "column 'remark' holds 25 different words" in refusal(path, "y")
        assert "--drop remark" in refusal(path, "y")

    def test_dates_that_are_asked_for_are_refused(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a,day,y", [(n % 3, f"2024-01-{n + 1:02}", "uv"[n % 2]) for n in range(12)])
        assert "column 'day' holds dates or times; --drop day" in refusal(path, "y", columns=("a", "day"))


class TestLeaks:
    def test_the_other_columns_of_a_one_hot_answer_are_refused(self, tmp_path: Path) -> None:
        rows = [(n % 5, *(int(n % 3 == k) for k in range(3))) for n in range(30)]
        path = written(tmp_path, "a,idle,left,turn", rows)
        text = refusal(path, "left")
        assert "--target left,idle,turn learns them as classes, or --drop idle,turn" in text
        found = load(path, "idle,left,turn")
        assert (found.features, found.classes) == (("a",), ("idle", "left", "turn"))
        assert found.targets[:4].tolist() == [0, 1, 2, 0]
        assert load(path, "left", options=DataOptions(drop=("idle,turn",))).classes == ("0", "1")

    @pytest.mark.parametrize("codes", [(7, 9, 8), ("x", "z", "y"), (0, 1, 2)])
    def test_a_column_that_encodes_the_answer_is_refused(self, tmp_path: Path, codes: tuple[Any, ...]) -> None:
        path = written(tmp_path, "a,code,y", [(n % 5, codes[n % 3], "uvw"[n % 3]) for n in range(30)])
        text = refusal(path, "y")
        assert "column 'code' copies the answer 'y'" in text
        assert "--drop code" in text
        assert load(path, "y", options=DataOptions(drop=("code",))).features == ("a",)
        assert load(path, "y", options=DataOptions(columns=("a", "code"))).features[0] == "a"

    def test_a_copy_of_values_is_refused(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a,again,y", [(n % 5, n * n / 10, n * n / 10) for n in range(30)])
        assert "column 'again' copies the answer 'y'" in refusal(path, "y")

    def test_one_hot_columns_beside_the_words_are_refused(self, tmp_path: Path) -> None:
        rows = [(n % 5, int(n % 3 == 0), int(n % 3 == 1), int(n % 3 == 2), "uvw"[n % 3]) for n in range(30)]
        path = written(tmp_path, "a,is_u,is_v,is_w,y", rows)
        assert "columns 'is_u', 'is_v', 'is_w' copy the answer 'y'" in refusal(path, "y")

    def test_a_sensor_that_tells_one_class_of_three_is_none(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a,milk,y", [(n % 5, int(n % 3 == 0), "uvw"[n % 3]) for n in range(30)])
        assert load(path, "y").features == ("a", "milk")

    def test_few_rows_agree_by_chance(self, tmp_path: Path) -> None:
        rows = [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)]
        assert load(written(tmp_path, "a,b,y", rows), "y").features == ("a", "b")


class TestAnswers:
    def test_several_targets_are_values(self, tmp_path: Path) -> None:
        rows = [(n % 5, n * 0.5, n % 7) for n in range(20)]
        found = load(written(tmp_path, "a,left,right", rows), "left,right")
        assert (found.features, found.outputs, found.classes) == (("a",), ("left", "right"), ())
        assert found.targets.tolist() == [[n * 0.5, n % 7] for n in range(20)]

    def test_several_columns_of_0_and_1_are_answers_of_yes_or_no(self, tmp_path: Path) -> None:
        rows = [(n % 5, int(n % 2 == 0), int(n % 3 == 0)) for n in range(20)]
        path = written(tmp_path, "a,even,third", rows)
        found = load(path, ["even", "third"])
        assert found.targets.tolist() == [[n % 2 == 0, n % 3 == 0] for n in range(20)]
        assert (found.multilabel, found.classes, found.targets.dtype) == (True, ("even", "third"), np.int64)
        assert load(path, "even,third", "regression").outputs == ("even", "third")
        with pytest.raises(DataError, match="line 4, column 'a': expected 0 or 1, found 2"):
            load(path, "a,third", "multilabel")

    def test_words_are_no_values(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a,b,y", [(n % 5, n * 0.5, "uv"[n % 2]) for n in range(20)])
        assert "line 2, column 'y': expected a finite number, found 'u'" in refusal(path, "b,y")

    @pytest.mark.parametrize("words", [("Circle", "circle "), ("left turn", "left-turn"), ("Ärm", "ärm")])
    def test_classes_that_look_alike_are_named(self, tmp_path: Path, words: tuple[str, str]) -> None:
        rows = [(n % 5, (*words, "square")[n % 3]) for n in range(30)]
        (note,) = load(written(tmp_path, "a,y", rows), "y").notes
        assert "look alike" in note
        assert repr(words[0]) in note

    def test_without_a_target_the_likely_one_is_named(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a,species,b", [(n % 5, "uv"[n % 2], n * 0.5) for n in range(20)])
        with pytest.raises(DataError, match=r"\(--target\); 'species' looks like it"):
            load(path)


class TestRanges:
    def test_an_outlier_is_named_with_its_line_and_clipped_when_asked(self, tmp_path: Path) -> None:
        rows = [(n % 400, n % 7, "uv"[n % 2]) for n in range(800)]
        rows[123] = (32767, 1, "u")
        path = written(tmp_path, "adc,b,y", rows)
        (note,) = load(path, "y").notes
        assert note.startswith("column 'adc': 1 value far from all others, as 32767 in line 125 (others 0 to 399)")
        assert "factor of 82" in note
        clipped = load(path, "y", options=DataOptions(clip=True))
        assert clipped.rows[:, 0].max() == 399
        assert clipped.notes == ("column 'adc': --clip limits 1 values to 0 to 399",)
        assert inputs_from(clipped)[0].high == 499

    @pytest.mark.parametrize(
        "values",
        [
            np.random.default_rng(0).normal(size=5000),
            np.random.default_rng(0).lognormal(size=2000),
            np.r_[np.zeros(990), np.full(10, 16.0)],
            np.arange(19.0) ** 4,
            np.r_[np.zeros(500), np.ones(500)],
        ],
    )
    def test_what_is_only_skewed_or_rare_is_no_outlier(self, values: np.ndarray) -> None:
        assert find(values) is None

    def test_a_step_coarser_than_the_data_is_named(self, tmp_path: Path) -> None:
        rows = [(1700000000000 + 61234 * ((n * 37) % 100) + n % 7, n % 7, "uv"[n % 2]) for n in range(100)]
        path = written(tmp_path, "clock,b,y", rows)
        (note,) = load(path, "y").notes
        assert note.startswith("column 'clock': is in steps of 1, its ticks in steps of ")
        assert "since a board's floats are too short for more at 1.70001e+12" in note
        assert "subtract a start from it, or --drop it" in note

    def test_whole_numbers_of_too_wide_a_range_are_named(self, tmp_path: Path) -> None:
        rows = [((n * 7919) % 100003, n % 7, "uv"[n % 2]) for n in range(100)]
        (note,) = load(written(tmp_path, "count,b,y", rows), "y").notes
        assert "'count': spans 0 to 98885 in" in note
        assert "in steps of 1: too many, so it is read in steps of 3; divide it" in note
        rows = [(value / 1e6, b, y) for value, b, y in rows]
        assert load(written(tmp_path, "share,b,y", rows), "y").notes == ()

    def test_words_are_inputs_of_0_and_1_at_step_1(self, tmp_path: Path) -> None:
        path = written(tmp_path, "color,b,y", [("rgb"[n % 3], n % 7, "uv"[n % 2]) for n in range(21)])
        found = inputs_from(load(path, "y"))
        assert [item.name for item in found] == ["color=b", "color=g", "color=r", "b"]
        assert [(item.step, item.low, item.high) for item in found[:3]] == [(1, 0, 1)] * 3

    def test_sums_of_kinds_are_told(self, tmp_path: Path) -> None:
        rows = [(n, 3, "x", n % 7, f"2024-01-{n % 28 + 1:02}") for n in range(30)]
        facts = examine(read_table(written(tmp_path, "n,same,word,b,day", rows), DataOptions()))
        assert [column.kind for column in facts] == ["index", "constant", "constant", "number", "date"]
        assert "tells nothing" in facts[1].suspicions[0]


class TestSplit:
    def test_rows_of_a_group_stay_together(self, tmp_path: Path) -> None:
        rows = [(n % 7, f"person {n // 10}", "uv"[n % 2]) for n in range(100)]
        found = load(written(tmp_path, "a,who,y", rows), "y", options=DataOptions(group="who"))
        assert found.features == ("a",)
        for seed in range(10):
            kept, held = split_rows(found, 0.3, seed)
            assert sorted([*kept, *held]) == list(range(100))
            assert not {n // 10 for n in kept} & {n // 10 for n in held}
            assert len(held) == 30
        assert not np.array_equal(split_rows(found, 0.3, 0)[1], split_rows(found, 0.3, 1)[1])

    def test_a_class_of_one_group_is_trained_on(self) -> None:
        groups = np.repeat(np.arange(5), 4)
        targets = (groups == 3).astype(np.int64)
        data = Dataset("g", ("a",), np.zeros((20, 1)), targets, ("no", "yes"), groups=groups)
        for seed in range(20):
            assert 1 in data.targets[split_rows(data, 0.4, seed)[0]]

    def test_in_time_the_last_rows_are_held_out(self, tmp_path: Path) -> None:
        path = written(tmp_path, "a,y", [(n % 7 + n / 100, "uv"[n % 2]) for n in range(50)])
        found = load(path, "y", options=DataOptions(order="time"))
        training, held = split(found, 0.2, seed=4)
        assert np.array_equal(np.vstack([training.rows, held.rows]), found.rows)
        assert len(held.rows) == 10
        late = written(tmp_path, "a,y", [(n % 7, "uv"[n > 45]) for n in range(50)])
        with pytest.raises(DataError, match=r"the class 'v' occurs in the held-out rows only; .*--order time"):
            split(load(late, "y", options=DataOptions(order="time")), 0.2)

    def test_groups_and_time_exclude_each_other(self) -> None:
        with pytest.raises(DataError, match="--group and --order time exclude each other"):
            DataOptions(group="a", order="time")


def test_the_record_of_options_holds_what_differs_and_leads_back() -> None:
    options = DataOptions(header=False, drop=("a", "b"), missing="mean", clip=True)
    assert options.record() == {"header": False, "drop": ["a", "b"], "missing": "mean", "clip": True}
    assert from_record(options.record()) == options
    assert options.words() == ["--no-header", "--drop", "a", "--drop", "b", "--clip", "--missing", "mean"]
    assert from_record(None) == DataOptions()
    with pytest.raises(DataError, match="unknown options of the data: kolumns"):
        from_record({"kolumns": 1})
