"""Quantization-aware fine-tuning: moves the weights so that the integers tell what the float network tells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, pi
from typing import Any

import numpy as np
from nnhw_codegen import reference
from nnhw_codegen.fixed import to_real
from nnhw_codegen.precision import Precision
from nnhw_codegen.qmodel import QModel
from nnhw_codegen.quantize import QuantizeReport, quantize_report, spread_rows
from numpy.typing import NDArray

from nnhw import activations, losses, optimizers
from nnhw.network import Network
from nnhw.straight_through import Grid

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Settings:
    steps: int = 600
    batch: int = 64
    rate: float = 0.0015
    label_share: float = 0.25
    mixed: float = 0.5
    seed: int = 0
    checks: int = 12


@dataclass(frozen=True, eq=False)
class FineTuned:
    network: Network
    report: QuantizeReport
    before: float
    after: float


class Goal:
    """Outputs wanted on rows and the loss."""

    def __init__(self, network: Network, settings: Settings) -> None:
        self.network = network
        last = network.layers[-1]
        self.classes = len(network.classes)
        self.units = len(last.bias)
        if not network.classes:
            self.name, self.act = "mse", activations.get("identity")
        else:
            self.name, self.act = "cross_entropy", (None if self.units > 1 else activations.get("logsig"))

    def targets(self, rows):
        z = self.network.logits(rows)
        if not self.classes:
            return self.network.answers(z)
        if self.units == 1:
            return activations.get("logsig").value(z)
        y = np.exp(z - z.max(axis=1, keepdims=True))
        return y / y.sum(axis=1, keepdims=True)

    def loss(self, n):
        return losses.make(self.name, self.act, n, self.units)


def outputs(model, rows):
    return to_real(reference.logits(model, reference.codes(model, reference.ticks(model, rows))), model.output_frac)


def fine_tune(network: Network, precision: Precision, rows: Array | None = None, targets: Array | None = None, settings: Settings = Settings()) -> FineTuned:
    if rows is None:
        rows = network.calibration if network.calibration is not None else spread_rows(network)
    g = Goal(network, settings)
    cal = network.calibration if network.calibration is not None else rows
    plain = quantize_report(network, precision, cal)
    rng = np.random.default_rng([settings.seed, 7])
    soft = g.targets(rows)
    if targets is not None and settings.label_share:
        soft = (1 - settings.label_share) * soft + settings.label_share * targets
    # watched rows: the rows and mixtures of them
    def mixtures(n, r):
        a, b = r.integers(0, len(rows), (2, n))
        u = r.random((n, 1)) 
        return rows[a] + u * (rows[b] - rows[a])
    extra = mixtures(1000, np.random.default_rng([settings.seed, 8]))
    watch = np.vstack([rows, extra]); watch_t = np.vstack([soft, g.targets(extra)])
    watch_loss = g.loss(len(watch)).value
    def judge(model):
        return watch_loss(outputs(model, watch).T, watch_t.T)
    before = judge(plain.model)
    best = FineTuned(network, plain, before, before)
    nothing = [0 * bits for bits in plain.bits_given_up]
    starts = [nothing]
    if any(b.any() for b in plain.bits_given_up):
        starts.append([np.minimum(b, 1) for b in plain.bits_given_up])
    for finer in starts:
        grid = Grid(network, plain, finer)
        values = _run(grid, g, rows, soft, mixtures, rng, settings, watch, watch_t, watch_loss)
        grid.values[:] = values
        tuned = replace(grid.network(), calibration=network.calibration, training=dict(network.training))
        report = quantize_report(tuned, precision, cal)
        after = judge(report.model)
        #print("   grid", watch_loss(grid.forward(grid.codes(watch)).T, watch_t.T), "requantized", after, "before", before, report.widths, plain.widths)
        if after < best.after:
            best = FineTuned(tuned, report, before, after)
    return best


def _run(grid, g, rows, soft, mixtures, rng, s, watch, watch_t, watch_loss):
    loss = g.loss(2 * s.batch)
    rate = s.rate * grid.model.precision.weight_limit
    opt = optimizers.make("adam", grid.values, grid.gradient, rate, 0.9)
    codes = grid.codes(rows)
    watch_codes = grid.codes(watch)
    best, least = grid.values.copy(), watch_loss(grid.forward(watch_codes).T, watch_t.T)
    for step in range(s.steps):
        opt.rate = rate * 0.5 * (1 + cos(pi * step / s.steps))
        take = rng.integers(0, len(rows), s.batch)
        m = mixtures(s.batch, rng)
        x = np.vstack([codes[take], grid.codes(m)]); t = np.vstack([soft[take], g.targets(m)])
        z = grid.forward(x)
        d = np.empty(z.T.shape)
        loss.delta(z.T, t.T, d)
        grid.backward(d.T)
        opt.step(); grid.project()
        if (step + 1) % (s.steps // s.checks) == 0:
            v = watch_loss(grid.forward(watch_codes).T, watch_t.T)
            if v < least: least, best = v, grid.values.copy()
    return best
