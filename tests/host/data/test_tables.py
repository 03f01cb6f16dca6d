"""Tables as spreadsheets, instruments and loggers write them: read as they are meant, or refused with the remedy."""

from __future__ import annotations

import gzip
import random
from pathlib import Path

import numpy as np
import pytest

from nnhw.data.data_options import Missing
from nnhw.data.datasets import DataError, DataOptions, inputs_from, load
from nnhw.data.tables.table import read_text

BODY = "1.5,2,u\n2.5,3,v\n3.5,5,u\n4.5,8,v\n"
WANTED = [[1.5, 2], [2.5, 3], [3.5, 5], [4.5, 8]]


def rows_of(count: int, line: str) -> str:
    """``count`` lines, {n} counting up from 0, {r} a number that goes up and down, {c} one of a, b and c."""
    return "".join(line.format(n=n, r=(n * 7) % 13 / 10, s=(n * 5) % 11, c="abc"[n % 3]) + "\n" for n in range(count))


# Each of these is the same table: inputs a and b with the numbers above, answer y of u, v, u, v.
SAME: dict[str, str | bytes] = {
    "comma": "a,b,y\n" + BODY,
    "semicolon": "a;b;y\n1.5;2;u\n2.5;3;v\n3.5;5;u\n4.5;8;v\n",
    "semicolon and decimal comma": "a;b;y\n1,5;2;u\n2,5;3;v\n3,5;5;u\n4,5;8;v\n",
    "tab and decimal comma": "a\tb\ty\n1,5\t2\tu\n2,5\t3\tv\n3,5\t5\tu\n4,5\t8\tv\n",
    "quoted decimal commas between commas": 'a,b,y\n"1,5",2,u\n"2,5",3,v\n"3,5",5,u\n"4,5",8,v\n',
    "tab": "a\tb\ty\n" + BODY.replace(",", "\t"),
    "bar": "a|b|y\n" + BODY.replace(",", "|"),
    "blanks": "a b y\n" + BODY.replace(",", " "),
    "columns set by blanks": "   a   b  y\n 1.5   2  u\n 2.5   3  v\n 3.5   5  u\n 4.5   8  v\n",
    "comma and blank": "a, b, y\n" + BODY.replace(",", ", "),
    "byte order mark": b"\xef\xbb\xbfa,b,y\n" + BODY.encode(),
    "UTF-16 with mark": ("a,b,y\n" + BODY).encode("utf-16"),
    "UTF-16 without mark": ("a,b,y\n" + BODY).encode("utf-16-le"),
    "UTF-16, big end first": ("a,b,y\n" + BODY).encode("utf-16-be"),
    "UTF-32": ("a,b,y\n" + BODY).encode("utf-32"),
    "gzip": gzip.compress(("a,b,y\n" + BODY).encode()),
    "line ends of Windows": ("a,b,y\n" + BODY).replace("\n", "\r\n"),
    "line ends of old Macs": ("a,b,y\n" + BODY).replace("\n", "\r"),
    "no line end at the end, and one of DOS": "a,b,y\n" + BODY[:-1] + "\x1a",
    "blank lines": "\n\na,b,y\n\n" + BODY.replace("\n", "\n\n"),
    "comment lines": "# made by a logger\na,b,y\n" + BODY.replace("3.5", "# power lost, 1, 2\n3.5"),
    "comments of other kinds": "% one\n// two\na,b,y\n" + BODY,
    "names in a comment, as NumPy writes": "# a b y\n" + BODY.replace(",", " "),
    "names in a comment with commas": "#a,b,y\n" + BODY,
    "sep= of a spreadsheet": "sep=;\na;b;y\n" + BODY.replace(",", ";"),
    "title line": "Measurements in the lab\na,b,y\n" + BODY,
    "title line with empty cells": "Measurements in the lab,,\n,,\na,b,y\n" + BODY,
    "a line of sizes": "4\na,b,y\n" + BODY,
    "header of an instrument": "Device,X-200\nSerial,77\nStart,noon,late,today\na,b,y\n" + BODY,
    "units": "a,b,y\nmm,kg,\n" + BODY,
    "units in brackets": "a,b,y\n[mm],[kg],[-]\n" + BODY,
    "trailing separator": "a,b,y,\n" + BODY.replace("\n", ",\n"),
    "trailing separators in the rows alone": "a,b,y\n" + BODY.replace("\n", ",,\n"),
    "total": "a,b,y\n" + BODY + "Total,18,\n",
    "sum and mean": "a,b,y\n" + BODY + "Sum,18,\nMean,4.5,\n",
    "remark at the end": "a,b,y\n" + BODY + "exported by the lab\n",
    "repeated header": "a,b,y\n" + BODY.replace("3.5", "a,b,y\n3.5"),
    "row names as R writes them": 'a,b,y\n"1",1.5,2,u\n"2",2.5,3,v\n"3",3.5,5,u\n"4",4.5,8,v\n',
    "row numbers as pandas writes them": ",a,b,y\n0,1.5,2,u\n1,2.5,3,v\n2,3.5,5,u\n3,4.5,8,v\n",
    "row numbers with a name": "Unnamed: 0,a,b,y\n0,1.5,2,u\n1,2.5,3,v\n2,3.5,5,u\n3,4.5,8,v\n",
    "shuffled numbers of samples": "id,a,b,y\n17,1.5,2,u\n4,2.5,3,v\n99,3.5,5,u\n12,4.5,8,v\n",
    "names of samples": "sample id,a,b,y\nk1,1.5,2,u\nk9,2.5,3,v\nk4,3.5,5,u\nk0,4.5,8,v\n",
    "dates": "day,a,b,y\n2024-01-01,1.5,2,u\n2024-01-02,2.5,3,v\n2024-01-03,3.5,5,u\n2024-01-04,4.5,8,v\n",
    "dates of Europe": "day;a;b;y\n1.2.2024;1.5;2;u\n2.2.2024;2.5;3;v\n3.2.2024;3.5;5;u\n4.2.2024;4.5;8;v\n",
    "times of day": "at,a,b,y\n10:00:01,1.5,2,u\n10:00:02,2.5,3,v\n10:00:03,3.5,5,u\n10:00:04,4.5,8,v\n",
    "times with zones": "at,a,b,y\n" + "".join(
        f"2024-01-01T10:00:0{n}.5+01:00,{line}\n" for n, line in enumerate(BODY.split())
    ),
    "Unix times": "time,a,b,y\n" + "".join(f"{1700000000 + 7 * n},{line}\n" for n, line in enumerate(BODY.split())),
    "an empty column with a name": "a,spare,b,y\n1.5,,2,u\n2.5,,3,v\n3.5,,5,u\n4.5,,8,v\n",
    "a column of one word": "a,unit,b,y\n1.5,mm,2,u\n2.5,mm,3,v\n3.5,mm,5,u\n4.5,mm,8,v\n",
    "everything quoted": 'a,b,y\n"1.5","2","u"\n"2.5","3","v"\n"3.5","5","u"\n"4.5","8","v"\n',
    "exponents and signs": "a,b,y\n15e-1,+2,u\n2.5E0,3.0,v\n3.5,5.,u\n4.5,08,v\n",
    "names in quotes with a line end": '"a",b,"y"\n' + BODY,
    "a spare blank after every line": "a,b,y \n" + BODY.replace("\n", " \n"),
}  # fmt: skip


