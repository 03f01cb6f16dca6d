"""python tests/fuzz [FILES [SEED]]: so many forged files of each kind for each loader; how they end, and what fails."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS / "support")]

from fuzz import binaries, documents  # noqa: E402

KEPT = Path("build/fuzz")
SHARES = {"model": 2, "table": 10, "manifest": 33, "study": 100}
"""A document takes a command so many times as long as a loader takes a file."""


def main(count: int, seed: int) -> int:
    """The number of faults."""
    faults = 0
    for loader in binaries.LOADERS:
        for kind in ("nnb", "nnt"):
            faults += tell(f"{loader} .{kind}", binaries.fuzz(loader, kind, seed, count))
    for kind in documents.KINDS:
        with tempfile.TemporaryDirectory() as folder:
            faults += tell(kind, documents.fuzz(kind, seed, max(1, count // SHARES[kind]), Path(folder)))
    return faults


def tell(name: str, result: binaries.Result) -> int:
    """Print a line, and put each input that was not taken well into KEPT."""
    ends = ", ".join(f"{end} {count:,}" for end, count in sorted(result.ends.items()))
    print(f"{name:<14}{ends}; faults {len(result.faults)}", flush=True)
    for number, (data, told) in enumerate(result.faults):
        KEPT.mkdir(parents=True, exist_ok=True)
        stem = f"{name.replace(' .', '-')}-{number}"
        (KEPT / f"{stem}.input").write_bytes(data)
        (KEPT / f"{stem}.txt").write_text(told)
    return len(result.faults)


if __name__ == "__main__":
    numbers = [int(word) for word in sys.argv[1:]]
    sys.exit(main(*(numbers + [1000, 0][len(numbers) :])) > 0)
