"""Trains a model on the board, in integers, and runs it (SPEC 9); works under CPython too.

import nnrun.learn
net = nnrun.learn.load("iris.nnt")
net.learn((5.1, 3.5, 1.4, 0.2), 0)
print(net.label((5.1, 3.5, 1.4, 0.2)))
net.save("iris.nnt")
"""

from array import array
from math import floor

from nnrun.learn_core import Core, kernel_of
from nnrun.learn_program import u16
from nnrun.learn_store import read, write
from nnrun.learn_structure import check
from nnrun.values import reciprocals, ticks


class Net(Core):
    """A model that learns, in memory.

    classes, outputs (of a regression) and inputs are tuples of names; decision is "argmax", "threshold", "values" or
    "multilabel".
    A wrong number of values is a ValueError.
    """

    def __init__(self, data, module=None):
        """data is the .nnt file, module the one that was generated for it."""
        super().__init__(data, module and kernel_of(module, data))
        at = self.program.texts
        count = u16(data, 16)
        labels = u16(data, 22)
        texts = []
        for _ in range(labels + 2 * count + data[18]):
            texts.append(bytes(data[at + 1 : at + 1 + data[at]]).decode())
            at += 1 + data[at]
        self.decision = ("argmax", "threshold", "values", "multilabel")[data[21]]
        names = tuple(texts[:labels])
        self.classes, self.outputs = ((), names) if data[21] == 2 else (names, ())
        self.inputs = tuple([texts[labels + 2 * i] for i in range(count)])
        self._steps = reciprocals(data, 40 + 20 * count, count)
        at = self.program.outputs
        end = at + 4 * u16(data, 24)
        fracs = array("h", data[end : end + 2 * u16(data, 24)])
        # Few attributes: a board looks for a method among all of them first.
        self._formats = [(2.0**frac, offset) for frac, offset in zip(fracs, array("f", data[at:end]))]
        self._clear()

    def _clear(self):
        self._count = self._right = self._error = 0

    def predict(self, values):
        """Raw values -> class index; for a regression the value, or a tuple of several."""
        ticks(values, self._steps, self.program.room, self.program.t)
        if self.classes:
            self.forward()
            return self.decide()
        self.forward(True)
        y = self.program.y
        found = [self.program.room[y + j] / unit + offset for j, (unit, offset) in enumerate(self._formats)]
        return found[0] if len(found) == 1 else tuple(found)

    def label(self, values):
        """Raw values -> name of the class."""
        if not self.classes:
            raise ValueError("this model gives values, not classes: use predict")
        return self.classes[self.predict(values)]  # pyright: ignore[reportArgumentType, reportCallIssue] - an index where there are classes

    def learn(self, values, target):
        """One step: raw values and the class index, or for a regression the value (a tuple of several)."""
        ticks(values, self._steps, self.program.room, self.program.t)
        if self.classes:
            self.aim(target)
        else:
            self._aim_at(target)
        self.step()
        program = self.program
        room, y, error = program.room, program.y, self._error
        for j in range(program.targets, program.targets + program.units):
            error += abs(room[y] - room[j])
            y += 1
        self._error = error
        self._count += 1
        if self.classes:
            self._right += self.decide() == target

    def _aim_at(self, values):
        if not isinstance(values, (tuple, list)):
            values = (values,)
        if len(values) != self.program.units:
            raise ValueError("expected %d target values, found %d" % (self.program.units, len(values)))
        for j in range(len(values)):
            unit, offset = self._formats[j]
            code = (values[j] - offset) * unit + 0.5
            self.program.room[self.program.targets + j] = floor(min(max(code, -5e8), 5e8))

    def rate(self, multiplier, shift):
        """Learn at multiplier * 2^-shift from now on; multiplier is 1 or 3, shift 0 to 20. ValueError where it cannot be."""
        self.program.change_rate(multiplier, shift)

    def report(self):
        """Print how the steps since the last report went, as Thonny's plotter draws it.

        The loss is the mean error of an output, in magnitude: of a probability, or of a value in its own unit; of several
        values in the units that they learn in (SPEC 9.10), so that none drowns another.
        """
        if self._count:
            unit = self._formats[0][0] if len(self._formats) == 1 else 1 << self.data[26]
            line = "loss: %.4g" % (self._error / self._count / self.program.units / unit)
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
        at, count = self.program.weights[layer]
        units, frac = self.program.shapes[layer]
        scales = [1.0] * units
        if layer + 1 == len(self.program.weights) and not self.classes:
            scales = [(1 << data[26]) / unit for unit, _ in self._formats]
        size = data[20] >> 3
        codes = [data[at + i] - 128 if size == 1 else u16(data, at + 2 * i) - 32768 for i in range(count)]
        width = count // units
        reals = [codes[i] * scales[i // width] / 2.0**frac for i in range(count)]
        at += size * count + 3 & ~3
        biases = array("i", data[at : at + 4 * units])
        return [reals[j * width : (j + 1) * width] for j in range(units)], [
            biases[j] * scales[j] / 16777216 for j in range(units)
        ]

    def save(self, path):
        """Write the model, whole or not at all; see nnrun.learn_store. OSError where it cannot be written."""
        self.flip()
        try:
            write(path, self.data)
        finally:
            self.flip()


class Answers(Net):
    """A model that answers each class with yes or no; decision is "multilabel" (SPEC 6.4).

    predict gives the answers as an integer, bit j that to class j; learn takes a sequence of 0 and 1.
    """

    def aim(self, index):
        """Make the answers in the bits of ``index`` the target of the next step."""
        program = self.program
        for j in range(program.units):
            program.room[program.targets + j] = self._one if index >> j & 1 else 0

    def decide(self):
        """The answers of the last pre-activations."""
        program, bits = self.program, 0
        for j in range(program.units):
            bits |= (program.room[program.z + j] > 0) << j
        return bits

    def label(self, values):
        """Raw values -> a tuple of the names that are answered with yes."""
        bits = self.predict(values)
        return tuple([name for j, name in enumerate(self.classes) if bits >> j & 1])  # pyright: ignore[reportOperatorIssue] - no values here

    def learn(self, values, target):
        """One step: raw values, and 1 or 0 for each class."""
        if len(target) != self.program.units:
            raise ValueError("expected %d answers of 0 or 1, found %d" % (self.program.units, len(target)))
        super().learn(values, sum([bool(target[j]) << j for j in range(len(target))]))


def load(path, module=None):
    """The model in a .nnt file, or in PATH.new where a save was cut off.

    module is one that 'nnhw export --learn' generated for this model, NAME_learn, and makes learning faster. Raises
    ValueError for a file that is damaged, forged or of another format, and for a module of another model; OSError if there
    is no file; MemoryError if it does not fit the heap.
    """
    data = read(path)
    try:
        check(data)
    except (ValueError, IndexError) as error:
        raise ValueError("%s: %s: export the model again" % (path, error)) from error
    return (Answers if data[21] == 3 else Net)(data, module)
