"""Names the flower that four potentiometers stand for, once a second."""

import time

import iris

RANGES = ((4.0, 8.0), (2.0, 4.5), (1.0, 7.0), (0.0, 2.5))
"""Centimeters at both ends of each potentiometer: sepal length and width, petal length and width."""


def centimeters(readings):
    """Readings from 0 to 65535 -> values of the four inputs."""
    return [low + (high - low) * r / 65535 for r, (low, high) in zip(readings, RANGES)]


def run(read, wait, rounds=-1):
    """Reads, classifies and prints; without end unless ``rounds`` says how often."""
    while rounds:
        values = centimeters(read())
        print(" ".join("%.1f" % v for v in values), "->", iris.label(values))
        wait()
        rounds -= 1


if __name__ == "__main__":
    from machine import ADC, Pin

    inputs = [ADC(Pin(number), atten=ADC.ATTN_11DB) for number in (32, 33, 34, 35)]
    run(lambda: [adc.read_u16() for adc in inputs], lambda: time.sleep(1))
