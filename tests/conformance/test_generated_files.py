"""What every generated file says of itself (SPEC 8.1)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from support.networks import plain_network as network

from nnhw import __version__
from nnhw.exporting import write_build
from nnhw_codegen import emitters
from nnhw_codegen.integers.qmodel import FORMAT


@pytest.mark.parametrize("code", emitters.names())
def test_a_generated_file_names_format_version_and_model(code: str, tmp_path: Path) -> None:
    write_build.export(network((3, 4, 2), "tanh"), tmp_path / "m", "w8a8", code, source="m.json")
    model_hash = hashlib.sha256((tmp_path / "m/m.nnb").read_bytes()).hexdigest()[:16]
    (generated,) = (path for path in (tmp_path / "m").iterdir() if path.stem == "m" and path.suffix in (".py", ".h"))
    text = generated.read_text("utf-8")
    banner = text.partition("\n")[0]
    assert all(part in banner for part in (f"format {FORMAT},", f"nnhw {__version__},", f"model {model_hash};"))
    assert text.count(model_hash) > 1, "the running code can tell its model, too"
