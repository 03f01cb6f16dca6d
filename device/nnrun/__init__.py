"""Runs quantized nnhw models on a MicroPython board (SPEC 3, 5, 6, 7); works under CPython too."""

from math import floor

from nnrun.core import Core, expect
from nnrun.reader import FORMAT, read, u16

__all__ = ["FORMAT", "Net", "load"]


class Net(Core):
    """A model in memory.

    classes and inputs are tuples of names; precision is a name; decision is "argmax" or "threshold" (predict gives a class
    index), "values" (reals) or "multilabel" (an integer, bit j the answer to class j). output_frac is the number of
    fraction bits of the logits; for values it is a tuple, and offsets, another one, are added. A wrong number of values
    is a ValueError.
    """

    def __init__(self, data, tables, layers, at):
        """The parts that nnrun.reader.read() gives."""
        super().__init__(data, tables, layers)
        count = u16(data, 12)
        texts = []
        for _ in range(1 + u16(data, 18) + 2 * count):
            texts.append(bytes(data[at + 1 : at + 1 + data[at]]).decode())
            at += 1 + data[at]
        start = len(texts) - 2 * count
        self.precision = texts[0]
        self.classes = tuple(texts[1:start])
        self.inputs = tuple([texts[start + 2 * i] for i in range(count)])
        self._steps = [float(texts[start + 2 * i + 1]) for i in range(count)]
        self.decision = ("argmax", "threshold", "values", "multilabel")[data[17]]
        self.output_frac = (u16(data, 22) ^ 32768) - 32768
        if self.decision == "values":
            self.offsets, self.output_frac = map(tuple, self._formats())

    def ticks(self, values, out):
        """Raw values -> ticks; the only floats before the answer."""
        expect(len(self._t), len(values))
        expect(len(self._t), len(out))
        for i in range(len(values)):
            # The limit of a float is one that every board holds exactly, far beyond any tick and below 2^30.
            tick = floor(min(max(values[i] / self._steps[i] + 0.5, -1e9), 1e9))
            low = self._door[5 * i]
            out[i] = min(max(tick, low - 1), low + self._door[5 * i + 1] + 1)

    def codes(self, ticks, out):
        """Ticks, integers below 2^29 in magnitude -> input codes."""
        expect(len(self._x), len(out))
        self._enter(ticks)
        for i in range(len(out)):
            out[i] = self._x[i]

    def logits_from_codes(self, codes, out):
        """Input codes -> outputs."""
        expect(len(self._x), len(codes))
        for i in range(len(codes)):
            self._x[i] = codes[i]
        self._forward()
        self._leave(out)

    def predict(self, values):
        """Raw values -> class index; value, or a tuple of several; answers of yes or no as bits, the first lowest."""
        self.ticks(values, self._t)
        return self.predict_ticks(self._t)

    def label(self, values):
        """Raw values -> name of the class, or a tuple of the names that are answered with yes."""
        if self.decision == "values":
            raise ValueError("this model gives values, not classes: use predict")
        if self.decision == "multilabel":
            answer = self.predict(values)
            return tuple([name for j, name in enumerate(self.classes) if answer >> j & 1])  # pyright: ignore[reportOperatorIssue, reportOptionalOperand] - bits
        return self.classes[self.predict(values)]  # pyright: ignore[reportArgumentType, reportCallIssue] - an index where there are classes


def load(path, check=False):
    """The model in a .nnb file; check=True proves its bounds again, which takes a board some seconds.

    Raises ValueError for a file that is damaged, of another format, or not proved; OSError if it cannot be read.
    """
    try:
        net = Net(*read(path))
        if check:
            from nnrun.check import check as prove

            prove(net, path)
    except (ValueError, IndexError) as error:
        raise ValueError("%s: %s" % (path, error)) from error
    return net
