"""Trains a model on the board, in integers, and runs it (SPEC 9); works under CPython too.

import nnrun.learn
net = nnrun.learn.load("iris.nnt")
net.learn((5.1, 3.5, 1.4, 0.2), 0)
print(net.label((5.1, 3.5, 1.4, 0.2)))
net.save("iris.nnt")
"""

from array import array
from math import floor
from struct import unpack_from

from nnrun.learn_core import Core, kernel_of
from nnrun.learn_reader import u16
from nnrun.learn_store import read, write
from nnrun.values import reciprocals, ticks


class Net(Core):
    """A model that learns, in memory.

    classes, outputs (of a regression) and inputs are tuples of names; decision is "argmax", "threshold" or "values".
    A wrong number of values is a ValueError.
    """

    def __init__(self, data, module=None):
        """data is the .nnt file, module the one that was generated for it."""
        super().__init__(data, module and kernel_of(module, data))
        at = self.plan.texts
        count = u16(data, 16)
        labels = u16(data, 22)
        texts = []
        for _ in range(labels + 2 * count + data[18]):
            texts.append(bytes(data[at + 1 : at + 1 + data[at]]).decode())
            at += 1 + data[at]
        self.decision = ("argmax", "threshold", "values")[data[21]]
        names = tuple(texts[:labels])
        self.classes, self.outputs = ((), names) if data[21] == 2 else (names, ())
        self.inputs = tuple([texts[labels + 2 * i] for i in range(count)])
        self._steps = reciprocals(data, 40 + 20 * count, count)
        self._unit = 2.0 ** ((u16(data, 24) ^ 32768) - 32768)
        self._offsets = unpack_from("<%dd" % self.plan.units, data, self.plan.state - 8 * self.plan.units)
        self._clear()

    def _clear(self):
        self._count = self._right = self._error = 0

    def predict(self, values):
        """Raw values -> class index; for a regression the value, or a tuple of several."""
        ticks(values, self._steps, self.plan.room, self.plan.t)
        if self.classes:
            self.forward()
            return self.decide()
        self.forward(True)
        y = self.plan.y
        found = [self.plan.room[y + j] / self._unit + self._offsets[j] for j in range(self.plan.units)]
        return found[0] if len(found) == 1 else tuple(found)

    def label(self, values):
        """Raw values -> name of the class."""
        if not self.classes:
            raise ValueError("this model gives values, not classes: use predict")
        return self.classes[self.predict(values)]  # pyright: ignore[reportArgumentType, reportCallIssue] - an index where there are classes

    def learn(self, values, target):
        """One step: raw values and the class index, or for a regression the value (a tuple of several)."""
        ticks(values, self._steps, self.plan.room, self.plan.t)
        if self.classes:
            self.aim(target)
        else:
            self._aim_at(target if isinstance(target, (tuple, list)) else (target,))
        self.step()
        plan = self.plan
        room, y, error = plan.room, plan.y, self._error
        for j in range(plan.targets, plan.targets + plan.units):
            error += abs(room[y] - room[j])
            y += 1
        self._error = error
        self._count += 1
        if self.classes:
            self._right += self.decide() == target

    def _aim_at(self, values):
        if len(values) != self.plan.units:
            raise ValueError("expected %d target values, found %d" % (self.plan.units, len(values)))
        for j in range(len(values)):
            code = (values[j] - self._offsets[j]) * self._unit + 0.5
            self.plan.room[self.plan.targets + j] = floor(min(max(code, -5e8), 5e8))

    def rate(self, multiplier, shift):
        """Learn at multiplier * 2^-shift from now on; multiplier is 1 or 3, shift 0 to 20. ValueError where it cannot be."""
        self.plan.change_rate(multiplier, shift)

    def report(self):
        """Print how the steps since the last report went, as Thonny's plotter draws it.

        The loss is the mean error of an output, in magnitude: of a probability, or of a value in its own unit.
        """
        if self._count:
            unit = self._unit if self.decision == "values" else 1 << self.data[26]
            line = "loss: %.4g" % (self._error / self._count / self.plan.units / unit)
            if self.classes:
                line += " acc: %.3f" % (self._right / self._count)
            print(line)
        self._clear()

    def fit(self, rows, epochs=1):
        """Learn rows, a sequence of (values, target), each once per epoch in a new order; print a report per epoch."""
        order = array("H", range(len(rows)))
        noise = 1
        self._clear()
        for _ in range(epochs):
            for i in range(len(order) - 1, 0, -1):
                noise = noise * 12829 + 13849 & 65535
                j = noise * (i + 1) >> 16
                order[i], order[j] = order[j], order[i]
            for i in order:
                self.learn(rows[i][0], rows[i][1])
            self.report()

    def weights(self, layer=0):
        """(weights, biases) of a layer as reals: a list of one list per unit, and a list.

        They apply to inputs less their mean, over their scale; in the last layer of a regression to values less the
        offset of the output.
        """
        data = self.data
        at, count = self.plan.weights[layer]
        units, frac = self.plan.shapes[layer]
        scale = 1.0
        if layer + 1 == len(self.plan.weights) and not self.classes:
            scale = (1 << data[26]) / self._unit
        size = data[20] >> 3
        codes = [data[at + i] - 128 if size == 1 else u16(data, at + 2 * i) - 32768 for i in range(count)]
        reals = [code * scale / 2.0**frac for code in codes]
        width = count // units
        at += size * count + 3 & ~3
        biases = array("i", data[at : at + 4 * units])
        return [reals[j * width : (j + 1) * width] for j in range(units)], [b * scale / 16777216 for b in biases]

    def save(self, path):
        """Write the model, whole or not at all; see nnrun.learn_store. OSError where it cannot be written."""
        self.flip()
        try:
            write(path, self.data)
        finally:
            self.flip()


def load(path, module=None):
    """The model in a .nnt file, or in PATH.new where a save was cut off.

    module is one that 'nnhw export --learn' generated for this model, NAME_learn, and makes learning faster. Raises
    ValueError for a file that is damaged or of another format, and for a module of another model; OSError if there is no
    file.
    """
    return Net(read(path), module)
