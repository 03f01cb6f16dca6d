"""nnhw: small neural networks on microcontrollers, with the same integers on the PC and on the board."""

__version__ = "0.1.0"
