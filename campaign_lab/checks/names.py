"""The names in a claim, and whether its quotes hold them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence

from campaign_lab.checks.folding import fold
from campaign_lab.checks.sentences.lemmas import is_word
from campaign_lab.checks.words import is_general, words

_NAME = re.compile(r"[^\W\d_][\w'\u2019&-]*")
_ENDING = re.compile(r"(?<=\w{3})(?:'s|ings?|ed|es|s|e)$")
_POSSESSIVE = re.compile(r"'s?$")
_PAGE_LANGUAGES = ("en", "fr")
"""Whose dictionaries tell a word that begins a sentence from a name: it is not known which language a claim is written in."""


def missing_names(text: str, quotes: Sequence[str], exempt: Collection[str] = ()) -> list[str]:
    """The names in the text that stand neither in the quotes nor among the exempt names, in reading order.

    A capitalised word that begins a sentence is a name only if no dictionary has it and the quotes do not hold it in any
    letter case and ending.
    """
    known = {name for held in (*quotes, *exempt) for name in _names(held)}
    stems = {_stem(name) for name in known}
    return [
        name
        for name, begins in _names_in(text)
        if name not in known and not is_general(name) and not (begins and (_stem(name) in stems or _is_common(name)))
    ]


def _names(text: str) -> list[str]:
    return [_POSSESSIVE.sub("", name) for name in _NAME.findall(fold(text))]


def _names_in(text: str) -> Iterator[tuple[str, bool]]:
    """Capitalised words, and whether they merely begin a sentence. RBC and McGee are names wherever they stand."""
    plain = fold(text)
    for match in _NAME.finditer(plain):
        word, before = (
            _POSSESSIVE.sub("", match.group()),
            plain[max(0, match.start() - 8) : match.start()].rstrip("\"'([ "),
        )
        begins = not before or before[-1] in ".!?:|-"
        if any(letter.isupper() for letter in word[1:]):
            yield word, False
        elif word[0].isupper() and len(word) > 1:
            yield word, begins


def _stem(word: str) -> str:
    return _ENDING.sub("", word.casefold())


def _is_common(word: str) -> bool:
    known, lower = words(), word.casefold()
    listed = lower in known.openers or lower in known.numbers or lower in known.scales or lower == "half"
    return listed or any(is_word(part, code) for part in [lower.split("-")[0]] for code in _PAGE_LANGUAGES)
