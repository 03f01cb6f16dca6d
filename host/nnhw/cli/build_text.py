"""What commands say of a fresh build."""

from __future__ import annotations

from nnhw.exporting.build_folder import Build
from nnhw_codegen.integers import reference
from nnhw_codegen.network.network import Network


def build_lines(network: Network, build: Build) -> list[str]:
    """What the user should know: files, proof, calibration, agreement, notes, and what to do next."""
    manifest = build.manifest
    files = ", ".join(f"{n} {file.size:,}" for n, file in manifest.files.items() if n.startswith(f"{build.name}."))
    limit = build.model.precision.accumulator_limit
    code = manifest.code + (f" for {manifest.board}" if manifest.board else "")
    lines = [
        f"wrote     {build.directory}: {manifest.precision}, {code}; bytes: {files}",
        f"proof     no sum reaches 2^{limit.bit_length() - 1} and no integer 2^30, for any input",
        f"rows      calibrated on {_calibrated_on(network)}",
    ]
    if network.calibration is not None and network.classes:
        same = reference.predict(build.model, network.calibration) == network.predict(network.calibration)
        same, what = (same, "class") if same.ndim == 1 else (same.all(axis=1), "answers")
        lines.append(f"agreement {int(same.sum())}/{len(same)} training rows get the float network's {what}")
    lines += [f"note      {note}" for note in manifest.notes]
    lines.append(f"next      nnhw verify {build.directory}; nnhw report {build.directory}")
    return lines


def _calibrated_on(network: Network) -> str:
    if network.calibration is None:
        return "rows spread over the declared input ranges, as the model keeps none"
    return f"{len(network.calibration)} rows that the model keeps"
