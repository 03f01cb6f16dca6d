"""Every figure of the documents: from which result, or why from none."""

from __future__ import annotations

from pathlib import Path

from support.claims.claim import ROOT, Claim, Figure, Known, cell, extreme, some

README = "README.md"
DRIFT = "firmware_examples/drift/README.md"
LEARN_MICROBIT = "firmware_examples/learn_microbit/README.md"
NETS = ("Iris 4-8-3", "Iris 4-16-16-3", "digits 64-32-10")
BUDGETS = (
    ("NNoM", "int8"), ("CMSIS-NN", "int8"), ("TFLM + CMSIS-NN", "int8"), ("viper baked", "w8a8"),
    ("thumb baked", "acc16"), ("c baked -O3", "acc16"),
)  # fmt: skip
BITS = {
    "w16a16": "16 bits, 16 bits",
    "w8a16": "8 bits per neuron, 16 bits",
    "w8a8": "8 bits per neuron, 8 bits",
    "acc16": "8 bits per neuron, 5 to 8 bits; every sum proved to fit 16 bits",
}
IRIS_STEP = {"net": "4-8-3", "hidden": "relu", "output": "softmax"}
DIGITS_STEP = {"net": "64-32-10", "hidden": "relu", "output": "softmax"}


DRIFTED = {"task": "iris 4-8-3 relu, drift, 30 rows", "weight_bits": 16}
STUDY = "relu-at-zero"
ZEROS = "structural"
"""Tasks of the study whose hidden sums are 0 by construction."""


def _better(kind: str, arm: str) -> Figure:
    """In how many cells of a kind the arm was better than a derivative of 0."""
    return lambda: str(sum(row["verdict"] == "better" for row in some(STUDY, kind=kind, arm=arm)))


def _cells(kind: str) -> Figure:
    return lambda: str(len(some(STUDY, kind=kind, arm="softplus")))


def _farthest(*tasks: str) -> Figure:
    """The largest mean distance of fixed-point from float SGD, weights of 16 bits, in points."""

    def figure() -> str:
        means = [
            abs(float(row["residual"].split()[0]))
            for row in some("learning", weight_bits=16)
            if row["task"].startswith(tasks)
        ]
        return f"{max(means):.2f}"

    return figure


CALLS = (
    ("portable", "w8a8"), ("viper", "w8a8"), ("thumb", "w8a8"), ("thumb", "acc16"), ("thumb .mpy", "acc16"),
)  # fmt: skip
LEARNERS = ("nnrun", "viper", "thumb")


def _call(net: str, call: str, code: str, precision: str) -> Figure:
    if code == "thumb .mpy" and call == "predict":
        call = "predict of a list"
    return cell("whole_calls", "cycles", "{:,}", net=net, call=call, code=code, precision=precision)


