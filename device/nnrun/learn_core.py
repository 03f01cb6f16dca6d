"""The part of a learning net that knows integers only."""

from nnrun.learn_reader import Plan

try:
    from nnrun.learn_kernels_viper import handle, run
except (ImportError, NotImplementedError, SyntaxError, ValueError):
    from nnrun.learn_kernels import handle, run
try:
    from uctypes import addressof
except ImportError:
    from nnrun.learn_kernels import handle as addressof


class Core:
    """Ticks to an answer, and one step of training; data is a .nnt file as nnrun.learn_store.read gives it.

    The weights, biases and remainders stay in data and change there. kernel is the run of a module that was generated
    for this very model, if there is one.
    """

    def __init__(self, data, kernel=None):
        self.data = data
        self.plan = Plan(data)
        self._kernel = kernel or run
        self.flip()
        self._handle = addressof(data) if kernel else handle(data)

    def flip(self):
        """Between weights as the file has them and weights as the kernels want them: plus 2^(bits - 1)."""
        size = self.data[20] >> 3
        for at, count in self.plan.weights:
            for k in range(at + size - 1, at + count * size, size):
                self.data[k] ^= 128

    def enter(self, ticks):
        """Put ticks, integers below 2^29 in magnitude, where the doorway finds them."""
        count = self.data[16] | self.data[17] << 8
        if len(ticks) != count:
            raise ValueError("expected %d values, found %d" % (count, len(ticks)))
        for i in range(count):
            self.plan.room[self.plan.t + i] = ticks[i]

    def aim(self, index):
        """Make class ``index`` the target of the next step."""
        units = self.plan.units
        if not 0 <= index < max(units, 2):
            raise ValueError("class %s: there are %d" % (index, max(units, 2)))
        one = 1 << self.data[26]
        room = self.plan.room
        for j in range(units):
            room[self.plan.targets + j] = one * (index == j)
        if units == 1:
            room[self.plan.targets] = one * index

    def forward(self, answer=False):
        """From the ticks to the last pre-activations, or to the outputs."""
        self._run(self.plan.answered if answer else self.plan.decided)

    def step(self):
        """One step of training on the ticks and the target that were put in place."""
        self._run(len(self.plan.program))

    def _run(self, stop):
        program = self.plan.program
        program[0] = 2
        program[1] = stop
        self._kernel(self.plan.room, self._handle, program)  # pyright: ignore[reportArgumentType] - viper takes buffers

    def decide(self):
        """The class of the last pre-activations, the first of equals (SPEC 6)."""
        room = self.plan.room
        best = self.plan.z
        if self.plan.units == 1:
            return int(room[best] > 0)
        for j in range(best, best + self.plan.units):
            if room[j] > room[best]:
                best = j
        return best - self.plan.z
