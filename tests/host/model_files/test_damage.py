"""Damaged and hostile model files end in one line, never in a traceback, and touch nothing outside themselves."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import zipfile
from pathlib import Path

import h5py
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from support.foreign_models import FOLDER, ModelFile, files

from nnhw.model_files.conversion import ConversionError, Settings
from nnhw.model_files.formats import archive
from nnhw.model_files.load import READERS, load

LONG = bool(os.environ.get("NNHW_LONG"))
COUNT = 2000 if LONG else 250
SEED = random.SystemRandom().randrange(10**6) if LONG else 0
SOURCES = tuple(
    file for file in files() if file.path.suffix in READERS and not file.path.name.endswith(".weights.h5")
)
ROWS = Settings(input_range=(0.0, 10.0), task="classification")


def damaged(content: bytes, chance: random.Random) -> bytes:
    """The bytes with some flipped, or cut, doubled, or replaced in one place."""
    data = bytearray(content)
    kind = chance.choice(("flip", "flip", "cut", "double", "fill"))
    place = chance.randrange(len(data))
    length = min(chance.randrange(1, 65), len(data) - place)
    if kind == "flip":
        for _ in range(chance.randrange(1, 9)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif kind == "cut":
        del data[place : place + (length if chance.random() < 0.5 else len(data))]
    elif kind == "double":
        data[place:place] = data[place : place + length]
    else:
        data[place : place + length] = bytes([chance.choice((0, 1, 0x30, 0x7F, 0xFF))]) * length
    return bytes(data)


def damaged_inside(content: bytes, chance: random.Random) -> bytes:
    """A ZIP file with one damaged member, its checksum put right; other files as they are."""
    if not content.startswith(b"PK"):
        return damaged(content, chance)
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(result, "w") as new:
        names = old.namelist()
        # The members that tell what to read are worth most of the damage.
        telling = [name for name in names if name.endswith((".json", ".h5"))]
        chosen = chance.choice(telling or names)
        for name in names:
            member = old.read(name)
            new.writestr(name, damaged(member, chance) if name == chosen and member else member)
    return result.getvalue()


def outcome(path: Path, settings: Settings = ROWS) -> str:
    """ "converted", or the refusal."""
    try:
        load(path, settings)
    except ConversionError as error:
        return str(error)
    return "converted"


def settings_for(file: ModelFile) -> Settings:
    settings = file.settings
    return Settings(input_range=(0.0, 10.0), task="classification", activations=settings.activations)


def test_damage_never_ends_in_a_traceback(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    refused = 0
    for number in range(COUNT):
        file = SOURCES[number % len(SOURCES)]
        damage = damaged_inside if chance.random() < 0.7 else damaged
        path = tmp_path / f"damaged{file.path.suffix}"
        path.write_bytes(damage(file.path.read_bytes(), chance))
        try:
            told = outcome(path, settings_for(file))
        except Exception as error:
            raise AssertionError(f"seed {SEED}, number {number}, {file.name}") from error
        assert told == "converted" or (told.startswith(f"{path}: ") and "\n" not in told)
        refused += told != "converted"
    assert refused > COUNT / 3


# Files that mean harm


def rezipped(name: str, change: dict[str, bytes]) -> bytes:
    """The ZIP file of a fixture with members replaced or added."""
    result = io.BytesIO()
    with zipfile.ZipFile(FOLDER / name) as old, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.namelist():
            if member not in change:
                new.writestr(member, old.read(member))
        for member, content in change.items():
            new.writestr(member, content)
    return result.getvalue()


def refusal(path: Path, content: bytes, settings: Settings = ROWS) -> str:
    """What the refusal of a file says; nothing else appears beside it."""
    path.write_bytes(content)
    with pytest.raises(ConversionError) as caught:
        load(path, settings)
    assert list(path.parent.iterdir()) == [path]
    return str(caught.value).removeprefix(f"{path}: ")


IRIS = {".skops": "sk_mlp_iris/model.skops", ".keras": "keras_iris_relu_softmax/model.keras"}
IRIS[".pt2"] = "torch_iris_logits/model.pt2"
TOLD = {".skops": "schema.json", ".keras": "config.json", ".pt2": "model/models/model.json"}


@pytest.mark.parametrize("suffix", TOLD)
def test_a_member_that_unpacks_without_end_is_not_unpacked(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MOST_BYTES", 2**20)
    content = rezipped(IRIS[suffix], {TOLD[suffix]: b" " * 2**22})
    assert len(content) < 2**18
    told = refusal(tmp_path / f"bomb{suffix}", content)
    assert told.startswith(f"member {TOLD[suffix]!r} unpacks to more than 1 MB")


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "..\\..\\evil", "C:\\evil", "a/../../evil"])
@pytest.mark.parametrize("suffix", TOLD)
def test_a_path_that_leaves_the_archive_is_refused(tmp_path: Path, suffix: str, name: str) -> None:
    content = rezipped(IRIS[suffix], {name: b"x"})
    assert "leaves the archive" in refusal(tmp_path / f"m{suffix}", content)


@pytest.mark.parametrize("suffix", TOLD)
def test_json_nested_without_end_is_refused(tmp_path: Path, suffix: str) -> None:
    content = rezipped(IRIS[suffix], {TOLD[suffix]: b"[" * 200_000})
    assert "nested too deeply" in refusal(tmp_path / f"m{suffix}", content)


class Marked:
    """Its pickle makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("suffix", [".pkl", ".pickle", ".joblib", ".pt", ".pth"])
