"""Runs quantized nnhw models on a MicroPython board (SPEC 3, 5, 6, 7); works under CPython too."""

from nnrun.core import Core, expect
from nnrun.reader import FORMAT, checked, parse, u16
from nnrun.reals import formats
from nnrun.values import reciprocals, ticks

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
        self._steps = reciprocals(data, 24 + 20 * count, count)
        self.decision = ("argmax", "threshold", "values", "multilabel")[data[17]]
        self.output_frac = (u16(data, 22) ^ 32768) - 32768
        if self.decision == "values":
            self.offsets, self.output_frac = map(tuple, formats(data))

    def ticks(self, values, out):
        """Raw values -> ticks. ValueError for a value that is not a number."""
        expect(len(self._t), len(out))
        ticks(values, self._steps, out, 0)

    def codes(self, ticks, out):
        """Ticks, any integers -> input codes."""
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
        ticks(values, self._steps, self._t, 0)
        return self.predict_ticks(self._t)

    def label(self, values):
        """Raw values -> name of the class, or a tuple of the names that are answered with yes."""
        if self.decision == "values":
            raise ValueError("this model gives values, not classes: use predict")
        if self.decision == "multilabel":
            return self._named(self.predict(values))
        return self.classes[self.predict(values)]  # pyright: ignore[reportArgumentType, reportCallIssue] - an index where there are classes

    def _named(self, answer):
        # Not in label: there the list would make ``answer`` a cell, which takes heap for one class too.
        return tuple([name for j, name in enumerate(self.classes) if answer >> j & 1])


def load(path, check=False):
    """The model in a .nnb file; check=True proves its bounds again, which takes a board some seconds.

    Without the proof a forged file may give wrong answers, but never reads or writes outside itself. Raises ValueError
    for a file that is damaged, of another format, or not proved; OSError if it cannot be read; MemoryError if it does
    not fit the heap.
    """
    try:
        from nnrun import structure

        data = checked(path)
        structure.header(data)
        parts = parse(data)
        structure.check(*parts)
        net = Net(*parts)
        if check:
            from nnrun.check import check as prove

            prove(net, path)
    except (ValueError, IndexError) as error:
        raise ValueError("%s: %s" % (path, error)) from error
    return net
