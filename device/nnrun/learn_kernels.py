"""The integers of a training step, for every MicroPython (SPEC 9). Nothing here lands on the heap.

A step is a program: blocks of numbers, each an operation, the length of the block, and what nnrun.learn_program puts
behind them. Vectors lie in room; weights, biases and remainders in data, the file, where weights are unsigned: the
weight plus 2^(bits - 1).
"""

from nnrun.learn_backward import back, below_top, clip, delta, share, slope
from nnrun.learn_forward import dense, doorway, steps
from nnrun.learn_update import update

_OPERATIONS = (doorway, dense, steps, clip, below_top, share, delta, back, slope, update)


def handle(data):
    """What run is given for the file."""
    return data


def run(room, data, program):
    """The blocks from program[0] to program[1]."""
    at = program[0]
    while at < program[1]:
        _OPERATIONS[program[at]](room, program, at, data)
        at += program[at + 1]
