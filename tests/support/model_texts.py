"""A model written by hand, a good model of two layers, and ways to break it."""

import json

BY_HAND = """{
  "format": "nnhw-model",
  "version": 1,
  "inputs": ["x1", "x2"],
  "outputs": ["y"],
  "layers": [
    {"activation": "identity", "weights": [[5, 7]], "bias": [0]}
  ]
}
"""

GOOD = {
    "format": "nnhw-model",
    "version": 1,
    "inputs": [{"name": "a"}, {"name": "b", "mean": 1.5, "scale": 2, "step": 0.1, "low": -1, "high": 4}],
    "classes": ["no", "maybe", "yes"],
    "layers": [
        {
            "units": 2,
            "activation": "leaky_relu",
            "slope": 0.25,
            "weights": [[1, 2], [3, 4]],
            "bias": [0.5, -0.5],
        },
        {"units": 3, "activation": "softmax", "weights": [[1, 2], [3, 4], [5, 6]]},
    ],
    "training": {"seed": 3},
}


def changed(path, value):
    """GOOD with the value at ``path`` replaced; REMOVED takes the key out."""
    model = json.loads(json.dumps(GOOD))
    place = model
    for key in path[:-1]:
        place = place[key]
    if value is REMOVED:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(model)


REMOVED = object()

PACKED = {"encoding": "base64", "dtype": "<f4", "shape": [2, 2], "data": "AACAPwAAAEAAAEBAAACAQA=="}
