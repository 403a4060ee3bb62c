"""Near duplicates among the texts of a campaign, and sentences that stand in several of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations

THRESHOLD = 85.0
"""Similarity (token_set_ratio, 0 to 100) from which two short texts are near duplicates."""

ALIKE = 70.0
"""Likeness from which a record is taken for the mended form of another one of its kind."""

_CLOSING = "\"')\u201d\u2019\u00bb"
_OPENING = "\"'(\u201c\u2018\u201e\u00ab"
_NO_END = (
    r"(?<!\b[A-Z]\.)(?<!\b[ap]\.m\.)(?<!\b(?:Mr|Dr|St|Nr|vs|ca|no|Rd)\.)(?<!\b(?:Mrs|Inc|Ltd)\.)"
    r"(?<!\b(?:e\.g|i\.e|z\.B)\.)"
)
_END = re.compile(
    rf"(?<=[.!?…]){_NO_END}(?:(?<=[.!?…])|(?<=[{_CLOSING}]))\s+(?=(?:«\s)?[{_OPENING}]*[A-ZÀ-ÞŒ0-9$€£])|\n+"
)


@lru_cache(maxsize=20_000)
def likeness(left: str, right: str) -> float:
    """The similarity of two texts, 0 to 100: their token_set_ratio, with or without case and punctuation, the higher one."""
    return _higher(_forms(left), _forms(right))


def _forms(text: str) -> tuple[str, str]:
    """The text without case and punctuation, and as it stands."""
    from rapidfuzz import utils  # 20 ms that importing the package does not need

    return utils.default_process(text), text


def _higher(one: tuple[str, str], other: tuple[str, str], cutoff: float = 0.0) -> float:
    """The higher token_set_ratio of two texts in the same form; 0 where none reaches the cutoff, which is found sooner."""
    from rapidfuzz import fuzz

    return float(
        max(fuzz.token_set_ratio(left, right, score_cutoff=cutoff) for left, right in zip(one, other, strict=True))
    )


def near_duplicates(
    texts: Sequence[str], threshold: float = THRESHOLD, *, shared: float = 0.0
) -> list[tuple[int, int, float]]:
    """Pairs of positions whose texts are alike, with their likeness. Quadratic: for the texts of one campaign.

    Of a pair, the shorter text must have at least the part ``shared`` of its sequences of three characters in common with the
    other one: a quick look that spares most pairs the comparison.
    """
    forms = [_forms(text) for text in texts]
    places: dict[str, int] = {}
    grams = [_bits(plain, places) for plain, _ in forms] if shared else [0] * len(texts)
    least = [shared * each.bit_count() for each in grams]
    found = []
    for left, right in combinations(range(len(texts)), 2):
        if (grams[left] & grams[right]).bit_count() < min(least[left], least[right]):
            continue
        ratio = _higher(forms[left], forms[right], threshold)
        if ratio >= threshold:
            found.append((left, right, round(ratio, 1)))
    return found


def _bits(text: str, places: dict[str, int]) -> int:
    """The text's sequences of three characters as bits of a number; ``places`` numbers those that were met so far."""
    return sum(1 << places.setdefault(gram, len(places)) for gram in {text[n : n + 3] for n in range(len(text))})


def sentences_in(text: str) -> list[str]:
    """The sentences of a text, with their punctuation."""
    return [part.strip() for part in _END.split(text) if part.strip()]


def repeated_sentences(texts: Sequence[str], names: Sequence[str] = ()) -> list[str]:
    """Sentences that stand in the texts more than once, as first written. A name alone (``names``) is no sentence."""
    first: dict[str, str] = {}
    seen: Counter[str] = Counter()
    for sentence in (sentence for text in texts for sentence in sentences_in(text)):
        key = _key(sentence)
        first.setdefault(key, sentence)
        seen[key] += 1
    exempt = {_key(name) for name in names} | {""}
    return [first[key] for key, times in seen.items() if times > 1 and key not in exempt]


def _key(sentence: str) -> str:
    return " ".join(re.findall(r"[\w%$€£]+", sentence.casefold()))
