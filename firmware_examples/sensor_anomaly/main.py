"""Says once a second how a motor is doing, from its vibration and the warmth of its bearing."""

import time

import motor
from features import features

SAMPLES = 128


def state(samples, rise):
    """Acceleration in g and the temperature above the air in kelvin -> name of the state."""
    return motor.label(features(samples) + (rise,))


def run(read_window, wait, rounds=-1):
    """Reads, classifies and prints; without end unless ``rounds`` says how often."""
    while rounds:
        samples, rise = read_window()
        print(state(samples, rise))
        wait()
        rounds -= 1


def accelerometer(bus, address=0x68):
    """A function that reads a window from an MPU-6050: 128 samples of its z axis, a millisecond each, and the rise."""
    bus.writeto_mem(address, 0x6B, b"\x00")  # wake it
    bus.writeto_mem(address, 0x1C, b"\x08")  # +-4 g: 8192 steps a g
    samples = [0.0] * SAMPLES

    def word(register):
        high, low = bus.readfrom_mem(address, register, 2)
        return ((high << 8 | low) ^ 32768) - 32768

    air = word(0x41) / 340 + 36.53

    def read_window():
        due = time.ticks_us()
        for n in range(SAMPLES):
            while time.ticks_diff(time.ticks_us(), due) < 0:
                pass
            samples[n] = word(0x3F) / 8192
            due = time.ticks_add(due, 1000)
        return samples, word(0x41) / 340 + 36.53 - air

    return read_window


if __name__ == "__main__":
    from machine import I2C, Pin

    run(accelerometer(I2C(0, sda=Pin(4), scl=Pin(5), freq=400_000)), lambda: time.sleep(1))