CLAIMS = (
    *(
        Claim(README, f"| {net}, `{call}` |" + " {} |" * len(CALLS), tuple(_call(net, call, *code) for code in CALLS))
        for net in ("Iris 4-8-3", "digits 64-32-10")
        for call in ("predict_ticks", "predict")
    ),
    *(
        Claim(README, f"| {net}, `learn` |" + " {} |" * len(LEARNERS), tuple(
            _call(net, "learn", code, "16 bits") for code in LEARNERS
        ))
        for net in ("Iris 4-8-3", "digits 64-32-10")
    ),
    *(
        Claim(README, f"| `{name}` | {bits} | {{}} % |", (cell("precision", "agreement %", precision=name, net="all"),))
        for name, bits in BITS.items()
    ),
    *(
        Claim(
            README, f"| {net} |" + " {} |" * len(BUDGETS),
            tuple(cell("budgets", "codes to class", "{:,}", net=net, code=code, precision=p) for code, p in BUDGETS),
        )
        for net in NETS
    ),
    Claim(README, "does better: {} networks", (extreme(sum, STUDY, "seeds", "{:,}"),)),
    Claim(
        README, "1 beats 0 by up to {} points, and by up to {} in float64",
        (
            extreme(max, STUDY, "difference", "{:.1f}", kind=ZEROS, arm="relu 1"),
            extreme(max, STUDY, "difference", "{:.1f}", kind=ZEROS, arm="relu 1", arithmetic="float64"),
        ),
    ),
    Claim(
        README,
        "softplus and leaky ReLU did better than ReLU'(0) = 0 in {} and {} of {} cells, among ordinary networks in {} and "
        "{} of {}.",
        (
            _better(ZEROS, "softplus"), _better(ZEROS, "leaky relu"), _cells(ZEROS),
            _better("ordinary", "softplus"), _better("ordinary", "leaky relu"), _cells("ordinary"),
        ),
    ),
    Claim(
        README, "follows float SGD within {} points on Iris, Wine and breast cancer and {} on digits",
        (_farthest("iris", "wine", "breast"), _farthest("digits")),
    ),
    Claim(
        README, "a step of Iris 4-8-3 takes {} cycles ({} us at 125 MHz) with `--code thumb`",
        (
            cell("learning_cost", "cycles, first steps", "{:,}", **IRIS_STEP, kernel="thumb"),
            cell("learning_cost", "us at 125 MHz", "{:.0f}", **IRIS_STEP, kernel="thumb"),
        ),
    ),
    Claim(
        README, "and {} in viper, one of digits 64-32-10 takes {} and {}",
        tuple(
            cell("learning_cost", "cycles, first steps", "{:,}", **step, kernel=kernel)
            for step, kernel in ((IRIS_STEP, "viper"), (DIGITS_STEP, "thumb"), (DIGITS_STEP, "viper"))
        ),
    ),
    Claim(
        README, "30 epochs of 120 rows take {} s on a Pico",
        (cell("board_training", "seconds", "{:.1f}", form="nnrun, with --code thumb"),),
    ),
    Claim(
        DRIFT, "on average within {} points of float SGD ({} % -> {} %, 5 epochs)",
        (
            _farthest(DRIFTED["task"]),
            lambda: cell("learning", "before drift / after", **DRIFTED)().partition(" / ")[2],
            cell("learning", "float SGD %", **DRIFTED),
        ),
    ),
    Claim(
        "firmware_examples/learn_iris/README.md", "30 epochs of 120 rows take {} to {} seconds of a Pico",
        tuple(extreme(which, "board_training", "seconds", "{:.1f}", epochs_run=30) for which in (min, max)),
    ),
)  # fmt: skip

KNOWN = (
    Known(README, "fewer beyond 1,200 rows", "a default: test_default_epochs"),
    Known(README, "as 0.3 and 101,325 do", "an example"),
    Known(README, "logsig 130 bytes, softplus 258 bytes", "the format of the tables: test_tables"),
    Known(README, "125 cycles = 1 us", "the clock"),
    Known(README, "(95 % interval)", "the confidence"),
    Known(README, "78 % after the sensors drifted, 95 % after 30 samples", "test_learn_examples runs the example"),
    Known(README, "9 KB of heap, under MicroPython 1.9", "the board's"),
    Known(DRIFT, "95.8 % were still right", "test_learn_examples"),
    Known(DRIFT, "| board, integers | 98.7 % | 78.3 % | 95.0 % |", "test_learn_examples runs it"),
    Known(DRIFT, "| float SGD | | 78.3 % | 95.0 % |", "test_learn_examples runs it"),
    Known(LEARN_MICROBIT, "9 KB of heap", "the board's"),
    Known("firmware_examples/iris_microbit/README.md", "9 KB of heap", "the board's"),
    Known(LEARN_MICROBIT, "compare 1,000 steps", "how many the tests run"),
)

DOCUMENTS = tuple(
    str(path.relative_to(ROOT))
    for path in (ROOT / README, *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("firmware_examples/*/README.md")))
    if Path("relu-at-zero.md").name != path.name
)
"""docs/relu-at-zero.md is written whole by the study."""
