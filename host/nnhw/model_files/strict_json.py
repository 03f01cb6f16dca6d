"""Strict JSON with faults that name their path."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from math import isfinite
from typing import Any

from nnhw_codegen.network.names import control_in


class Fault(Exception):
    """What is wrong, starting with its path in the document."""


def read_json(content: str | bytes) -> Any:
    """The value of a JSON document; numbers with a point or exponent become floats.

    NaN and Infinity, which Python reads, are left for Node to refuse with their path. Raises Fault for an empty
    document, bytes that are not UTF-8, bad syntax and trailing data (with line and column), and duplicate keys.
    """
    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
    except UnicodeDecodeError as error:
        raise Fault(f"byte {error.start} is not UTF-8 text; expected a JSON text file") from None
    if not text.strip():
        raise Fault("the file is empty; expected a JSON object")
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise Fault(f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}") from None
    except RecursionError:
        raise Fault("not a model: lists or objects are nested too deeply") from None
    except ValueError:
        raise Fault("not a model: an integer has thousands of digits") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise Fault(f"the key {json.dumps(twice)} stands twice in one object; remove one")
    return result


class Node:
    """A JSON value and its path; every check raises Fault with that path."""

    def __init__(self, value: Any, path: str = "") -> None:
        self.value = value
        self.path = path

    def fault(self, message: str) -> Fault:
        """A Fault at this place, to be raised."""
        return Fault(f"{self.path}: {message}" if self.path else message)

    def shown(self) -> str:
        """The value for a message, shortened."""
        if isinstance(self.value, dict):
            return "an object"
        if isinstance(self.value, list):
            return f"a list of {len(self.value)}"
        text = json.dumps(self.value)
        return text if len(text) <= 40 else text[:37] + "..."

    def __contains__(self, key: str) -> bool:
        return key in self.value

    def __getitem__(self, key: str) -> Node:
        return Node(self.value[key], f"{self.path}.{key}" if self.path else key)

    def at(self, *keys: str) -> Node:
        """The node below, key after key, each of which must be there."""
        node = self
        for key in keys:
            if key not in node.mapping():
                raise node.fault(f'missing key "{key}"')
            node = node[key]
        return node

    def flag(self) -> bool:
        """The value as true or false."""
        if not isinstance(self.value, bool):
            raise self.fault(f"expected true or false, found {self.shown()}")
        return self.value

    def mapping(self) -> dict[str, Any]:
        """The value as an object."""
        if not isinstance(self.value, dict):
            raise self.fault(f"expected an object, found {self.shown()}")
        return self.value

    def finite_mapping(self) -> dict[str, Any]:
        """The value as an object of any content without NaN or infinite numbers."""
        try:
            json.dumps(self.mapping(), allow_nan=False)
        except ValueError:
            raise self.fault("holds NaN or an infinite number, which JSON does not have") from None
        return self.mapping()

    def items(self) -> list[Node]:
        """The value as a list of nodes."""
        if not isinstance(self.value, list):
            raise self.fault(f"expected a list, found {self.shown()}")
        return [Node(item, f"{self.path}[{index}]") for index, item in enumerate(self.value)]

    def expect_keys(self, known: Sequence[str], required: Sequence[str]) -> None:
        """Check that this is an object with all ``required`` keys and none but the ``known``."""
        for key in self.mapping():
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f'did you mean "{near[0]}"?' if near else f"known: {', '.join(known)}"
                raise self.fault(f"unknown key {json.dumps(key)}; {hint}")
        for key in required:
            if key not in self.value:
                raise self.fault(f'missing key "{key}"')

    def text(self) -> str:
        """The value as a string that is not blank."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.fault(f"expected a text, found {self.shown()}")
        control = control_in(self.value)
        if control:
            raise self.fault(f"found the control character {control} in {self.shown()}; expected one line of text")
        return self.value

    def one_of(self, known: Sequence[str]) -> str:
        """The value as one of the ``known`` strings."""
        if self.value not in known:
            raise self.fault(f"expected {' or '.join(map(json.dumps, known))}, found {self.shown()}")
        return str(self.value)

    def names(self) -> tuple[str, ...]:
        """The value as a list of different strings, at least one."""
        names: dict[str, None] = {}
        for item in self.items():
            name = item.text()
            if name in names:
                raise item.fault(f"{json.dumps(name)} stands twice; give every entry its own name")
            names[name] = None
        if not names:
            raise self.fault("expected at least one name, found an empty list; remove the key if there are none")
        return tuple(names)

    def boolean(self) -> bool:
        """The value as true or false."""
        if not isinstance(self.value, bool):
            raise self.fault(f"expected true or false, found {self.shown()}")
        return self.value

    def integer(self, low: int, high: int | None = None) -> int:
        """The value as an integer in [low, high]."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise self.fault(f"expected an integer, found {self.shown()}")
        if self.value < low or (high is not None and self.value > high):
            limits = f"from {low} to {high}" if high is not None else f"of at least {low}"
            raise self.fault(f"expected an integer {limits}, found {self.shown()}")
        return self.value

    def number(self, largest: float) -> float:
        """The value as a float of at most ``largest`` in magnitude."""
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            raise self.fault(f"expected a number, found {self.shown()}")
        if isinstance(self.value, float) and not isfinite(self.value):
            raise self.fault(f"expected a finite number, found {self.shown()}")
        # Compared before the conversion: an integer may be too large for a float.
        if not abs(self.value) <= largest:
            raise self.fault(f"expected a number of at most {largest:g} in magnitude, found {self.shown()}")
        return float(self.value)

    def numbers(self, count: int, largest: float) -> list[float]:
        """The value as a list of exactly ``count`` floats of at most ``largest`` in magnitude."""
        if not isinstance(self.value, list):
            raise self.fault(f"expected a list of {count} numbers, found {self.shown()}")
        if len(self.value) != count:
            raise self.fault(f"expected {count} numbers, found {len(self.value)}")
        return [item.number(largest) for item in self.items()]
