"""Does a quote stand on its page, and do the quotes of a claim hold what the claim says?"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from functools import lru_cache

from campaign_lab.records import Claim, Evidence, Record

MIN_WORDS = 4
"""A shorter quote stands on almost any page and proves nothing, unless it is a number with its unit."""

_FOLDED = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc`", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", None),
        **dict.fromkeys("\u2605\u2606\u2b50\u2022\u2713\u2714", " "),
        "…": "...",
    }
)
_WORD = re.compile(r"\w+(?:['\u2019.,/-]\w+)*")
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_NUMBER = re.compile(
    r"(?P<before>[$€£¥]\s?)?(?<![\w.,])(?P<digits>\d+(?:[.,' ]\d{3})*(?:[.,]\d+)?)(?P<after>\s?[%‰$€£¥])?"
)
_SMALL = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBER_WORDS = {word: str(value) for value, word in enumerate(_SMALL, start=2)} | {
    "twenty": "20",
    "thirty": "30",
    "fifty": "50",
    "hundred": "100",
    "thousand": "1000",
    "million": "1000000",
}
_NUMBER_WORD = re.compile(r"\b(" + "|".join(_NUMBER_WORDS) + r")\b", re.IGNORECASE)
_WITH_UNIT = re.compile(r"[$€£¥]\s?\d|\d\s?[%‰$€£¥]|\d[\s-]?[^\W\d_]{2,}")
_NAME = re.compile(r"[^\W\d_][\w'\u2019&-]*")


def fold(text: str) -> str:
    """The text as quotes are compared: NFC, whitespace collapsed, typographic marks plain, stars and ticks gone."""
    return " ".join(unicodedata.normalize("NFC", text).translate(_FOLDED).split())


@lru_cache(maxsize=256)
def _folded_page(text: str) -> str:
    return fold(text)


def quote_stands(quote: str, text: str) -> bool:
    """Does the quote stand in the page's text word for word? A word or number cut in two does not."""
    wanted, page = fold(quote), _folded_page(text)
    at = page.find(wanted) if wanted else -1
    while at >= 0:
        if not _cut(page, at, at + len(wanted)):
            return True
        at = page.find(wanted, at + 1)
    return False


def _cut(page: str, start: int, end: int) -> bool:
    """Does the passage begin or end inside a word or number?"""
    if _UNSPACED.match(page[start]) and _UNSPACED.match(page[end - 1]):
        return False
    before, after = page[max(0, start - 2) : start], page[end : end + 2]
    first = page[start].isalnum() and before[-1:].isalnum()
    last = page[end - 1].isalnum() and after[:1].isalnum()
    tail = page[end - 1].isdigit() and re.fullmatch(r"[.,]\d", after)
    head = page[start].isdigit() and re.fullmatch(r"\d[.,]", before)
    return bool(first or last or tail or head)


def substantial(quote: str) -> bool:
    """Is the quote long enough to prove something: four words, or a number with its unit?"""
    words = len(_WORD.findall(quote)) + len(_UNSPACED.findall(quote)) // 2
    return words >= MIN_WORDS or bool(_WITH_UNIT.search(fold(quote)))


def support(record: Record, texts: Mapping[str, str]) -> dict[Evidence, bool]:
    """For each piece of evidence: does it stand on the stored page it names, and is it substantial?

    ``texts`` maps the url of each stored page to all its visible text. The record's own marks are ignored.
    """
    plain = (item.model_copy(update={"supported": None}) for item in record.evidence_in())
    return {item: substantial(item.quote) and quote_stands(item.quote, texts.get(item.url, "")) for item in plain}


def unsupported_claims(record: Record, texts: Mapping[str, str], names: Collection[str] = ()) -> list[str]:
    """The claims whose supported quotes do not hold every number and name of the claim.

    ``names`` are exempt (the brand's own).
    """
    supported = support(record, texts)
    return [claim.text for claim in record.claims_in() if not _carried(claim, supported, names)]


def _carried(claim: Claim, supported: Mapping[Evidence, bool], names: Collection[str]) -> bool:
    plain = [evidence.model_copy(update={"supported": None}) for evidence in claim.evidence]
    quotes = " \n ".join(evidence.quote for evidence in plain if supported[evidence])
    return bool(quotes) and numbers_in(claim.text) <= numbers_in(quotes) and _names_held(claim.text, quotes, names)


def numbers_in(text: str) -> frozenset[str]:
    """The numbers in a text, each with its sign: "4.19%", "$29", "36". Words from "two" upwards count."""
    plain = fold(text)
    found = {
        re.sub(r"[', ](?=\d{3}\b)", "", match["digits"]) + (match["before"] or match["after"] or "").strip()
        for match in _NUMBER.finditer(plain)
    }
    return frozenset(found | {_NUMBER_WORDS[word.lower()] for word in _NUMBER_WORD.findall(plain)})


def _names_held(text: str, quotes: str, exempt: Collection[str]) -> bool:
    known = set(_NAME.findall(fold(quotes))) | {word for name in exempt for word in _NAME.findall(fold(name))}
    return all(name in known for name in _names_in(text))


def _names_in(text: str) -> list[str]:
    """Capitalised words that do not merely begin a sentence, and words with a capital further in (RBC, McGee)."""
    plain = fold(text)
    found = []
    for match in _NAME.finditer(plain):
        word, before = match.group(), plain[: match.start()].rstrip("\"'([ ")
        begins = not before or before[-1] in ".!?:|-"
        if any(letter.isupper() for letter in word[1:]) or (word[0].isupper() and not begins and len(word) > 1):
            found.append(word)
    return found
