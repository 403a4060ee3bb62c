"""Limits of text lengths, in graphemes: what a reader counts as one character, such as an emoji with its modifiers."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files

from campaign_lab.checks.sameness import sentences_in

_APART = re.compile("[\x00-\u02ff\u2010-\u2027\u2030-\u205e\u20a0-\u20bf]*")
"""Letters, marks and signs of European languages that are characters of their own, whatever stands beside them."""


@dataclass(frozen=True, slots=True)
class LengthLimit:
    """How many graphemes a field may have. Above ``recommended`` it is folded or cut, above ``rejects`` it is refused."""

    field: str
    recommended: int
    rejects: int
    source: str
    checked_on: date
    folds: bool = False
    """Is what is longer than recommended still shown, behind a link?"""

    def is_over(self, length: int) -> bool:
        """Is a text of that length cut off or refused?"""
        return length > (self.rejects if self.folds else self.recommended)


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


def fold_stands_alone(text: str, shown: int) -> bool:
    """Does a sentence or a line end within the first characters that are shown?"""
    before = text[:shown]
    return "\n" in before.strip() or len(sentences_in(before + " X")) > 1
