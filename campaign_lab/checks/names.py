"""The names in a claim, and whether its quotes hold them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from campaign_lab.checks.folding import fold
from campaign_lab.checks.words import words

_NAME = re.compile(r"[^\W\d_][\w'\u2019&-]*")
_ENDING = re.compile(r"(?<=\w{3})(?:'s|ings?|ed|es|s|e)$")


def names_held(text: str, quotes: Sequence[str], exempt: Collection[str] = ()) -> bool:
    """Does each name in the text stand in the quotes or among the exempt names?

    A capitalised word that begins a sentence is a name too, unless the quotes hold it in any letter case and ending,
    or it is a common opener.
    """
    known = {word for held in (*quotes, *exempt) for word in _NAME.findall(fold(held))}
    stems = {_stem(word) for word in known}
    return all(
        word in known or (begins and (word.casefold() in _common() or _stem(word) in stems))
        for word, begins in _names_in(text)
    )


def _names_in(text: str) -> Iterator[tuple[str, bool]]:
    """Capitalised words, and whether they merely begin a sentence. RBC and McGee are names wherever they stand."""
    plain = fold(text)
    for match in _NAME.finditer(plain):
        word, before = match.group(), plain[max(0, match.start() - 8) : match.start()].rstrip("\"'([ ")
        begins = not before or before[-1] in ".!?:|-"
        if any(letter.isupper() for letter in word[1:]):
            yield word, False
        elif word[0].isupper() and len(word) > 1:
            yield word, begins


def _stem(word: str) -> str:
    return _ENDING.sub("", word.casefold())


def _common() -> frozenset[str]:
    known = words()
    return known.openers | known.numbers.keys() | known.scales.keys() | {"half"}
