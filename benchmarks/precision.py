"""Every precision on five data sets, four activations and many seeds, against the float network.

    python benchmarks/precision.py [--seeds 20] [--jobs 2]     writes benchmarks/results/precision*.{json,md}

Every seed has its own stratified 80/20 split and initial weights. Post-training quantization, calibrated on up to 256
training rows; for acc16 also after fine-tuning on the training rows. Also counts how many calibrated w16a16 models would
pass 2^30 on their own test rows without the proof, and how near to its bound the largest partial sum comes over the test
rows and the corners of the input box.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from rig.nets import ALL
from rig.results import write

from nnhw.data import datasets
from nnhw.training.train import Options, target_matrix, train
from nnhw.tuning.fine_tune import fine_tune
from nnhw_codegen.integers import precision, reference
from nnhw_codegen.integers.fixed import IntArray
from nnhw_codegen.integers.precision import PROOF_LIMIT
from nnhw_codegen.integers.qmodel import QModel
from nnhw_codegen.quantization.quantize import quantize

HIDDEN = ("relu", "leaky_relu", "logsig", "softplus")
CALIBRATION_ROWS = 256
UNPROVED = dataclasses.replace(precision.get("w16a16"), accumulator_limit=1 << 60)
TUNED = "acc16, fine-tuned"
REQUIRED = {"w16a16": 99.99, "w8a16": 99.9, "w8a8": 99.6, "acc16": 99.6, TUNED: 99.6}


def largest_sums(model: QModel, x: IntArray) -> list[int]:
    """The largest magnitude of any partial sum of each layer, summing in order, over input codes x (n, inputs)."""
    result = []
    for layer in model.layers:
        sums = layer.bias[:, None] + np.cumsum(x[:, None, :] * layer.weights, axis=2)
        result.append(max(int(np.abs(sums).max()), int(np.abs(layer.bias).max())))
        x = reference.layer_output(layer, x)
    return result


def corners(model: QModel) -> IntArray:
    """For every neuron of the first layer, the two corners of the input box that push its sum farthest."""
    low, high = model.code_range
    up = np.where(model.layers[0].weights > 0, high, low)
    return np.vstack([up, low + high - up])


def measure(net: str, hidden: str, seed: int) -> dict[str, Any]:
    """Train one network and quantize it to every precision."""
    chosen = ALL[net]
    kept, held = datasets.split(chosen.rows(), 0.2, seed)
    network, _ = train(kept, chosen.hidden, hidden=hidden, options=Options(seed=seed, **chosen.options))
    rows = kept.rows[np.random.default_rng(seed).permutation(len(kept.rows))[:CALIBRATION_ROWS]]
    wanted = network.predict(held.rows)
    result: dict[str, Any] = {"net": net, "float": float((wanted == held.targets).mean()), "rows": len(held.rows)}
    models = {name: quantize(network, precision.get(name), rows) for name in precision.names()}
    network.calibration = rows
    tuned = fine_tune(network, precision.get("acc16"), kept.rows, target_matrix(network, kept), seed=seed)
    models[TUNED] = tuned.report.model
    for name, model in models.items():
        codes = reference.codes(model, reference.ticks(model, held.rows))
        found = reference.decide(model, reference.logits(model, codes))
        sums = largest_sums(model, np.vstack([codes, corners(model)]))
        bounds = [int(max(layer.high.max(), -layer.low.min())) for layer in model.layers]
        result[name] = {
            "differing": int((found != wanted).sum()),
            "accuracy": float((found == held.targets).mean()),
            "over": int(max(sums) >= model.precision.accumulator_limit),
            "tightness": sums[0] / bounds[0],
        }
    unproved = quantize(network, UNPROVED, rows)
    sums = largest_sums(unproved, reference.codes(unproved, reference.ticks(unproved, held.rows)))
    result["unproved"] = max(sums)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    cells = [(net, hidden, seed) for net in ALL for hidden in HIDDEN for seed in range(arguments.seeds)]
    found: list[dict[str, Any]] = Parallel(n_jobs=arguments.jobs)(delayed(measure)(*cell) for cell in cells)
    rows, missed = [], []
    for name in REQUIRED:
        for net in (*ALL, "all"):
            chosen = [r for r in found if net in ("all", r["net"])]
            total = sum(r["rows"] for r in chosen)
            differing = sum(r[name]["differing"] for r in chosen)
            agreement = 100.0 - 100.0 * differing / total
            lost = [100.0 * (r[name]["accuracy"] - r["float"]) for r in chosen]
            rows.append(
                {
                    "precision": name,
                    "net": net,
                    "agreement %": round(agreement, 3),
                    "differing": f"{differing} of {total}",
                    "float accuracy %": round(100.0 * float(np.mean([r["float"] for r in chosen])), 2),
                    "difference, points": f"{np.mean(lost):+.3f} +- {1.96 * np.std(lost) / np.sqrt(len(lost)):.3f}",
                    "sums over the limit": sum(r[name]["over"] for r in chosen),
                    "largest sum / bound": round(float(np.median([r[name]["tightness"] for r in chosen])), 3),
                }
            )
            if net == "all" and agreement < REQUIRED[name]:
                missed.append(f"{name}: agreement {agreement:.3f} %, required {REQUIRED[name]} %")
            if net != "all" and abs(np.mean(lost)) > 0.3:
                missed.append(f"{name}, {net}: accuracy differs by {np.mean(lost):+.2f} points, at most 0.3 required")
    write(
        "precision",
        f"Quantized networks against floats, {len(HIDDEN)} activations x {arguments.seeds} seeds per net",
        rows,
    )
    broken = [
        {
            "net": net,
            "models": len(chosen),
            "past 2^30 on their test rows": sum(r["unproved"] >= PROOF_LIMIT for r in chosen),
            "past 2^31": sum(r["unproved"] >= 2 * PROOF_LIMIT for r in chosen),
        }
        for net in (*ALL, "all")
        for chosen in [[r for r in found if net in ("all", r["net"])]]
    ]
    write("precision_without_proof", "Calibrated w16a16 models without the proof", broken, "precision")
    print("\n".join(missed) or "all targets met")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