def written(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("variant", SAME)
def test_the_same_table_is_read_from_every_variant(tmp_path: Path, variant: str) -> None:
    found = load(written(tmp_path, SAME[variant]), "y")
    assert (found.features, found.rows.tolist()) == (("a", "b"), WANTED)
    assert [found.classes[index] for index in found.targets] == ["u", "v", "u", "v"]


SCRAPS = (
    b",", b";", b"\t", b"\n", b"\r", b'"', b"#", b"?", b"NA", b"-", b"1e999", b"nan", b"_", b"\xff", b"\xe9", b" ",
    b"2024-01-01", b"Total", b"0", b"1", b"|", b"a,b,y", b"=", b"\xe2\x80\xa8", b"\x0c",
)  # fmt: skip


@pytest.mark.parametrize("missing", ["refuse", "drop", "mean", "flag"])
@pytest.mark.parametrize("skip_bad", [False, True])
def test_a_damaged_table_is_read_or_refused(tmp_path: Path, missing: Missing, skip_bad: bool) -> None:
    draw = random.Random(f"{missing} {skip_bad}")
    read = 0
    for content in [*SAME.values()] * 6:
        data = bytearray(content if isinstance(content, bytes) else content.encode())
        for _ in range(draw.randrange(1, 4)):
            place = draw.randrange(len(data) + 1)
            data[place : place + draw.randrange(3)] = draw.choice(SCRAPS)
        options = DataOptions(missing=missing, skip_bad=skip_bad, header=draw.choice((None, True, False)))
        try:
            found = load(written(tmp_path, bytes(data)), draw.choice(("y", "a,b", "x3")), options=options)
        except DataError:
            continue
        read += 1
        assert np.isfinite(found.rows).all()
        assert np.isfinite(found.targets).all()
        assert len(found.rows) == len(found.targets) > 1
        assert len(inputs_from(found)) == found.rows.shape[1] == len(found.features)
    assert read > 10


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (BODY, None),
        ("1,2,3\n4,5,6\n7,8,9\n", None),
        ("a,b,y\n" + BODY, ["a", "b", "y"]),
        ("2019,2020,kind\n" + BODY, None),
        ("color,size,y\nred,big,u\nblue,small,v\nred,small,u\n", ["color", "size", "y"]),
        ("red,big,u\nblue,small,v\nred,small,u\n", None),
        ("a,y\n", ["a", "y"]),
        ("1,2\n", None),
    ],
)
def test_a_header_is_told_by_what_stands_below(tmp_path: Path, content: str, names: list[str] | None) -> None:
    found = read_text(written(tmp_path, content))
    width = len(content.split("\n")[0].split(","))
    assert list(found.names) == (names or [f"x{n + 1}" for n in range(width)])
    assert found.header == (names is not None)
    assert any("--header or --no-header decides" in note for note in found.notes) == (names is None)


