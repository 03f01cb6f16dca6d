"""The part of a learning net that knows integers only."""

from nnrun.learn_program import Program, u16

try:
    from nnrun.learn_kernels_viper import handle, run
except (ImportError, NotImplementedError, SyntaxError, ValueError):
    from nnrun.learn_kernels import handle, run
try:
    from uctypes import addressof
except ImportError:
    from nnrun.learn_kernels import handle as addressof


_FAR = (1 << 29) - 1  # beyond every range


def kernel_of(module, data):
    """The run of a module that was generated for the model in data; ValueError where it is for another one."""
    if getattr(module, "MODEL", None) != (u16(data, 8), u16(data, 10)):
        raise ValueError("generated code of another model: run 'nnhw export --learn' again, copy all its files")
    return module.run


class Core:
    """Ticks to an answer, and one step of training; data is a .nnt file as nnrun.learn_store.read gives it.

    The weights, biases and remainders stay in data and change there. kernel is the run of a module that was generated
    for this very model, if there is one.
    """

    def __init__(self, data, kernel=None):
        self.data = data
        self.program = Program(data)
        self._kernel = kernel or run
        self._one = 1 << data[26]
        self._aimed = self.program.targets
        self.flip()
        self._handle = addressof(data) if kernel else handle(data)

    def flip(self):
        """Between weights as the file has them and weights as the kernels want them: plus 2^(bits - 1)."""
        size = self.data[20] >> 3
        for at, count in self.program.weights:
            for k in range(at + size - 1, at + count * size, size):
                self.data[k] ^= 128

    def enter(self, ticks):
        """Put ticks, any integers, where the doorway finds them."""
        count = self.data[16] | self.data[17] << 8
        if len(ticks) != count:
            raise ValueError("expected %d values, found %d" % (count, len(ticks)))
        room, t = self.program.room, self.program.t
        for i in range(count):
            room[t + i] = min(max(ticks[i], -_FAR), _FAR)  # an array would wrap what its 32 bits do not hold

    def aim(self, index):
        """Make class ``index`` the target of the next step."""
        program = self.program
        units, room, targets = program.units, program.room, program.targets
        if not 0 <= index < (units if units > 1 else 2):
            raise ValueError("class %s: there are %d" % (index, max(units, 2)))
        room[self._aimed] = 0
        if units > 1:
            targets += index
        if units > 1 or index:
            room[targets] = self._one
        self._aimed = targets

    def forward(self, answer=False):
        """From the ticks to the last pre-activations, or to the outputs."""
        self._run(self.program.answered if answer else self.program.decided)

    def step(self):
        """One step of training on the ticks and the target that were put in place."""
        self._run(len(self.program.blocks))

    def _run(self, stop):
        blocks = self.program.blocks
        blocks[0] = 2
        blocks[1] = stop
        self._kernel(self.program.room, self._handle, blocks)  # pyright: ignore[reportArgumentType] - viper takes buffers

    def decide(self):
        """The class of the last pre-activations, the first of equals (SPEC 6)."""
        program = self.program
        room, z, units = program.room, program.z, program.units
        if units == 1:
            return int(room[z] > 0)
        best, most = z, room[z]
        for j in range(z + 1, z + units):
            if room[j] > most:
                best, most = j, room[j]
        return best - z
