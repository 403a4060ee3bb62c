"""What a site is about, in one plural or uncountable noun that the pages use themselves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from campaign_lab.rehearsal.analyst.sentences import cues

Scores = tuple[Counter[str], Counter[str]]
"""Points of single nouns, and of nouns with what describes them."""


def topic_of(pages: Sequence[Mapping[str, Any]], brand: str = "", language: str = "en") -> str:
    """The site's topic, such as "mortgage rates" or "paniers de légumes", in the language of the pages.

    Empty when no noun stands out, or for a language whose nouns nobody has described.
    """
    scorers = {"en": _english, "fr": _french}
    if language not in scorers:
        return ""
    singles, pairs = scorers[language](pages, set(re.findall(r"\w+", brand.lower())))
    scores = {**singles, **{pair: count * 2 for pair, count in pairs.items()}}
    best = max(scores, key=lambda topic: (scores[topic], topic), default="")
    return best if scores.get(best, 0) >= 4 else ""


def _english(pages: Sequence[Mapping[str, Any]], own: set[str]) -> Scores:
    """Plural and uncountable nouns, and the word before them."""
    known = cues("en")
    singles: Counter[str] = Counter()
    pairs: Counter[str] = Counter()
    for weight, text in _weighted(pages):
        words = re.findall(r"[a-z]+(?:-[a-z]+)*|\d+|[.,;:!?|\n]", text.lower())
        for earlier, before, word in zip([".", ".", *words], [".", *words], words, strict=False):
            plural = len(word) > 4 and re.fullmatch(r"[a-z-]+[^siu\W]s", word) and word not in known.topic["skip"]
            if word in own or not (plural or word in known.topic["mass"]):
                continue
            if before == "for":  # whom it is for, rather than what it is
                singles[word] -= weight
            elif before in known.topic["before"] or not before.isalpha():
                singles[word] += weight
            elif (
                before not in known.topic["before"] | known.topic["no_modifier"] | own
                and earlier not in known.topic["before_verb"]
                and not before.endswith(("ly", "ed", "s"))
                and len(before) > 2
            ):
                pairs[f"{before} {word}"] += weight
    return singles, pairs


def _french(pages: Sequence[Mapping[str, Any]], own: set[str]) -> Scores:
    """Plural nouns behind an article, and the noun that "de" adds to them."""
    known = cues("fr")
    singles: Counter[str] = Counter()
    pairs: Counter[str] = Counter()
    for weight, text in _weighted(pages):
        plain = text.lower().replace("\u2019", "'")
        words = re.findall(r"[^\W\d_]+'|[^\W\d_]+(?:-[^\W\d_]+)*|\d+|[.,;:!?|\n]", plain)
        for before, word, joint, noun in zip(
            [".", *words], words, [*words[1:], "."], [*words[2:], ".", "."], strict=False
        ):
            plural = len(word) > 4 and word[-1] in "sx" and word.isalpha() and word not in known.topic["skip"] | own
            opened = before in known.topic["before"] or not before[0].isalpha()
            if not (plural and opened):
                continue
            singles[word] += weight
            if joint in ("de", "d'") and len(noun) > 2 and noun.isalpha() and noun not in known.topic["no_modifier"]:
                pairs[f"{word} d\u2019{noun}" if joint == "d'" else f"{word} de {noun}"] += weight
    return singles, pairs


def _weighted(pages: Sequence[Mapping[str, Any]]) -> list[tuple[int, str]]:
    """The texts of the pages with their weight; titles, headings and descriptions say more about the topic than the rest."""
    texts: list[tuple[int, str]] = []
    for place, page in enumerate(pages):
        texts += [(3 if place else 6, page["title"]), (2 if place else 4, page["description"]), (1, page["text"])]
        texts += [(2, heading) for heading in page["headings"]]
    return texts
