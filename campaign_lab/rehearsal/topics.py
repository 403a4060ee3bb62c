"""What a site is about, in one plural or uncountable noun that the pages use themselves."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from campaign_lab.rehearsal.sentences import cues


def topic_of(pages: Sequence[Mapping[str, Any]], brand: str = "") -> str:
    """The site's topic, such as "mortgage rates". Empty when no noun stands out, or the pages are not in English."""
    known = cues("en")
    own = set(re.findall(r"\w+", brand.lower()))
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
    scores = {**singles, **{pair: count * 2 for pair, count in pairs.items()}}
    best = max(scores, key=lambda topic: (scores[topic], topic), default="")
    return best if scores.get(best, 0) >= 4 else ""


def _weighted(pages: Sequence[Mapping[str, Any]]) -> list[tuple[int, str]]:
    """The texts of English pages; titles, headings and descriptions say more about the topic than the rest."""
    texts: list[tuple[int, str]] = []
    for place, page in enumerate(pages):
        texts += [(3 if place else 6, page["title"]), (2 if place else 4, page["description"]), (1, page["text"])]
        texts += [(2, heading) for heading in page["headings"]]
    return texts
