"""Reads ``--set key=value`` and ``--matrix key=v1,v2`` into the parameters of a notebook."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
"""A number as JSON writes it: 007, +1 and 1. stay texts."""
RULE = "true, false and numbers as in JSON (5, -0.25, 1e6) are taken as such, all else is text"


def value(written: str) -> Any:
    """Returns the value: True or False, a whole number, a number, else the text unchanged."""
    if written in ("true", "false"):
        return written == "true"
    if (found := NUMBER.fullmatch(written)) is None:
        return written
    if not any(found.groups()):
        return int(written) if len(written) < 19 else written  # longer ones are account numbers, not amounts
    number = float(written)
    return number if math.isfinite(number) else written


def settings(pairs: Sequence[str]) -> dict[str, Any]:
    """Returns the pairs of --set by key. Raises ValueError for a pair without "=" and for a key that comes twice."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, written = _split(pair, "--set")
        _once(key, found, "--set")
        found[key] = value(written)
    return found


def matrix(pairs: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Returns the values of --matrix by key; a value with a comma stands in double quotes, as in CSV. Raises ValueError."""
    found: dict[str, tuple[Any, ...]] = {}
    for pair in pairs:
        key, written = _split(pair, "--matrix")
        _once(key, found, "--matrix")
        found[key] = _values(key, written)
    return found


def _split(pair: str, option: str) -> tuple[str, str]:
    key, equals, written = pair.partition("=")
    if not equals:
        late = "; BRIEFS stands before the options" if option == "--matrix" else ""
        raise ValueError(f'{option}: {pair!r} has no "="; expected {_form(option)}{late}')
    if not key.isidentifier():
        raise ValueError(f"{option}: {key!r} is no name of a parameter; expected {_form(option)}")
    return key, written


def _form(option: str) -> str:
    return "key=value" if option == "--set" else "key=v1,v2"


def _once(key: str, found: Mapping[str, Any], option: str) -> None:
    if key in found:
        advice = "give it once" if option == "--set" else f"give its values in one list, such as {key}=v1,v2"
        raise ValueError(f"{option}: {key!r} is given twice; {advice}")


def _values(key: str, written: str) -> tuple[Any, ...]:
    """Returns the values of one key. Raises ValueError for an empty value and for one that comes twice."""
    try:
        (cells,) = csv.reader([written], skipinitialspace=True, strict=True) if written else ([],)
    except (csv.Error, ValueError) as error:
        raise ValueError(
            f"--matrix: {key}={written!r} cannot be read ({error}); write texts with a comma as key='\"one, two\",three'"
        ) from None
    values = tuple(value(cell.strip()) for cell in cells)
    if not values or "" in values:
        raise ValueError(f"--matrix: {key}={written!r} has an empty value; expected {_form('--matrix')}")
    if twice := [one for number, one in enumerate(values) if any(_same(one, other) for other in values[:number])]:
        raise ValueError(f"--matrix: {key!r} has {twice[0]!r} twice; give each value once")
    return values


def _same(one: Any, other: Any) -> bool:
    """Are they equal and of one type? True is not 1."""
    return type(one) is type(other) and bool(one == other)
