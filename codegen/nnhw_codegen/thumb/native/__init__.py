"""The native .mpy module: entries that get objects as MicroPython holds them."""
