"""A trained Iris net meets sensors that drifted, and recovers from 30 labelled samples."""

import nnrun.learn

GAIN = (0.75, 1.3, 0.8, 1.25)
OFFSET = (0.62, -0.38, 1.18, -0.32)  # none of which puts a value half-way between two ticks

net = nnrun.learn.load("iris.nnt")
rows = []
with open("iris.csv") as lines:
    lines.readline()
    for line in lines:
        parts = line.strip().split(",")
        rows.append(([float(part) for part in parts[:4]], net.classes.index(parts[4])))


def accuracy(some):
    """Percent of rows that the net tells right."""
    return 100 * sum([net.predict(values) == target for values, target in some]) / len(some)


print("before the drift: %.1f %%" % accuracy(rows))
for values, _ in rows:
    for i in range(4):
        values[i] = values[i] * GAIN[i] + OFFSET[i]
samples = rows[::5]
others = [rows[i] for i in range(len(rows)) if i % 5]
print("after the drift: %.1f %%" % accuracy(others))
net.rate(1, 4)
net.fit(samples, 20)
print("after 30 samples, 20 times: %.1f %%" % accuracy(others))
net.save("iris.nnt")
