import sys

import numpy as np
import pytest

from nnhw.data import datasets
from nnhw.data.datasets import DataError, Dataset, inputs_from, load, split, split_rows
from nnhw.data.infer_inputs import infer, of_range

IRIS = load("iris")


def write(tmp_path, content, name="data.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


class TestIris:
    def test_has_fifty_rows_of_each_class(self):
        assert IRIS.rows.shape == (150, 4)
        assert IRIS.classes == ("setosa", "versicolor", "virginica")
        assert np.bincount(IRIS.targets).tolist() == [50, 50, 50]
        assert IRIS.features == ("sepal_length", "sepal_width", "petal_length", "petal_width")

    def test_has_the_values_of_the_paper_where_the_uci_copy_differs(self):
        assert IRIS.rows[34].tolist() == [4.9, 3.1, 1.5, 0.2]
        assert IRIS.rows[37].tolist() == [4.9, 3.6, 1.4, 0.1]

    def test_has_the_column_sums_of_the_paper(self):
        assert np.rint(IRIS.rows.sum(axis=0) * 10).tolist() == [8765, 4586, 5637, 1799]

    def test_equals_the_copy_in_scikit_learn(self):
        sklearn_datasets = pytest.importorskip("sklearn.datasets")
        bunch = sklearn_datasets.load_iris()
        assert np.array_equal(IRIS.rows, bunch.data)
        assert np.array_equal(IRIS.targets, bunch.target)

    def test_species_are_inputs_of_0_and_1_where_another_column_is_learned(self):
        data = load("iris", answer_column="petal_width")
        assert data.features[3:] == ("species=setosa", "species=versicolor", "species=virginica")
        assert data.rows[[0, 50, 149], 3:].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
        assert (data.outputs, data.classes) == (("petal_width",), ())


@pytest.mark.parametrize(
    ("name", "shape"), [("wine", (178, 13)), ("breast_cancer", (569, 30)), ("digits", (1797, 64))]
)
def test_data_sets_of_scikit_learn_load_by_name(name, shape):
    pytest.importorskip("sklearn")
    data = load(name)
    assert data.rows.shape == shape
    assert len(data.features) == shape[1]
    assert data.targets.max() == len(data.classes) - 1


def test_without_scikit_learn_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(
        DataError, match=r"'wine' comes with scikit-learn, which is missing: pip install 'nnhw\[study\]'"
    ):
        load("wine")


class TestCsv:
    def test_labels_become_classes_in_alphabetic_order(self, tmp_path):
        data = load(write(tmp_path, "a,kind,b\n1,dog,2\n3,cat,4\n5,dog,6.5\n"), "kind")
        assert (data.name, data.features, data.classes, data.outputs) == (
            "data",
            ("a", "b"),
            ("cat", "dog"),
            (),
        )
        assert data.rows.tolist() == [[1, 2], [3, 4], [5, 6.5]]
        assert data.targets.tolist() == [1, 0, 1]
        assert data.targets.dtype == np.int64

    def test_few_whole_numbers_become_classes_in_numeric_order(self, tmp_path):
        data = load(write(tmp_path, "a,y\n" + "".join(f"{n},{(n % 3) * 5}\n" for n in range(9))), "y")
        assert data.classes == ("0", "5", "10")
        assert data.targets.tolist() == [0, 1, 2] * 3

    @pytest.mark.parametrize("values", ["1.5 2.5 1.5 2.5", "1 2 3 4", "10 20 30 30"])
    def test_other_numbers_become_values(self, tmp_path, values):
        lines = "".join(f"{n},{value}\n" for n, value in enumerate(values.split()))
        data = load(write(tmp_path, "a,y\n" + lines), "y")
        assert data.classes == ()
        assert data.outputs == ("y",)
        assert data.targets.tolist() == [[float(value)] for value in values.split()]

    def test_the_task_can_be_forced(self, tmp_path):
        path = write(tmp_path, "a,y\n1,0\n2,1\n3,0\n4,1\n")
        assert load(path, "y").classes == ("0", "1")
        assert load(path, "y", "regression").targets.tolist() == [[0.0], [1.0], [0.0], [1.0]]
        path = write(tmp_path, "a,y\n1,0.5\n2,1.5\n3,0.5\n4,1.5\n")
        assert load(path, "y", "classification").classes == ("0.5", "1.5")

    @pytest.mark.parametrize(
        "content",
        [
            "a;y\n1;u\n2;v\n",
            "a\ty\n1\tu\n2\tv\n",
            "\ufeffa,y\r\n1,u\r\n\r\n2,v\r\n",
            ' a , y \n"1", u\n2,"v"\n',
        ],
    )
    def test_common_variants_of_csv_are_read(self, tmp_path, content):
        data = load(write(tmp_path, content), "y")
        assert (data.features, data.rows.tolist(), data.classes) == (("a",), [[1.0], [2.0]], ("u", "v"))

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "the file is empty"),
            (" \n\n", "the file is empty"),
            ("a,b\n1,2\n3,4\n", "no column 'y' to learn; columns: a, b"),
            ("y\n1\n2\n", "'y' is the only column"),
            ("a,y\n1,u\n2\n", "line 3: found 1 cells, expected 2 as in the header"),
            ("a,y\n1,u\n2,v,w\n", "line 3: found 3 cells, expected 2"),
            ("a,y\n1,u\nnan,v\n", "line 3, column 'a': found a missing value, 'nan'; --missing drop leaves out"),
            (
                "a,y\n1,u\n-inf,v\n",
                "line 3, column 'a': expected a finite number up to 1e\\+30, found '-inf'",
            ),
            (
                "a,y\n1,u\n1e300,v\n",
                "line 3, column 'a': expected a finite number up to 1e\\+30, found '1e300'",
            ),
            ("a,y\n1,u\n,v\n", "line 3, column 'a': found no value; --missing drop leaves out"),
            ("a,y\n1,u\nred,v\n", "line 3, column 'a': expected a finite number, found 'red'"),
            ("a,y\n1,u\n2,\n", "line 3, column 'y': no answer, an empty or missing cell; --missing drop"),
            ("a,a,y\n1,2,u\n3,4,v\n", "line 1: two columns are called 'a'"),
            ("a,y\n1,u\n2,u\n", "the single class 'u'"),
            ("a,y\n1,3\n2,3\n", "the single class '3'"),
            ("a,y\n1,u\n", "found 1 rows below the header; expected at least 2"),
            ("a,y\n", "found 0 rows below the header"),
            ("a,y\n1,1\n2,nan\n3,2\n", "line 3, column 'y': no answer"),
            ("a,y\n1,1.5\n2,?\n3,2.5\n", "line 3, column 'y': no answer"),
            ("a,y\n1,1.5\n2,off\n3,2.5\n", "line 3, column 'y': expected a finite number, found 'off'; .*--skip-bad"),
            ("a,y\n" + "".join(f"{n},name{n}\n" for n in range(50)), "holds 50 classes in 50 rows"),
            (b"\x89PNG\r\n\x1a\n\x00\x00", "holds binary data \\(byte 8 is 0\\)"),
            (b"a,y\n1,\x00\n", "holds binary data"),
            ('a,y\n1,"u\n2,v\n', "line 3: "),
        ],
    )
    def test_a_fault_is_named_with_file_and_place(self, tmp_path, content, message):
        path = write(tmp_path, content)
        with pytest.raises(DataError, match=message) as caught:
            load(path, "y")
        assert str(caught.value).startswith(f"{path}: ")

    def test_a_text_target_forced_to_values_is_refused(self, tmp_path):
        path = write(tmp_path, "a,y\n1,u\n2,v\n")
        with pytest.raises(DataError, match="line 2, column 'y': expected a finite number, found 'u'"):
            load(path, "y", "regression")

    def test_a_missing_file_is_named(self, tmp_path):
        with pytest.raises(DataError, match=r"none\.csv: cannot be read: No such file"):
            load(tmp_path / "none.csv", "y")

    def test_an_unknown_name_lists_the_known_ones(self):
        with pytest.raises(DataError, match="'irris'; known data sets: iris, wine, breast_cancer, digits"):
            load("irris")

    def test_a_csv_needs_a_target(self, tmp_path):
        with pytest.raises(DataError, match="name the column to learn"):
            load(write(tmp_path, "a,y\n1,u\n2,v\n"))


