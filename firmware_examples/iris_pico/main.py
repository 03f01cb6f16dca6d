"""Reads four numbers a line over USB serial and answers with the flower and the time that the network took."""

import sys
import time

import iris


def answer(line):
    """'5.1 3.5 1.4 0.2' -> ('setosa', microseconds), or (what is wrong, None)."""
    try:
        values = [float(word) for word in line.replace(",", " ").split()]
    except ValueError:
        values = ()
    if len(values) != 4:
        return "expected four numbers: sepal length and width, petal length and width, in cm", None
    start = time.ticks_us()
    flower = iris.label(values)
    return flower, time.ticks_diff(time.ticks_us(), start)


def run(read_line, light):
    """Answers every line until there is none; the light is on for setosa."""
    while True:
        line = read_line()
        if not line:
            return
        flower, microseconds = answer(line)
        if microseconds is None:
            print(flower)
        else:
            light(flower == "setosa")
            print(flower, microseconds, "us")


if __name__ == "__main__":
    from machine import Pin

    run(sys.stdin.readline, Pin("LED", Pin.OUT).value)
