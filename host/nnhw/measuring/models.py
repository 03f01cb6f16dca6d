"""The integers to measure: those of a build folder, or of a model.json in each precision."""

from __future__ import annotations

from pathlib import Path

from nnhw.errors import InputError
from nnhw.exporting import build_folder
from nnhw.model_files import model_json
from nnhw_codegen.integers import precision
from nnhw_codegen.integers.qmodel import QModel
from nnhw_codegen.quantization.quantize import quantize

ALL = "all"


def models_in(path: Path, precision_name: str = ALL) -> tuple[list[QModel], str | None]:
    """The models, and the code that a build folder was exported with; a model.json has none.

    Raises InputError for a folder of another precision, and what reading and quantizing raise.
    """
    if path.is_dir():
        build = build_folder.read(path)
        if precision_name not in (ALL, build.model.precision.name):
            raise InputError(f"{path}: is {build.model.precision.name}; give the model.json for {precision_name}")
        return [build.model], build.manifest.code
    network = model_json.load(path)
    names = precision.names() if precision_name == ALL else (precision_name,)
    try:
        return [quantize(network, name) for name in names], None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
