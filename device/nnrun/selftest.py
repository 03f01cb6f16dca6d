"""Compares a loaded net with golden vectors made on the host.

Vectors are JSON lines, {"ticks": [51, 35, 14, 2], "logits": [-7, 12, 3]}, read one at a time.
"""

import json
from io import BytesIO


def run(net, vectors):
    """True where every logit is the expected one; vectors is a path or the lines as bytes.

    Prints how many rows agree, and the first difference. Raises ValueError for a line that is not a vector, and where
    there is none.
    """
    rows = same = 0
    difference = ""
    with open(vectors, "rb") if isinstance(vectors, str) else BytesIO(vectors) as lines:  # pyright: ignore[reportGeneralTypeIssues] - the stub lacks what boards have
        for line in lines:
            if not line.strip():
                continue
            rows += 1
            ticks, wanted = _vector(line, rows)
            found = [0] * len(wanted)
            net.logits(ticks, found)
            if found == wanted:
                same += 1
            elif not difference:
                difference = _describe(rows, ticks, wanted, found)
    if not rows:
        raise ValueError("no vectors")
    print("%d/%d logits identical" % (same, rows))
    if difference:
        print(difference)
    return same == rows


def _vector(line, row):
    try:
        vector = json.loads(line)
        return vector["ticks"], vector["logits"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError("vector %d: expected an object with ticks and logits" % row) from error


def _describe(row, ticks, wanted, found):
    unit = [a == b for a, b in zip(wanted, found)].index(False)
    return "first difference: vector %d, ticks %s, output %d: expected %d, found %d" % (
        row,
        ticks,
        unit,
        wanted[unit],
        found[unit],
    )
