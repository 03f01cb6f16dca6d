"""The part of a net that knows integers only; all that a very small board needs beside the reader."""

from array import array

try:
    from nnrun.kernels_viper import activate, dense, doorway
except (ImportError, NotImplementedError, SyntaxError, ValueError):
    from nnrun.kernels import activate, dense, doorway


_FAR = (1 << 29) - 1  # beyond every range


def expect(wanted, found):
    """Raise ValueError where the number of values is wrong."""
    if wanted != found:
        raise ValueError("expected %d values, found %d" % (wanted, found))


class Core:
    """Ticks to logits and to the answer; read() of nnrun.reader gives the parts."""

    def __init__(self, data, tables, layers):
        self.data = data
        self._tables = tables
        self._layers = layers
        end = 24 + 20 * data[12] + 5120 * data[13]
        self._door = array("i", data[24:end])
        self._t = array("i", data[24 : 24 + (end - 24) // 5])
        self._x = array("i", self._t)

    def logits(self, ticks, out):
        """Ticks, any integers -> outputs. Nothing lands on the heap."""
        self._enter(ticks)
        self._forward()
        self._leave(out)

    def _enter(self, ticks):
        count = len(self._x)
        expect(count, len(ticks))
        for i in range(count):
            self._t[i] = min(max(ticks[i], -_FAR), _FAR)  # an array would wrap what its 32 bits do not hold
        doorway(self._door, self._t, self._x, count)  # pyright: ignore[reportArgumentType] - viper takes buffers

    def _forward(self):
        x = self._x
        for shape, registers in self._layers:
            dense(self.data, x, 0, shape, registers)  # pyright: ignore[reportArgumentType] - viper takes buffers
            activate(self.data, shape, self._tables, registers)
            x = registers

    def _leave(self, out):
        shape, y = self._layers[-1]
        expect(shape[1], len(out))
        for j in range(shape[1]):
            out[j] = y[shape[8] + j]

    def predict_ticks(self, ticks):
        """Ticks -> class index, the first of equals; answers of yes or no as bits, the first lowest; value, or a tuple."""
        self._enter(ticks)
        self._forward()
        shape, y = self._layers[-1]
        best = first = shape[8]
        decision = self.data[17]
        if decision:
            if decision == 2:
                from nnrun.reals import reals

                return reals(self.data, y, first)
            answer = int(y[first] > 0)
            if decision == 3:
                for j in range(1, shape[1]):
                    answer |= (y[first + j] > 0) << j
            return answer
        for j in range(first, first + shape[1]):
            best += (y[j] > y[best]) * (j - best)
        return best - first
