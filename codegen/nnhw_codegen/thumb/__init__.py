"""ARMv6-M machine code."""
