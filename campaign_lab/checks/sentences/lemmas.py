"""The words of a text in their basic form (lemma), so that "asked" and "asks" are one word."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import NamedTuple

from campaign_lab.checks.words import words

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_ELIDED = re.compile(r"(?i)\b(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu)'(?=\w)")
_CONTRACTED = re.compile(r"(?:n't|'(?:s|ll|re|ve|d|m)?)$")
SHORTEST_STEM = 4
"""Letters that two words must begin with to be taken for one, as in "renew" and "renewal"."""


class Word(NamedTuple):
    """A word as it is written, without an ending such as 's or n't, with its basic form and its place in the text."""

    text: str
    lemma: str
    start: int


def words_in(text: str, language: str) -> list[Word]:
    """The words of a folded text, numbers in digits or words left out."""
    plain = _ELIDED.sub(lambda match: " " * len(match.group()), text) if language[:2] == "fr" else text
    known = words()
    found = []
    for match in _WORD.finditer(plain):
        written = _CONTRACTED.sub("", match.group())
        if written.lower() not in known.numbers and written.lower() not in known.scales:
            found.append(Word(written, lemma(written.casefold(), language[:2].lower()), match.start()))
    return found


@lru_cache(maxsize=50_000)
def lemma(word: str, language: str) -> str:
    """The basic form of a word in lower case; the word itself where the language is not known."""
    import simplemma  # 60 ms that importing the package does not need

    try:
        return str(simplemma.lemmatize(word, lang=language)).casefold()
    except ValueError:
        return word


@lru_cache(maxsize=50_000)
def is_word(word: str, language: str) -> bool:
    """Does a dictionary of the language have the word in small letters? Names are in none."""
    import simplemma

    try:
        return bool(simplemma.is_known(word.casefold(), lang=language))
    except ValueError:
        return False


def alike(left: str, right: str) -> bool:
    """Does one word begin with the other, or both with the same five letters and more than half of the longer one?"""
    if left[:SHORTEST_STEM] != right[:SHORTEST_STEM]:
        return False
    short, long = sorted((len(left), len(right)))
    common = next((n for n, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]), short)
    return common == short or (common > SHORTEST_STEM and common * 2 > long)


def held(wanted: str, among: Collection[str]) -> bool:
    """Does a word stand among others, in any ending?"""
    return wanted in among or any(alike(wanted, other) for other in among)
