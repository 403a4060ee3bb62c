"""Limits of text lengths, in graphemes: what a reader counts as one character, such as an emoji with its modifiers."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

_APART = re.compile("[\x00-\u02ff\u2010-\u2027\u2030-\u205e\u20a0-\u20bf]*")
"""Letters, marks and signs of European languages that are characters of their own, whatever stands beside them."""


@dataclass(frozen=True, slots=True)
class LengthLimit:
    """How many graphemes a field may have. Above ``recommended`` it is hidden or cut, above ``rejects`` it is refused."""

    field: str
    recommended: int
    rejects: int
    source: str
    checked_on: date


@cache
def limits() -> dict[str, LengthLimit]:
    """All limits, by field, from ``limits.toml``."""
    data = tomllib.loads(files(__package__).joinpath("limits.toml").read_text(encoding="utf-8"))
    return {row["field"]: LengthLimit(**row) for row in data["limit"]}


@cache
def limit_of(field: str) -> int:
    """The recommended length of a field, in graphemes. KeyError for a field without a limit."""
    return limits()[field].recommended


def graphemes(text: str) -> int:
    """The number of characters that a reader counts (Unicode extended grapheme clusters)."""
    if text.isascii() or _APART.fullmatch(text):
        return len(text) - text.count("\r\n")
    import regex  # type: ignore[import-untyped]  # 15 ms that importing the package does not need

    return len(regex.findall(r"\X", text))