class TestSplit:
    def test_takes_the_same_share_of_every_class(self):
        training, held_out = split(IRIS, 0.3, seed=4)
        assert np.bincount(training.targets).tolist() == [35, 35, 35]
        assert np.bincount(held_out.targets).tolist() == [15, 15, 15]

    def test_parts_are_disjoint_and_complete(self):
        kept, held = split_rows(IRIS, 0.25, seed=1)
        assert sorted([*kept, *held]) == list(range(150))

    def test_depends_on_the_seed_alone(self):
        assert np.array_equal(split_rows(IRIS, 0.3, 5)[1], split_rows(IRIS, 0.3, 5)[1])
        assert not np.array_equal(split_rows(IRIS, 0.3, 5)[1], split_rows(IRIS, 0.3, 6)[1])

    def test_never_empties_a_class(self):
        data = Dataset("small", ("a",), np.arange(4.0)[:, None], np.array([0, 0, 0, 1]), ("many", "one"))
        training, held_out = split(data, 0.9)
        assert set(training.targets) == {0, 1}
        assert set(held_out.targets) == {0}

    @pytest.mark.parametrize("fraction", [0, 1, -0.5, 2])
    def test_refuses_a_share_outside_zero_to_one(self, fraction):
        with pytest.raises(ValueError, match="expected a share between 0 and 1"):
            split(IRIS, fraction)


