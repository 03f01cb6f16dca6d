"""What commands say of the precisions that were tried, and of a fresh build."""

from __future__ import annotations

from nnhw.cli.terminal import Table
from nnhw.exporting.build_folder import Build
from nnhw.tuning import choose_precision
from nnhw.tuning.choose_precision import Choice
from nnhw_codegen.integers import reference
from nnhw_codegen.network.network import Network


def tried_table(network: Network, choice: Choice) -> Table:
    """The precisions that were tried."""
    like = "made-up rows" if choice.made_up else "like float"
    heads = ("precision", like, "accuracy", "bytes", "bound / limit", "bits given up to the proof, per layer")
    rows = [
        (
            c.precision.name,
            choose_precision.percent(network, c.agreement),
            "" if c.accuracy is None else f"{100 * c.accuracy:.1f} %",
            f"{c.size:,}",
            f"2^{c.bound:.1f}",
            ", ".join(f"{value:.1f}" for value in c.bits_given_up),
        )
        for c in choice.candidates
    ]
    return Table(heads, rows, left=(0, 5))


def tried_lines(network: Network, choice: Choice, why: bool) -> list[str]:
    """Output by output how near each is, with ``why`` the reason for the choice; a warning where it is too far off."""
    lines = []
    for c in choice.candidates:
        if len(c.agreements) > 1:
            pairs = zip(choose_precision.output_names(network), c.agreements, strict=True)
            told = ", ".join(f"{name} {choose_precision.percent(network, value)}" for name, value in pairs)
            lines.append(f"{c.precision.name:<9} {told}")
    if why:
        name, floor = choice.chosen.precision.name, f"{100 * choice.least_agreement:g} %"
        unsure = ": on made-up rows, which say little about yours" if choice.made_up else ""
        reason = "the cheapest that reaches" if choice.met else "the nearest, but none reaches"
        lines.append(f"chosen    {name}: {reason} {floor} agreement with the float network{unsure}")
    elif warning := choose_precision.shortfall(network, choice):
        lines.append(f"warning   {warning}; --precision auto looks for a better one")
    return lines


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
        return "made-up rows, spread over the declared input ranges, as the model keeps none"
    return f"{len(network.calibration)} rows that the model keeps"