def test_names_that_may_be_numbers_are_said(tmp_path: Path) -> None:
    path = written(tmp_path, "150,4,kind\n1.5,2,u\n2.5,3,v\n")
    assert read_text(path).header is False
    path = written(tmp_path, "150,left,right,kind\n1.5,2,4,u\n2.5,3,5,v\n")
    assert read_text(path).notes == ("the first row is taken for names, as '150'; --header or --no-header decides",)


def test_the_header_is_what_the_user_says(tmp_path: Path) -> None:
    path = written(tmp_path, "2019,2020,y\n" + BODY)
    with pytest.raises(DataError, match=r"no column 'y' to learn; .*--header takes names from it"):
        load(path, "y")
    assert load(path, "y", options=DataOptions(header=True)).features == ("2019", "2020")
    path = written(tmp_path, "a,b,y\nc,d,z\na,d,y\n")
    assert load(path, "x3", options=DataOptions(header=False)).features == ("x1=a", "x1=c", "x2=b", "x2=d")


NUMBERS: dict[str, tuple[str, list[float]]] = {
    "thousands": ('"1,234.5"\n"12,345"\n-7.25', [1234.5, 12345, -7.25]),
    "thousands with blanks": ("1 234.5\n12 345\n7", [1234.5, 12345, 7]),
    "thousands with apostrophes": ("1'234.5\n12'345\n7", [1234.5, 12345, 7]),
    "a minus sign of typography": ("\u22121.5\n2\n3", [-1.5, 2, 3]),
    "leading point": (".5\n-.5\n1.", [0.5, -0.5, 1]),
    "exponents": ("1e3\n2E-2\n-3e+1", [1000, 0.02, -30]),
}


@pytest.mark.parametrize("variant", NUMBERS)
def test_numbers_are_read_as_they_are_written(tmp_path: Path, variant: str) -> None:
    cells, wanted = NUMBERS[variant]
    lines = "".join(f"{cell};{label}\n" for cell, label in zip(cells.split("\n"), "uvu", strict=True))
    assert load(written(tmp_path, "a;y\n" + lines), "y").rows[:, 0].tolist() == wanted


def test_points_part_thousands_where_commas_are_decimal(tmp_path: Path) -> None:
    path = written(tmp_path, "a;y\n1.234,5;u\n12.345;v\n-0,25;u\n")
    assert load(path, "y").rows[:, 0].tolist() == [1234.5, 12345, -0.25]


