"""Forged model files for each loader: the host, nnrun under CPython, and nnrun in MicroPython on emulators."""

from __future__ import annotations

import random
import signal
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from support.networks import network

import nnrun
import nnrun.learn
from fuzz.forge import forged
from nnhw.errors import TargetError
from nnhw.exporting import board_package
from nnhw.targets import get_script_target
from nnhw_codegen.files import nnb, nnt
from nnhw_codegen.files.fields import FileError
from nnhw_codegen.integers import precision
from nnhw_codegen.learning.profile import T8, T16
from nnhw_codegen.learning.trainable import default_profile, trainable
from nnhw_codegen.quantization import quantize

LOADERS = ("host", "cpython", "unix", "wasm")
SECONDS = 10
_BATCH = 250


@dataclass
class Result:
    """How many files ended in which way, and each that ended in none of the documented ones."""

    ends: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[bytes, str]] = field(default_factory=list)


@cache
def originals(kind: str) -> tuple[bytes, ...]:
    """Whole files of all decisions, precisions and kinds of activation; kind is nnb or nnt."""
    shapes = (
        ((4, 8, 3), "softplus", {}),
        ((2, 4, 1), "tanh", {}),
        ((3, 5, 2), "leaky_relu", {"classifies": False}),
        ((2, 3, 3), "logsig", {"multilabel": True}),
        ((3, 4, 3), "relu", {}),
    )
    networks = [network(sizes, hidden, **more) for sizes, hidden, more in shapes]
    if kind == "nnb":
        names = [*precision.names(), "w8a8"]
        return tuple(
            nnb.to_bytes(quantize.quantize(n, precision.get(p))) for n, p in zip(networks, names, strict=True)
        )
    profiles = (None, T8, T16, None, None)
    return tuple(
        nnt.to_bytes(trainable(n, profile or default_profile(n)))
        for n, profile in zip(networks, profiles, strict=True)
    )


def files(kind: str, seed: int, count: int) -> Iterator[bytes]:
    """Forged files, the same for the same seed."""
    draw = random.Random(f"{kind} {seed}")
    sources = originals(kind)
    for _ in range(count):
        yield forged(draw.choice(sources), draw)


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """TimeoutError where the body takes longer."""

    def stop(*_: object) -> None:
        raise TimeoutError(f"no end within {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def fuzz(loader: str, kind: str, seed: int, count: int) -> Result:
    """Load, and run what loads."""
    result = Result()
    if loader in ("host", "cpython"):
        load = _host if loader == "host" else _cpython
        for number, data in enumerate(files(kind, seed, count)):
            try:
                with at_most(SECONDS):
                    result.ends[load(kind, data, number)] += 1
            except Exception:
                result.faults.append((data, traceback.format_exc()))
        return result
    drawn = list(files(kind, seed, count))
    for start in range(0, count, _BATCH):
        _guest(loader, kind, drawn[start : start + _BATCH], result)
    return result


def _host(kind: str, data: bytes, _: int) -> str:
    path = Path(tempfile.gettempdir()) / "forged"
    path.write_bytes(data)
    load: Callable[[Path], object] = nnb.load if kind == "nnb" else nnt.load
    try:
        load(path)
    except FileError as error:
        return "refused" if "\n" not in str(error) else "refused in several lines"
    return "loaded"


def _cpython(kind: str, data: bytes, number: int) -> str:
    path = Path(tempfile.gettempdir()) / "forged"
    path.write_bytes(data)
    proved = kind == "nnb" and number % 10 == 0
    try:
        net = nnrun.load(str(path), proved) if kind == "nnb" else nnrun.learn.load(str(path))
    except ValueError:
        return "refused"
    try:
        _run(net, kind == "nnt")
    except OverflowError:
        # What is not proved may pass 32 bits, and CPython's arrays say so.
        if proved:
            raise
        return "ran past 32 bits"
    return "ran"


def _run(net, learns: bool) -> None:
    count = len(net.inputs)
    for value in (0.5, -1e30, 1e30):
        net.predict((value,) * count)
        if learns:
            units = net.program.units
            net.learn((value,) * count, ((1,) * units if net.decision in ("values", "multilabel") else 1))


_SCRIPT = """\
import nnrun
import nnrun.learn
for number in range({first}, {last}):
    print(number, end=" ")
    try:
        net = {load}("forged%d" % number)
    except (ValueError, MemoryError):
        print("refused")
        continue
    try:
        count = len(net.inputs)
        for value in (0.5, -1e30, 1e30):
            net.predict((value,) * count)
            if {learns}:
                net.learn((value,) * count, (1,) * net.program.units if net.decision in ("values", "multilabel") else 1)
    except OverflowError:
        print("ran past 32 bits")
        continue
    print("ran")
print({last}, "end")
"""


def _guest(loader: str, kind: str, batch: list[bytes], result: Result) -> None:
    """All files of a batch in one process; after a crash another one goes on with the next file."""
    guest = {f"forged{number}": data for number, data in enumerate(batch)} | board_package.nnrun()
    first = 0
    load = "nnrun.load" if kind == "nnb" else "nnrun.learn.load"
    with get_script_target(loader).session(guest, 64 << 20 if loader == "unix" else None) as session:
        while first < len(batch):
            script = _SCRIPT.format(first=first, last=len(batch), load=load, learns=kind == "nnt")
            reason = ""
            try:
                output = session.run(script, 30.0 + len(batch) * SECONDS / 10)
            except TargetError as error:
                output, reason = error.output, str(error)
            lines = output.splitlines()
            for line in lines:
                number, _, end = line.partition(" ")
                if end and end != "end":
                    result.ends[end] += 1
                    first = int(number) + 1
            if not reason:
                break
            result.faults.append((batch[first], reason))
            first += 1