class TestDoorway:
    def test_of_iris_has_steps_of_a_millimeter(self):
        first, second, third, fourth = inputs_from(IRIS)
        assert [item.step for item in (first, second, third, fourth)] == [0.1] * 4
        assert (first.low, first.high) == (3.4, 8.8)
        assert (third.low, third.high) == (0.0, 8.4)
        assert first.mean == pytest.approx(5.8433333)
        assert first.scale == IRIS.rows[:, 0].std()

    @pytest.mark.parametrize(
        ("values", "step", "low", "high"),
        [
            ([0, 16], 1, 0, 20),
            ([3, 4], 1, 0, 8),
            ([-8, 8], 1, -12, 12),
            ([1.25, 2.5], 0.01, 0.93, 2.82),
            ([0.000001, 0.000005], 1e-6, 0, 0.000009),
            ([7, 7], 1, 3, 11),
            ([0, 0], 1, 0, 4),
            ([0.3, 0.3], 0.1, 0.0, 0.7),
            ([-2.5, -2.5], 0.1, -2.9, -2.1),
        ],
    )
    def test_sits_on_the_decimals_of_the_data(self, values, step, low, high):
        found = infer("x", np.array(values, dtype=float))
        assert (found.step, found.low, found.high) == (step, low, high)

    def test_of_values_on_no_decimal_grid_is_a_power_of_two(self):
        column = np.random.default_rng(0).normal(size=100) * 3
        found = infer("x", column)
        assert np.log2(found.step) % 1 == 0
        assert 2**14 <= np.ptp(column) / found.step <= 2**15

    def test_of_a_constant_column_is_scaled_by_its_range(self):
        found = infer("x", np.full(5, 0.1))
        assert (found.mean, found.scale) == (0.1, (found.high - found.low) / 8)

    def test_of_a_rare_event_is_not_magnified(self):
        column = np.zeros(1000)
        column[0] = 16.0
        assert infer("pixel", column).scale == 20.0 / 8

    def test_coarsens_by_an_odd_factor_so_that_data_never_fall_half_way(self):
        column = np.array([0.0, 0.01, 0.02, 500.0, 999.99])
        found = infer("x", column)
        assert found.step == 0.03
        halves = column / found.step + 0.5
        assert np.abs(halves - np.rint(halves)).min() > 0.1

    @pytest.mark.parametrize(
        "values",
        [
            [0, 1e6],
            [0.000001, 1e6],
            [1.7e9, 1.7e9 + 5],
            [1e30, 1e30],
            [-1e30, 1e30],
            [1e-30, 3e-30],
            [-1e-9, 1e9],
            [1 / 3, 1e7],
            [0.1 + 0.2, 5.1],
        ],
    )
    def test_keeps_ticks_small_and_holds_the_data(self, values):
        found = infer("x", np.array(values, dtype=float))
        assert found.low < found.high
        assert (found.high - found.low) / found.step <= 65535.001
        assert max(abs(found.low), abs(found.high)) / found.step <= 2**29
        assert found.low <= min(values)
        assert max(values) <= found.high


def test_names_are_the_packaged_set_and_those_of_scikit_learn():
    assert datasets.names() == ("iris", "wine", "breast_cancer", "digits")


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (0.0, 4095.0),
        (-1.0, 1.0),
        (1e6, 1e6 + 1e-3),
        (-3e29, 7e29),
        (0.1, 0.7),
        (-5.0, 1e9),
        (1e-9, 3e-9),
        (-9.0, -2.0),
    ],
)
def test_the_doorway_of_a_range_holds_it_in_steps_that_a_tick_can_count(low, high):
    found = of_range("x", low, high)
    assert found.low <= low < high <= found.high
    assert found.step == 2.0 ** round(np.log2(found.step))
    assert found.low / found.step == int(found.low / found.step)
    assert found.high / found.step == int(found.high / found.step)
    assert max(-found.low, found.high) / found.step <= 2**29
    assert (found.high - found.low) / found.step <= 65535
    assert found.mean == (low + high) / 2
    assert found.scale == pytest.approx((high - low) / 12**0.5) or found.scale == (found.high - found.low) / 8
    given = of_range("x", low, high, 0.25, 1e30)
    assert (given.mean, given.scale) == (0.25, 1e30)