def test_latin_1_is_read_and_named(tmp_path: Path) -> None:
    path = written(tmp_path, "größe,y\n1,dévisser\n2,café\n".encode("cp1252"))
    found = load(path, "y")
    assert (found.features, found.classes) == (("größe",), ("café", "dévisser"))
    assert read_text(path).source["encoding"] == "Latin-1 (Windows-1252)"


FOREIGN: dict[str, tuple[bytes, str]] = {
    "JSON": (b'[{"a": 1}]', "holds JSON; save the table as CSV"),
    "HTML": (b"<html>", "holds XML or HTML"),
    "ARFF": (b"@relation iris\n@attribute a numeric\n", "an ARFF file"),
    "HDF5": (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    "a pickle": (b"\x80\x04\x95", "could run any program"),
    "a zip archive": (b"PK\x03\x04", "a zip archive"),
    "an old spreadsheet": (b"\xd0\xcf\x11\xe0\xa1", "an old spreadsheet"),
    "a damaged gzip file": (b"\x1f\x8b\x08\x00broken", "damaged gzip file"),
    "bytes": (bytes(range(1, 255)), "holds binary data"),
    "another encoding": ("a,y\n1,\u0430\n".encode("koi8-r") + b"\x81", "is neither UTF-8 nor Latin-1 text"),
}


@pytest.mark.parametrize("variant", FOREIGN)
def test_what_is_no_table_is_refused_with_the_remedy(tmp_path: Path, variant: str) -> None:
    content, message = FOREIGN[variant]
    with pytest.raises(DataError, match=message):
        load(written(tmp_path, content), "y")


def test_all_faults_are_told_at_once_and_skip_bad_leaves_out_their_rows(tmp_path: Path) -> None:
    bad = "a,b,y\n1,2,u\n3,ERR,v\n5,,u\n7,8\n9,10,v\n1e999,2,u\n11,12,u\n4,5,\n2,3,v\n4,4,u\n"
    path = written(tmp_path, bad)
    with pytest.raises(DataError) as caught:
        load(path, "y")
    lines = str(caught.value).splitlines()
    assert lines[0] == f"{path}: cannot be used as it is:"
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        "line 5", "line 3, column 'b'", "line 4, column 'b'", "line 7, column 'a'", "line 9, column 'y'",
    ]  # fmt: skip
    assert all("--skip-bad" in line or "--missing" in line for line in lines[1:])
    assert "found 'ERR'" in lines[2]
    found = load(path, "y", options=DataOptions(skip_bad=True))
    assert found.rows.tolist() == [[1, 2], [9, 10], [11, 12], [2, 3], [4, 4]]
    assert "left out 4 of 9 rows: lines 3, 4, 7, 9" in found.notes
    assert "--skip-bad left out 1 rows of another length" in found.notes


def test_of_many_faults_of_a_kind_the_first_are_told(tmp_path: Path) -> None:
    path = written(tmp_path, "a,y\n" + rows_of(60, "{r},{c}") + "x,a\n" * 30)
    with pytest.raises(DataError) as caught:
        load(path, "y")
    assert len(str(caught.value).splitlines()) == 6
    assert "and 26 more like these in column 'a'; correct the cell, or --skip-bad" in str(caught.value)


def test_missing_values_are_left_out_filled_or_flagged(tmp_path: Path) -> None:
    path = written(tmp_path, "a,color,y\n1.5,red,u\n?,blue,v\n2.5,,u\n3.3,red,v\nNA,red,u\n1,blue,v\n")
    options = {missing: load(path, "y", options=DataOptions(missing=missing)) for missing in ("drop", "mean", "flag")}
    assert options["drop"].rows.tolist() == [[1.5, 0, 1], [3.3, 0, 1], [1, 1, 0]]
    # The mean, 2.075, on the decimals of the column.
    assert options["mean"].rows.tolist()[1:3] == [[2.1, 1, 0], [2.5, 0, 1]]
    assert options["flag"].features == ("a", "a=?", "color=blue", "color=red", "color=?")
    assert options["flag"].rows.tolist()[1:3] == [[2.1, 1, 1, 0, 0], [2.5, 0, 0, 0, 1]]