def test_a_pickle_is_refused_unread(tmp_path: Path, suffix: str) -> None:
    content = pickle.dumps(Marked(tmp_path / "ran"))
    assert "runs code when it is read; save" in refusal(tmp_path / f"model{suffix}", content)


def test_a_pickle_in_the_place_of_an_array_is_refused_unread(tmp_path: Path) -> None:
    folder = tmp_path / "skops"
    folder.mkdir()
    array = io.BytesIO()
    np.save(array, np.array([Marked(folder / "ran")], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(FOLDER / IRIS[".skops"]) as old:
        names = [name for name in old.namelist() if name.endswith(".npy")]
    content = rezipped(IRIS[".skops"], dict.fromkeys(names, array.getvalue()))
    assert "is not an array of numbers" in refusal(folder / "m.skops", content)


def keras_with(weights: h5py.File, data: io.BytesIO) -> bytes:
    weights.close()
    return rezipped(IRIS[".keras"], {"model.weights.h5": data.getvalue()})


@pytest.mark.parametrize("kind", ["external link", "soft link", "virtual", "external storage"])
def test_hdf5_data_outside_the_file_is_not_opened(tmp_path: Path, kind: str) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["kernel"] = np.ones((4, 8))
    data = io.BytesIO()
    weights = h5py.File(data, "w")
    group = weights.create_group("layers/dense/vars")
    if kind == "external link":
        group["0"] = h5py.ExternalLink(str(secret), "kernel")
    elif kind == "soft link":
        group["0"] = h5py.SoftLink("/elsewhere")
    elif kind == "virtual":
        layout = h5py.VirtualLayout((4, 8), "<f8")
        layout[...] = h5py.VirtualSource(str(secret), "kernel", (4, 8))
        group.create_virtual_dataset("0", layout)
    else:
        group.create_dataset("0", (4, 8), "<f8", external=[(str(secret), 0, 256)])
    group["1"] = np.ones(8)
    content = keras_with(weights, data)
    folder = tmp_path / "model"
    folder.mkdir()
    told = refusal(folder / "m.keras", content)
    assert "not opened" in told or "not followed" in told


def test_hdf5_texts_without_an_end_are_not_followed(tmp_path: Path) -> None:
    content = bytearray((FOLDER / "keras_iris_relu_softmax/model.h5").read_bytes())
    first = content.index(b"GCOL") + 16
    content[first : first + 2] = bytes(2)  # the free space that ends the collection, of no size
    content[first + 8 : first + 16] = bytes(8)
    assert "its texts do not follow each other" in refusal(tmp_path / "m.h5", bytes(content))


def onnx_bytes(constant: onnx.TensorProto) -> bytes:
    nodes = [helper.make_node("Constant", [], ["w"], value=constant), helper.make_node("MatMul", ["x", "w"], ["y"])]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2]) for name in ("x", "y")]
    model = helper.make_model(helper.make_graph(nodes, "g", values[:1], values[1:]))
    return bytes(model.SerializeToString())


def test_onnx_weights_in_another_file_are_not_opened_even_in_a_constant(tmp_path: Path) -> None:
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [2, 2], np.ones(4, "<f4").tobytes(), raw=True)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/secret"
    told = refusal(tmp_path / "m.onnx", onnx_bytes(tensor))
    assert "'../../etc/secret', which is not opened" in told


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"{}", "holds no weights of a dense layer"),
        (b'{"a.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,0]}}', "do not hold"),
        (b'{"a.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}', "expected an integer from 0 to 0"),
        (b'{"a.weight":{"dtype":"X","shape":[2,2],"data_offsets":[0,0]}}', "dtype: expected"),
        (b'{"a.weight":{"shape":[2,2],"data_offsets":[0,0]}}', 'missing key "dtype"'),
        (b"[]", "expected an object"),
    ],
)
def test_a_safetensors_header_is_checked(tmp_path: Path, header: bytes, message: str) -> None:
    content = len(header).to_bytes(8, "little") + header
    assert message in refusal(tmp_path / "m.safetensors", content)


@pytest.mark.parametrize("suffix", sorted(READERS))
@pytest.mark.parametrize("content", [b"", b"PK", b"\x89HDF\r\n\x1a\n", b"\xff" * 100, b"text\n" * 9])
def test_what_is_no_model_file_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    refusal(tmp_path / f"m{suffix}", content)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "m.skops"
    with path.open("wb") as file:
        file.truncate(2**28 + 1)
    with pytest.raises(ConversionError, match="no network for a microcontroller needs more than 256 MB"):
        load(path, ROWS)


def test_a_small_file_cannot_ask_for_a_large_matrix(tmp_path: Path) -> None:
    """A bottleneck of one unit between two layers of 65,000 would fold to four billion weights."""
    weights = {"0.weight": (1, 65000), "2.weight": (65000, 1)}
    header, start = {}, 0
    for name, shape in weights.items():
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [start, start + 130000]}
        start += 130000
    text = json.dumps(header).encode()
    content = len(text).to_bytes(8, "little") + text + bytes(start)
    settings = Settings(input_range=(0.0, 1.0), task="regression", activations=("identity", "identity"))
    told = refusal(tmp_path / "m.safetensors", content, settings)
    assert "layer '2': 65000 units make too large a layer for a microcontroller" in told
