"""Tables that are no text: arrays, DataFrames, and what pandas reads."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnhw.data.datasets import DataError, DataOptions, load, load_rows

WANTED = [[1.5, 2], [2.5, 3], [3.5, 5], [4.5, 8]]


def test_a_file_of_arrays_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    np.savez(path, X=np.array(WANTED), y=np.array(["u", "v", "u", "v"]))
    found = load(path, "y")
    assert (found.features, found.rows.tolist(), found.classes) == (("x1", "x2"), WANTED, ("u", "v"))
    np.savez(path, X=np.array(WANTED), y=np.zeros(3))
    with pytest.raises(DataError, match=r"same number of rows, found X \(4, 2\), y \(3,\)"):
        load(path, "y")
    np.savez(path, X=np.array([{}], dtype=object))
    with pytest.raises(DataError, match="not an array of numbers or texts; save it with"):
        load(path, "y")
    np.save(tmp_path / "t.npy", np.array([[1.0, 0], [2, 1], [3, 0], [4, 1]]))
    assert load(tmp_path / "t.npy", "x2").classes == ("0", "1")


def test_of_an_array_without_names_every_column_is_an_input(tmp_path: Path) -> None:
    rows = np.stack([np.arange(30.0), np.arange(30.0) % 7], axis=1)
    np.save(tmp_path / "t.npy", rows)
    names, found = load_rows(str(tmp_path / "t.npy"))
    assert names == ()
    assert np.array_equal(found, rows)
    (tmp_path / "t.csv").write_text("n,a\n" + "".join(f"{n:g},{a:g}\n" for n, a in rows))
    assert load_rows(str(tmp_path / "t.csv"))[0] == ("a",)
    assert load_rows(str(tmp_path / "t.csv"), ("n", "a"))[0] == ("n", "a")


class Frame:
    """What a DataFrame offers, without the package: names, and a column by its name."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self.columns = list(columns)
        self._cells = columns

    def __getitem__(self, name: str) -> Any:
        return self._cells[name]


def test_any_data_frame_is_read() -> None:
    found = load(
        Frame(
            {
                "a": np.array([1.5, 2.5, 3.5, 4.5], dtype=np.float32),
                "n": np.array([1, None, 3, 4], dtype=object),
                "on": np.array([True, False, True, True]),
                "at": np.array(["2024-01-01", "2024-01-02", "NaT", "2024-01-04"], dtype="datetime64[s]"),
                "color": ["red", None, "blue", "red"],
                "y": np.array(["u", "v", "u", "v"], dtype=object),
            }
        ),
        "y",
        options=DataOptions(missing="flag"),
    )
    assert found.features == ("a", "n", "n=?", "on", "color=blue", "color=red", "color=?")
    assert found.rows[1].tolist() == [2.5, 3, 1, 0, 0, 0, 1]


@pytest.mark.parametrize("suffix", ["xlsx", "parquet"])
def test_pandas_reads_what_the_standard_library_does_not(tmp_path: Path, suffix: str) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("openpyxl" if suffix == "xlsx" else "pyarrow")
    frame = pandas.DataFrame({"a": [1.5, 2.5, 3.5, 4.5], "b": [2, 3, 5, 8], "y": list("uvuv")})
    path = tmp_path / f"t.{suffix}"
    frame.to_excel(path, index=False) if suffix == "xlsx" else frame.to_parquet(path)
    for data in (frame, path):
        found = load(data, "y")
        assert (found.features, found.rows.tolist(), found.classes) == (("a", "b"), WANTED, ("u", "v"))
    path.write_bytes(b"broken")
    with pytest.raises(DataError, match="pandas cannot read it"):
        load(path, "y")


def test_a_frame_of_pandas_keeps_its_kinds_and_gaps() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "n": pandas.array([1, None, 3, 4], dtype="Int64"),
            "word": pandas.Categorical(["red", "blue", None, "red"]),
            "on": pandas.array([True, None, False, True], dtype="boolean"),
            "at": pandas.to_datetime(["2024-01-01", "2024-01-02", None, "2024-01-04"]),
            "y": ["u", "v", "u", "v"],
        }
    )
    found = load(frame, "y", options=DataOptions(missing="flag"))
    assert found.features == ("n", "n=?", "word=blue", "word=red", "word=?", "on", "on=?")
    assert found.rows[1:3].tolist() == [[3, 1, 1, 0, 0, 1, 1], [3, 0, 0, 0, 1, 0, 0]]


@pytest.mark.parametrize("suffix", ["xlsx", "parquet"])
def test_without_pandas_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    path = tmp_path / f"t.{suffix}"
    path.write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"pip install 'nnhw\[tables\]', or save the table as CSV"):
        load(path, "y")
