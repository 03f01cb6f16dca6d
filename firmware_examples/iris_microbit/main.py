"""Shows the class of one flower after the other; button A goes on. For 9 KB of heap: integers, no lists."""

import iris

FLOWERS = b"\x33\x23\x0e\x02\x40\x20\x2d\x0f\x3f\x21\x3c\x19"
"""Four bytes a flower: sepal length and width, petal length and width, in millimeters."""

t = [0, 0, 0, 0]


def flower(number):
    """The class index of a flower of FLOWERS."""
    for i in range(4):
        t[i] = FLOWERS[4 * number + i]
    return iris.predict_ticks(t)


if __name__ == "__main__":
    from microbit import button_a, display, sleep

    n = 0
    while True:
        display.show(str(flower(n)))
        while not button_a.was_pressed():
            sleep(50)
        n = (n + 1) % (len(FLOWERS) // 4)
