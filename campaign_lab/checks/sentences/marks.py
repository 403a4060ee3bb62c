"""What makes a sentence stronger than its words: superlatives, comparisons, "all", "free", and what is said of its numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

from campaign_lab.checks.numbers import Quantity, quantities_in
from campaign_lab.checks.sentences.copy_words import CopyWords, copy_words
from campaign_lab.checks.sentences.lemmas import lemma, words_in

MINUTES = {"second": 1 / 60, "minute": 1, "hour": 60, "day": 1_440, "week": 10_080, "month": 43_200, "year": 518_400}
NEAR = 24
"""Letters before and behind a number in which a word such as "up to" is said of it."""
_AS_AS = re.compile(r"\bas (?!soon|often|well|long|far|always|you|we|little|much|low)\w+ as\b", re.IGNORECASE)
_COUNTED = re.compile(r"(?: (?:of|the|our|your|les|nos|vos))* \d")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n")
_MONEY = frozenset("$€£¥%")


class Mark(NamedTuple):
    """A passage that needs the same in what carries it. ``kind`` ends the rule; marks with equal keys say the same."""

    kind: str
    text: str
    key: tuple[str, ...]


def plain_phrases(text: str, language: str) -> str:
    """A folded text with phrases such as "half an hour" and French number words in the form that can be compared."""
    known = copy_words(language)
    for pattern, written in known.phrases if known else ():
        text = pattern.sub(written, text)
    return text


@lru_cache(maxsize=4_096)
def marks_in(text: str, language: str) -> tuple[Mark, ...]:
    """The marks of a text with plain phrases. None are known in a language without words of its own."""
    known = copy_words(language)
    if known is None:
        return ()
    rest = _without_bounds(text, known)
    return tuple(
        chain(_superlatives(rest, known, language), _comparisons(rest, known, language), _strong(text, known, language))
    )


def _without_bounds(text: str, known: CopyWords) -> str:
    """The text without "more than" and the like beside a number, and without "at least": they are checked with it."""
    for pattern in (*known.hedges.values(), *known.bounds.values()):
        text = pattern.sub(_blank, text)
    return text


def _blank(match: re.Match[str]) -> str:
    around = match.string[max(0, match.start() - 8) : match.start()] + match.string[match.end() : match.end() + 12]
    return " " * len(match.group()) if quantities_in(around) else match.group()


def _superlatives(text: str, known: CopyWords, language: str) -> Iterator[Mark]:
    for match in known.superlative.finditer(text):
        after = words_in(text[match.end() :], language)[:1] if match.group().lower() in ("most", "least") else []
        yield Mark("superlative", " ".join([match.group(), *(word.text for word in after)]),
                   ("superlative", _key(match.group(), language), *(word.lemma for word in after)))  # fmt: skip
    for word in words_in(text, language) if language[:2] == "en" else ():
        if len(word.text) > 4 and word.text.lower().endswith("est") and word.lemma != word.text.lower():
            yield Mark("superlative", word.text, ("superlative", word.lemma))


def _comparisons(text: str, known: CopyWords, language: str) -> Iterator[Mark]:
    for match in chain(known.comparison.finditer(text), _AS_AS.finditer(text) if language[:2] == "en" else ()):
        yield Mark("comparison", match.group(), ("comparison", _key(match.group(), language)))
    before = ""
    for word in words_in(text, language) if language[:2] == "en" else ():
        lower, verb, before = word.text.lower(), before in known.verbs_before, word.text.lower()
        if lower.endswith("er") and word.lemma != lower and lower not in known.no_comparison and not verb:
            yield Mark("comparison", word.text, ("comparison", word.lemma))


def _strong(text: str, known: CopyWords, language: str) -> Iterator[Mark]:
    for name, pattern in known.strong.items():
        for match in pattern.finditer(text):
            after: list[str] = []
            if name == "all":
                if _COUNTED.match(text, match.end()):
                    continue  # "all 22 agents": the number says it
                behind = words_in(text[match.end() :], language)[:2]
                after = [
                    word.lemma
                    for word in behind
                    if word.lemma not in known.plain and word.text.lower() not in known.plain
                ][:1]
            yield Mark("absolute", match.group(), (name, *after))


def _key(text: str, language: str) -> str:
    return " ".join(lemma(word.casefold(), language[:2]) for word in text.split())


# -- numbers


@lru_cache(maxsize=4_096)
def figures_in(text: str) -> tuple[Quantity, ...]:
    """The numbers of a text with plain phrases. Cached: each sentence is compared with the same quotes."""
    return tuple(quantities_in(text))


def same_figure(left: Quantity, right: Quantity) -> bool:
    """Are they one number, of one unit as far as both say it? 60 minutes are an hour."""
    if left.unit in MINUTES and right.unit in MINUTES and left.unit != right.unit:
        return _minutes(left) == _minutes(right) is not None
    return left.number == right.number and (left.unit == right.unit or not (left.unit and right.unit))


def _minutes(figure: Quantity) -> float | None:
    try:
        return round(float(figure.number) * MINUTES[figure.unit], 3)
    except ValueError:
        return None


def said_of(figure: Quantity, text: str, language: str) -> frozenset[str]:
    """What the text says of a number in it, by the names in ``copy_words_*.toml``: "most" for "up to", "above" for "over"."""
    known = copy_words(language)
    if known is None:
        return frozenset()
    around = text[max(0, figure.start - NEAR) : figure.start] + " # " + text[figure.end : figure.end + NEAR // 2]
    found = set()
    for name, pattern in known.hedges.items():
        if name == "usual":
            sentence = next((part for part in _SENTENCE.split(text) if text[figure.start : figure.end] in part), text)
            found |= {name} if pattern.search(sentence) else set()
        elif pattern.search(around):
            around = pattern.sub(" ", around)
            found |= {name} if name != "from" or _MONEY & set(figure.number) else set()
    return frozenset(found | {name for name, pattern in known.bounds.items() if pattern.search(around)})
