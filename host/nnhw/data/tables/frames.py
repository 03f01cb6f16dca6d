"""Tables that are no text: NumPy files, .parquet and .xlsx through pandas, and any DataFrame."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnhw.data.tables.table import Cells, Table, named
from nnhw.errors import DataError

ARRAYS = (".npz", ".npy")
THROUGH_PANDAS = {".parquet": "read_parquet", ".xlsx": "read_excel"}


def read_arrays(path: Path) -> Table:
    """The arrays of an .npz or .npy file side by side: (n,) is a column, (n, k) are k, named after the array.

    The columns of a single table are x1, x2 and so on. Raises DataError where the arrays are not of one length.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        arrays = {"x": loaded} if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded.files}
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or 'no NumPy file'}") from None
    except (ValueError, EOFError, zipfile.BadZipFile):
        # NumPy's own message advises to open files that can run any program.
        raise DataError(f"{path}: not an array of numbers or texts; save it with numpy.save or numpy.savez") from None
    lengths = {name: array.shape[0] if array.ndim else 0 for name, array in arrays.items()}
    if len(set(lengths.values())) != 1 or not all(lengths.values()):
        told = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise DataError(
            f"{path}: expected arrays of the same number of rows, found {told or 'none'}; save those apart"
        )
    names: list[str] = []
    columns: list[Cells] = []
    for name, array in arrays.items():
        flat = array.reshape(len(array), -1)
        single = array.ndim == 1
        prefix = "x" if name.lower() in ("x", "data", "rows", "features") else name
        names += [name] if single else [f"{prefix}{place + 1}" for place in range(flat.shape[1])]
        columns += [_cells(flat[:, place]) for place in range(flat.shape[1])]
    return _table(str(path), names, columns, "NumPy arrays")


def read_with_pandas(path: Path) -> Table:
    """An .xlsx or .parquet file. Raises DataError where pandas is missing or cannot read it."""
    suffix = path.suffix.lower()
    if not path.is_file():
        raise DataError(f"{path}: cannot be read: No such file or directory")
    try:
        import pandas

        read: Callable[[Path], Any] = getattr(pandas, THROUGH_PANDAS[suffix])
        frame = read(path)
    except ImportError:
        raise DataError(
            f"{path}: is read through pandas, which is missing here: pip install 'nnhw[tables]', or save the table as CSV"
        ) from None
    except Exception as error:  # whatever the reader behind pandas raises for a damaged file
        raise DataError(f"{path}: pandas cannot read it: {error}") from None
    return from_frame(frame, str(path))


def from_frame(frame: Any, name: str = "table") -> Table:
    """The table in a DataFrame: whatever has ``columns`` and gives a column by its name. Raises DataError."""
    labels = list(frame.columns)
    return _table(
        name, [str(label).strip() for label in labels], [_cells(frame[label]) for label in labels], "DataFrame"
    )


def is_frame(data: Any) -> bool:
    """Whether ``data`` is taken for a DataFrame."""
    return hasattr(data, "columns") and hasattr(data, "__getitem__")


def _table(name: str, names: list[str], columns: list[Cells], kind: str) -> Table:
    count = len(columns[0]) if columns else 0
    return named(Table(name, tuple(names), tuple(columns), np.arange(1, count + 1), {"format": kind}))


def _cells(column: Any) -> Cells:
    """Numbers as float64, everything else as the text that a CSV file would hold, "" where it is missing."""
    array = np.asarray(column)
    if array.ndim != 1:
        raise DataError("a column holds lists; expected one value in each cell")
    if array.dtype.kind in "biuf":
        return array.astype(np.float64)
    if array.dtype.kind in "Mm":
        return ["" if np.isnat(value) else str(value) for value in array]
    if array.dtype.kind == "S":
        return [value.decode("utf-8", "replace").strip() for value in array.tolist()]
    return _texts(array)


def _texts(array: NDArray[Any]) -> Cells:
    values = [None if _is_missing(value) else value for value in array.tolist()]
    if all(value is None or isinstance(value, (bool, int, float, np.number)) for value in values) and any(
        value is not None for value in values
    ):
        return np.array([np.nan if value is None else float(value) for value in values])
    return ["" if value is None else str(value).strip() for value in values]


def _is_missing(value: Any) -> bool:
    """None, NaN, NaT and pandas.NA: the last is no number and equal to nothing."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and value != value
