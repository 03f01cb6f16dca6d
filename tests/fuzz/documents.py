"""Mutated model files, tables, manifests and study folders for the command line: exit code 0 or 2, in one piece, in time."""

from __future__ import annotations

import json
import random
import shutil
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from support.networks import network

from fuzz.binaries import SECONDS, Result, at_most
from nnhw.cli import commands
from nnhw.model_files import model_json

_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2,
    255,
    256,
    65536,
    1 << 31,
    1 << 63,
    10**40,
    0.5,
    -0.0,
    1e300,
)
_VALUES += (
    5e-324,
    float("nan"),
    float("inf"),
    "",
    " ",
    "x",
    "../../x",
    "/etc/passwd",
    "\x1b[31m",
    "a\nb",
    "w8a8",
    [],
    [[]],
    {},
)
_ROWS = (f"{k * 37 % 11 / 4},{k % 5},{'red' if k % 3 else 'blue'},{k % 2}\n" for k in range(24))
_TABLE = "a,b,word,y\n" + "".join(_ROWS)
_SCRAPS = (
    "",
    ",",
    ";",
    "\n",
    "\r",
    '"',
    "'",
    "\t",
    "\0",
    "\x1b",
    "nan",
    "1e400",
    "-1e30",
    "1,5",
    "NA",
    "2024-01-01",
    "#",
    "é",
)
KINDS = ("model", "table", "manifest", "study")


def mutated_json(text: str, draw: random.Random) -> str:
    """A JSON document with one to three of its values changed, left out or doubled; now and then no JSON any more."""
    document = json.loads(text)
    for _ in range(draw.choice((1, 1, 2, 3))):
        places = list(_places(document))
        if places:
            holder, key = draw.choice(places)
            kind = draw.random()
            if kind < 0.7:
                holder[key] = draw.choice(_VALUES)
            elif kind < 0.85:
                del holder[key]
            elif isinstance(holder, list):
                holder.insert(draw.randrange(len(holder) + 1), holder[key])
            else:
                holder[draw.choice(("x", "name", "files", "weights", "inputs"))] = holder[key]
    changed = json.dumps(document)
    if draw.random() < 0.1:
        at = draw.randrange(len(changed))
        changed = changed[:at] + draw.choice(("", "}", "[", "\0", '"', "1")) + changed[at + draw.randrange(3) :]
    return changed


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        yield value, key
        yield from _places(item)


def mutated_table(draw: random.Random) -> bytes:
    """A table with scraps in it, cut, or of few lines."""
    data = _TABLE if draw.random() < 0.7 else "\n".join(_TABLE.split("\n")[: draw.randrange(1, 6)])
    for _ in range(draw.randrange(1, 6)):
        at = draw.randrange(len(data) + 1)
        data = data[:at] + draw.choice(_SCRAPS) + data[at + draw.randrange(4) :]
    return data.encode(draw.choice(("utf-8", "utf-8", "latin-1", "utf-16")), "replace")


def fuzz(kind: str, seed: int, count: int, folder: Path) -> Result:
    """Run commands over ``count`` documents; ``folder`` is for them."""
    draw, result = random.Random(f"{kind} {seed}"), Result()
    prepare: Callable[[Path], None] = {"manifest": _build, "study": _study}.get(kind, lambda _: None)
    prepare(folder)
    for _ in range(count):
        words, put = _case(kind, draw, folder)
        try:
            with at_most(6 * SECONDS):
                done = CliRunner().invoke(commands.main, words, catch_exceptions=True)
        except TimeoutError as error:
            result.faults.append((put, str(error)))
            continue
        result.ends[f"exit {done.exit_code}"] += 1
        strange = done.exception is not None and not isinstance(done.exception, SystemExit)
        if strange or done.exit_code not in (0, 2):
            told = "".join(traceback.format_exception(done.exception)) if done.exception else done.output
            result.faults.append((put, told))
    return result


def _case(kind: str, draw: random.Random, folder: Path) -> tuple[list[str], bytes]:
    """The words of a command, and the bytes of the document that it meets."""
    if kind == "model":
        shapes = (((3, 4, 3), True), ((2, 3, 1), True), ((3, 3, 2), False))
        sizes, classifies = draw.choice(shapes)
        put = mutated_json(model_json.dumps(network(sizes, "softplus", classifies=classifies)), draw).encode()
        (folder / "m.json").write_bytes(put)
        shutil.rmtree(folder / "out", ignore_errors=True)
        return [
            "export",
            str(folder / "m.json"),
            "--code",
            "c",
            "--precision",
            "w8a8",
            "-o",
            str(folder / "out"),
        ], put
    if kind == "table":
        put = mutated_table(draw)
        (folder / "d.csv").write_bytes(put)
        words = ["--target", "y", "--epochs", "1", "--layers", "2", "-o", str(folder / "m.json")]
        return ["train", str(folder / "d.csv"), *words], put
    if kind == "manifest":
        put = mutated_json((folder / "whole.json").read_text(), draw).encode()
        (folder / "b/manifest.json").write_bytes(put)
        again = ["export", str(folder / "m.json"), "--code", "c", "--precision", "w8a8", "-o", str(folder / "b")]
        return draw.choice(
            (again, ["run", str(folder / "b"), "1,2,3", "--on", "c"], ["report", str(folder / "b")])
        ), put
    stored = sorted((folder / "s/cells").iterdir())
    path = draw.choice(stored)
    whole = (folder / "whole" / path.name).read_text()
    put = mutated_json(whole, draw).encode() if draw.random() < 0.9 else whole.encode()[: draw.randrange(len(whole))]
    for one in stored:
        shutil.copy(folder / "whole" / one.name, one)
    path.write_bytes(put)
    return ["study", "relu-at-zero", "--quick", "--seeds", "2", "-o", str(folder / "s")], put


def _build(folder: Path) -> None:
    model_json.save(network((3, 4, 3)), folder / "m.json")
    words = ["export", str(folder / "m.json"), "--code", "c", "--precision", "w8a8", "-o", str(folder / "b")]
    CliRunner().invoke(commands.main, words, catch_exceptions=False)
    shutil.copy(folder / "b/manifest.json", folder / "whole.json")


def _study(folder: Path) -> None:
    words = ["study", "relu-at-zero", "--quick", "--seeds", "2", "-o", str(folder / "s")]
    CliRunner().invoke(commands.main, words, catch_exceptions=False)
    shutil.copytree(folder / "s/cells", folder / "whole")
