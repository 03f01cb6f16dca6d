"""Learns y = 5 * x1 + 7 * x2 from examples and prints the 5 and the 7."""

import nnrun.learn

net = nnrun.learn.load("line.nnt")
rows = []
n = 1
for _ in range(100):
    n = n * 12829 + 13849 & 65535
    x1 = n % 401 / 100 - 2
    n = n * 12829 + 13849 & 65535
    x2 = n % 401 / 100 - 2
    rows.append(((x1, x2), 5 * x1 + 7 * x2))
net.fit(rows, 20)
weights, biases = net.weights()
print("y = %.3f * x1 + %.3f * x2 + %.3f" % (weights[0][0], weights[0][1], biases[0]))
print("f(1, 1) = %.3f" % net.predict((1, 1)))
net.save("line.nnt")
