"""Code for MicroPython's own native compiler."""
