"""The smallest network of all: one neuron that knows y = 5 x1 + 7 x2."""

import line

for pair in ((1, 0), (0, 1), (1, 2), (-3, 4), (100, -100)):
    print(pair, "-> %.1f" % line.predict(pair))
