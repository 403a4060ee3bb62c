"""Reads ``--set key=value`` and ``--matrix key=v1,v2`` into the parameters of a notebook."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
"""A number as JSON writes it: 007, +1 and 1. stay texts."""
FORMS = {"--set": "key=value", "--matrix": "key=v1,v2"}
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
    """Returns the values of --set by key. Raises ValueError for a pair without "=" and for a key that comes twice."""
    return {key: value(written) for key, written in _split(pairs, "--set")}


def matrix(pairs: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Returns the values of --matrix by key; a value with a comma stands in double quotes, as in CSV. Raises ValueError."""
    return {key: _values(key, written) for key, written in _split(pairs, "--matrix")}


def _split(pairs: Sequence[str], option: str) -> Iterator[tuple[str, str]]:
    """Yields key and value of each pair as they are written. Raises ValueError."""
    form, keys = FORMS[option], set()
    for pair in pairs:
        key, equals, written = pair.partition("=")
        if not equals:
            late = "; BRIEFS stands before the options" if option == "--matrix" else ""
            raise ValueError(f'{option}: {pair!r} has no "="; expected {form}{late}')
        if not key.isidentifier():
            raise ValueError(f"{option}: {key!r} is no name of a parameter; expected {form}")
        if key in keys:
            advice = "give it once" if option == "--set" else f"give its values in one list, such as {key}=v1,v2"
            raise ValueError(f"{option}: {key!r} is given twice; {advice}")
        keys.add(key)
        yield key, written


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
        raise ValueError(f"--matrix: {key}={written!r} has an empty value; expected {FORMS['--matrix']}")
    counts = Counter((type(each), each) for each in values)  # with the type, as True == 1
    if twice := [each for (_, each), count in counts.items() if count > 1]:
        raise ValueError(f"--matrix: {key!r} has {twice[0]!r} twice; give each value once")
    return values
