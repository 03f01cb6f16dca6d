"""Writes motor.csv: what an accelerometer and a thermometer on a small motor would tell, by a simple physical model.

Nothing here was measured. A window is 128 samples of acceleration at 1 kHz, in g:

    normal     rotation at 25 Hz with a residual unbalance of 0.08 g, and noise of 0.03 g
    unbalance  the same with 0.3 to 0.8 g: centrifugal force grows with the eccentric mass
    bearing    the normal rotation, and at every roll over a damaged race (about 3.6 a turn) a shock of 0.8 to 2 g that
               rings at 300 Hz and dies within 3 ms; friction warms the bearing

The bearing's temperature above the air is 12 K of losses when healthy, 14 K unbalanced, 24 K damaged, each +-3 K.
"""

import csv
import math
import random

from features import features

RATE, SAMPLES, TURNS = 1000, 128, 25.0
WARM = {"normal": 12.0, "unbalance": 14.0, "bearing": 24.0}


def window(state, generator):
    """Acceleration in g, one number a millisecond."""
    swing = generator.uniform(0.3, 0.8) if state == "unbalance" else generator.gauss(0.08, 0.01)
    phase = generator.uniform(0, 2 * math.pi)
    shock = generator.uniform(0.8, 2.0) if state == "bearing" else 0.0
    period, since = 1 / (3.6 * TURNS), generator.uniform(0, 1 / (3.6 * TURNS))
    samples = []
    for n in range(SAMPLES):
        t = n / RATE
        after = (t + since) % period
        ring = shock * math.exp(-after / 0.003) * math.cos(2 * math.pi * 300 * after)
        samples.append(swing * math.sin(2 * math.pi * TURNS * t + phase) + ring + generator.gauss(0, 0.03))
    return samples


def main():
    """Writes 100 windows of each state as features, and the first three of each as samples."""
    generator = random.Random(1)
    rows, kept = [], []
    for state, warm in WARM.items():
        for n in range(100):
            samples, rise = window(state, generator), generator.gauss(warm, 3.0)
            rows.append([*(f"{v:.3f}" for v in features(samples)), f"{rise:.1f}", state])
            if n < 3:
                kept.append([state, f"{rise:.1f}", *(f"{s:.3f}" for s in samples)])
    with open("motor.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([["rms", "peak", "jerk", "rise", "state"], *rows])
    with open("recorded.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(kept)


if __name__ == "__main__":
    main()
