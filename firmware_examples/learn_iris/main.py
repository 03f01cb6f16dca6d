"""Learns Iris on the board, from scratch: no PC has trained these weights."""

import nnrun.learn

net = nnrun.learn.load("iris.nnt")
rows = []
with open("iris.csv") as lines:
    lines.readline()
    for line in lines:
        parts = line.strip().split(",")
        rows.append(([float(part) for part in parts[:4]], net.classes.index(parts[4])))
train = [rows[i] for i in range(len(rows)) if i % 5]
test = [rows[i] for i in range(0, len(rows), 5)]
net.fit(train, 30)
right = sum([net.predict(values) == target for values, target in test])
print("held out: %d of %d right" % (right, len(test)))
net.save("iris.nnt")
