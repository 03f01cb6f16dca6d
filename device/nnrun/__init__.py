"""Runs quantized nnhw models on a MicroPython board."""
